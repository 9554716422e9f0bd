"""A real server that answers with its name: server.py NAME PORT... (port 22 speaks first; 443s is TLS with a certificate of its own)

HTTP: /test.html is the same on every server, anything else is the name.
"""
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

PAGE = b"<html>\n<body>alive</body>\n</html>\n"


def tls_context():
    with tempfile.TemporaryDirectory() as d:
        pem = os.path.join(d, "pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=lab", "-keyout", pem, "-out", pem + "c"],
                       check=True, capture_output=True)
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        c.load_cert_chain(pem + "c", pem)
        return c


def answer(conn, port, tls):
    try:
        conn.settimeout(3)
        if port == 22:
            conn.sendall(NAME + b"\n")
            return
        if tls:
            conn = tls.wrap_socket(conn, server_side=True)
        request = conn.recv(4096)
        body = PAGE if request.startswith(b"GET /test.html ") else NAME + b"\n"
        if request:
            conn.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
    except OSError:
        pass
    finally:
        conn.close()


def listen(port, tls):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("0.0.0.0", port))
    s.listen(64)
    while True:
        conn, _ = s.accept()
        threading.Thread(target=answer, args=(conn, port, tls), daemon=True).start()


NAME = sys.argv[1].encode()
threads = [threading.Thread(target=listen, args=(int(p.rstrip("s")), tls_context() if p.endswith("s") else None)) for p in sys.argv[2:]]
for t in threads:
    t.start()
