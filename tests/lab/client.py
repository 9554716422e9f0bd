"""Asks a service again and again and writes down who answered: client.py ADDRESS PORT[s] INTERVAL FILE (s: by TLS)

TIME NAME MILLISECONDS, or TIME - REASON. A new connection each time; half a second is too long.
"""
import socket
import ssl
import sys
import time

address, port, interval = sys.argv[1], int(sys.argv[2].rstrip("s")), float(sys.argv[3])
tls = None
if sys.argv[2].endswith("s"):
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
PATIENCE = 0.5


def ask():
    with socket.create_connection((address, port), PATIENCE) as s:
        if tls:
            s = tls.wrap_socket(s)
        if port != 22:
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        said = b""
        while more := s.recv(4096):
            said += more
        return said.decode("latin1").split()[-1]


with open(sys.argv[4], "w", buffering=1) as out:
    due = time.time()
    while True:
        begun = time.time()
        try:
            out.write(f"{begun:.6f} {ask()} {1000 * (time.time() - begun):.1f}\n")
        except (OSError, IndexError) as e:
            out.write(f"{begun:.6f} - {type(e).__name__}\n")
        due = max(due + interval, time.time())
        time.sleep(due - time.time() if due > time.time() else 0)
