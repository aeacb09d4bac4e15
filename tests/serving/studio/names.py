"""A server of names that knows one, for gRPC's `dns://SERVER/NAME:PORT`: several addresses, of a headless Service."""

import contextlib
import socket
import struct
import threading

A, IN, N_QUESTION = 1, 1, 4  # bytes behind the name of a question


@contextlib.contextmanager
def name_server(addresses):
    """Answers every question for an IPv4 address with all of `addresses`; hands out where it listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(
            target=_serve, args=(listening, addresses), daemon=True
        )
        thread.start()
        place = listening.getsockname()
        try:
            yield f"{place[0]}:{place[1]}"
        finally:
            listening.sendto(b"", place)  # wakes it for the last time
            thread.join(30)


def _serve(listening, addresses):
    while True:
        question, whom = listening.recvfrom(512)
        if not question:
            return
        listening.sendto(_answer(question, addresses), whom)


def _answer(question, addresses):
    end = question.index(b"\0", 12) + 1 + N_QUESTION
    (kind, _) = struct.unpack(">HH", question[end - N_QUESTION : end])
    told = addresses if kind == A else []
    header = question[:2] + struct.pack(">HHHHH", 0x8180, 1, len(told), 0, 0)
    records = b"".join(
        struct.pack(">HHHIH", 0xC00C, A, IN, 1, 4) + socket.inet_aton(address)
        for address in told
    )
    return header + question[12:end] + records
