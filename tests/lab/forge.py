"""Forges VRRP adverts, right ones and wrong ones.

forge.py INTERFACE SOURCE VRID VIP PASSWORD KIND...: adverts that are wrong in one way each, one every 0.1 s. Each of
them would take the mastership, were it not for its fault; `right` has none, `lower` is right, but of priority 50. `packet` makes one for other scripts.
"""
import socket
import struct
import sys
import time

GROUP = {4: "224.0.0.18", 6: "ff02::12"}
ETH_P = {4: 0x0800, 6: 0x86DD}
KINDS = {
    "right": {}, "lower": {"prio": 50, "authtype": 0},
    "short": {"cut": 10}, "header-only": {"cut": 8}, "empty": {"cut": 0}, "one-byte": {"cut": 1}, "long": {"tail": 60},
    "version-3": {"head_version": 3}, "version-0": {"head_version": 0}, "type-2": {"type": 2}, "other-vrid": {"vrid": None},
    "no-auth": {"authtype": 0}, "auth-ah": {"authtype": 2}, "wrong-password": {"password": "wrong"},
    "wrong-checksum": {"sum": "bad"}, "ttl-64": {"ttl": 64}, "interval-2": {"interval": 2}, "count-200": {"count": 200},
}


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def raw(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def message(source, to, vrid, prio, vips, version=2, interval=1.0, type=1, count=None, authtype=0, password="", sum="",
            cut=None, tail=0, head_version=None, **_):
    """A VRRP message; head_version is a number that only its first byte tells."""
    head = struct.pack("!BBBB", (version if head_version is None else head_version) << 4 | type, vrid, prio,
                       len(vips) if count is None else count)
    head += struct.pack("!H", round(interval * 100)) if version == 3 else struct.pack("!BB", authtype, int(interval))
    rest = b"".join(raw(vip) for vip in vips)
    if version != 3 and ":" not in source:
        rest += password.encode()[:8].ljust(8, b"\0") if authtype == 1 else bytes(8)
    body = head + b"\0\0" + rest
    pseudo_to = GROUP[4] if sum == "group" else to
    if ":" in source:
        pseudo = raw(source) + raw(pseudo_to) + struct.pack("!IxxxB", len(body), 112)
    else:
        pseudo = raw(source) + raw(pseudo_to) + struct.pack("!BBH", 0, 112, len(body))
    if sum == "plain" or (sum != "pseudo" and version == 2 and ":" not in source):
        pseudo = b""
    total = checksum(pseudo + body) ^ (sum == "bad")
    return (head + struct.pack("!H", total) + rest)[:cut] + b"\0" * tail


def packet(source, to=None, ttl=255, **fields):
    """The same as a whole IP packet."""
    family = 6 if ":" in source else 4
    to = to or GROUP[family]
    body = message(source, to, **fields)
    if family == 6:
        return struct.pack("!IHBB", 6 << 28 | 0xC0 << 20, len(body), 112, ttl) + raw(source) + raw(to) + body
    head = struct.pack("!BBHHHBB", 0x45, 0xC0, 20 + len(body), 1, 0, ttl, 112)
    ends = raw(source) + raw(to)
    return head + struct.pack("!H", checksum(head + b"\0\0" + ends)) + ends + body


def frame(packet, from_mac, to_mac=None):
    """In Ethernet; a group's address follows from the packet's."""
    family = packet[0] >> 4
    if to_mac is None:
        to = packet[24:40] if family == 6 else packet[16:20]
        to_mac = b"\x33\x33" + to[-4:] if family == 6 else b"\x01\x00\x5e" + bytes([to[1] & 127]) + to[2:]
    return to_mac + from_mac + struct.pack("!H", ETH_P[family]) + packet


def main(interface, source, vrid, vip, password, *kinds):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((interface, ETH_P[4]))
    for kind in kinds or [k for k in KINDS if k not in ("right", "lower")]:
        fields = {"vrid": int(vrid), "prio": 250, "vips": [vip], "authtype": 1, "password": password, **KINDS[kind]}
        if fields["vrid"] is None:
            fields["vrid"] = int(vrid) + 1
        s.send(frame(packet(source, **fields), s.getsockname()[4]))
        time.sleep(0.1)


if __name__ == "__main__":
    main(*sys.argv[1:])
