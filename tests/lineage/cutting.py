"""A wire between a MySQL client and its server that cuts a connection when a transaction is done and not yet answered.

Usage: python -m tests.lineage.cutting PORT FLAG. It tells its own port; each time FLAG exists and a COMMIT passes, FLAG
goes and so does the connection. It is a process, for ML Metadata lets nobody else work while it waits.
"""

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def wire(port, flag):
    """Lays a wire to a port; hands out its own."""
    command = [sys.executable, "-m", "tests.lineage.cutting", str(port), str(flag)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


async def _serve(port, flag):
    async def meet(reader, writer):
        there, back = await asyncio.open_connection("127.0.0.1", port)
        cut = asyncio.Event()

        async def hand_on(source, target, is_asking):
            while content := await source.read(1 << 16):
                if is_asking and b"COMMIT" in content and flag.exists():
                    flag.unlink()
                    cut.set()
                elif cut.is_set():
                    break  # the answer to it
                target.write(content)
                await target.drain()
            writer.close()
            back.close()

        with contextlib.suppress(OSError):
            await asyncio.gather(
                hand_on(reader, back, True), hand_on(there, writer, False)
            )

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2])))
