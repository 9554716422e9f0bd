"""A log daemon: logd.py SOCKET FILE, each datagram is a line of the file."""
import os
import socket
import sys

s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
with open(sys.argv[2], "w", buffering=1) as out:
    while True:
        out.write(s.recv(65536).decode("utf-8", "replace").rstrip("\n\0") + "\n")
