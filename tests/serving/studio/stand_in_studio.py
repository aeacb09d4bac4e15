"""A studio that only practises, as a process: stand_in_studio.py HOME [PORT]. It says its port, and ends on SIGTERM."""

import asyncio
import signal
import sys
from pathlib import Path

from amadeus.home import Home
from serving.studio.practice_limits import PracticeLimits
from serving.studio.practices import Practices
from tests.serving.studio.practising import serve, stand_ins


async def main(path, port=0):
    limits = PracticeLimits(patience_s=2.0, close_s=5.0, lease_s=8.0)
    practices = Practices(Home(path), limits, **stand_ins())
    server, port = await serve(practices, port)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await stopped.wait()
    await practices.close()
    await server.stop(1.0)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *map(int, sys.argv[2:])))
