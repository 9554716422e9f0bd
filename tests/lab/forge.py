"""Sends VRRP adverts that are wrong in one way each: forge.py INTERFACE SOURCE VRID VIP PASSWORD KIND...

Each of them would take the mastership, were it not for its fault; `right` has none. One every 0.1 s.
"""
import socket
import struct
import sys
import time

interface, source, vrid, vip, password = sys.argv[1:6]
KINDS = {
    "right": {},
    "short": {"cut": 10}, "header-only": {"cut": 8}, "empty": {"cut": 0}, "one-byte": {"cut": 1}, "long": {"tail": 60},
    "version-3": {"version": 3}, "version-0": {"version": 0}, "type-2": {"type": 2}, "other-vrid": {"vrid": int(vrid) + 1},
    "no-auth": {"auth": 0}, "auth-ah": {"auth": 2}, "wrong-password": {"password": "wrong"}, "wrong-checksum": {"spoil": 1},
    "ttl-64": {"ttl": 64}, "interval-2": {"interval": 2}, "count-200": {"count": 200},
}


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def send(fault):
    word = fault.get("password", password).encode()[:8].ljust(8, b"\0")
    head = struct.pack("!BBBBBB", fault.get("version", 2) << 4 | fault.get("type", 1), fault.get("vrid", int(vrid)), 250,
                       fault.get("count", 1), fault.get("auth", 1), fault.get("interval", 1))
    rest = socket.inet_aton(vip) + word
    total = checksum(head + b"\0\0" + rest) ^ fault.get("spoil", 0)
    packet = (head + struct.pack("!H", total) + rest)[:fault.get("cut", 99)] + b"\0" * fault.get("tail", 0)
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, fault.get("ttl", 255))
    s.bind((source, 0))
    s.sendto(packet, ("224.0.0.18", 0))
    s.close()


for kind in sys.argv[6:] or [k for k in KINDS if k != "right"]:
    send(KINDS[kind])
    time.sleep(0.1)
