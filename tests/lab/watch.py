"""Writes a line for each VRRP advert and gratuitous ARP seen on an interface, with the kernel's time stamp: watch.py INTERFACE FILE

TIME advert SOURCE TTL VRID PRIORITY VERSION AUTH PASSWORD ADDRESS...
TIME garp ADDRESS MAC
TIME na ADDRESS MAC
"""
import socket
import struct
import sys

SO_TIMESTAMPNS = 35
ETH_P_ALL = 3


def describe(frame):
    kind = frame[12:14]
    ip = frame[14:]
    if kind == b"\x08\x06" and ip[14:18] == ip[24:28]:
        return f"garp {socket.inet_ntoa(ip[14:18])} {ip[8:14].hex(':')}"
    if kind == b"\x86\xdd" and ip[6] == 58 and ip[24:40] == socket.inet_pton(socket.AF_INET6, "ff02::1") and ip[40:41] == b"\x88":
        return f"na {socket.inet_ntop(socket.AF_INET6, ip[48:64])} {ip[66:72].hex(':')}"
    if kind == b"\x08\x00" and len(ip) >= 20 and ip[9] == 112:
        p = ip[(ip[0] & 15) * 4:struct.unpack("!H", ip[2:4])[0]]
        if len(p) < 8:
            return None
        version, vrid, priority, count, auth = p[0] >> 4, p[1], p[2], p[3], p[4]
        vips = [socket.inet_ntoa(p[i:i + 4]) for i in range(8, 8 + 4 * count, 4) if len(p) >= i + 4]
        word = p[8 + 4 * count:].rstrip(b"\0").decode("latin1") or "-"
        return f"advert {socket.inet_ntoa(ip[12:16])} {ip[8]} {vrid} {priority} {version} {auth} {word} {' '.join(vips)}"
    return None


s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
s.bind((sys.argv[1], 0))
with open(sys.argv[2], "w", buffering=1) as out:
    out.write("0 ready\n")
    while True:
        try:
            frame, control, _, origin = s.recvmsg(2048, 64)
        except OSError:
            continue  # the interface went down
        if origin[2] == socket.PACKET_OUTGOING:
            continue
        words = describe(frame)
        if words:
            sec, nano = struct.unpack("qq", control[0][2])
            out.write(f"{sec}.{nano // 1000:06d} {words}\n")
