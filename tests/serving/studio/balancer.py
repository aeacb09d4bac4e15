"""A balancer: connections go to one replica after the other, and only to those that answer.

It knows nothing but TCP, as a Service of Kubernetes does; who opens a connection for each call meets another replica
each time.
"""

import asyncio
import contextlib


@contextlib.asynccontextmanager
async def balancer(ports):
    """Listens before some ports; hands out its own, and whom it sent connections to."""
    turns, sent = iter(_endless(ports)), []
    open_writers = set()

    async def meet(reader, writer):
        for _ in ports:
            port = next(turns)
            try:
                there, back = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue  # it is down: the next one
            sent.append(port)
            open_writers.update((writer, back))
            await asyncio.gather(_hand_on(reader, back), _hand_on(there, writer))
            return
        writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], sent
    finally:
        server.close()
        for writer in open_writers:
            writer.close()


async def _hand_on(source, target):
    with contextlib.suppress(OSError):
        while content := await source.read(1 << 16):
            target.write(content)
            await target.drain()
    target.close()


def _endless(ports):
    while True:
        yield from ports
