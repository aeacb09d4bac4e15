"""A way to a server that is not always good: each connection fares as a plan says, those after it pass."""

import contextlib
import re
import socket
import threading

PASS = "pass"
LOST = "lost"  # the request arrives, the answer does not


class Proxy:
    """Listens on a free port; `url` leads to it.

    A plan is made of `PASS`, `LOST`, a number of bytes of the answer after which it is cut off, or a status with a
    body that is answered instead of the server.
    """

    def __init__(self, backend_url, plan=(), *, for_ever=None):
        self._backend = backend_url.removeprefix("http://").split(":")
        self._plan, self._for_ever = list(plan), for_ever or PASS
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.n_connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.n_connections += 1
            fate = self._plan.pop(0) if self._plan else self._for_ever
            threading.Thread(
                target=self._serve, args=(client, fate), daemon=True
            ).start()

    def _serve(self, client, fate):
        with client, contextlib.suppress(OSError):
            if isinstance(fate, tuple):
                _answer(client, *fate)
                return
            host, port = self._backend
            with socket.create_connection((host, int(port))) as server:
                forth = threading.Thread(
                    target=_carry, args=(client, server, None), daemon=True
                )
                forth.start()
                limits = {PASS: None, LOST: 0}
                _carry(server, client, limits.get(fate, fate))
                for end in (client, server):
                    with contextlib.suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)


def _carry(source, target, limit):
    with contextlib.suppress(OSError):  # of a connection that was cut, by us or by them
        _carry_all(source, target, limit)


def _carry_all(source, target, limit):
    while data := source.recv(1 << 16):
        if limit is not None and len(data) > limit:
            target.sendall(data[:limit])
            return
        limit = limit if limit is None else limit - len(data)
        target.sendall(data)


def _answer(client, status, body):
    client.settimeout(10)
    request = b""
    while b"\r\n\r\n" not in request:
        request += client.recv(1 << 16)
    head, _, rest = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    missing = int(length[1]) - len(rest) if length else 0
    while missing > 0 and (data := client.recv(1 << 16)):
        missing -= len(data)
    answer = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    client.sendall(answer.encode())
