"""What `amadeus doctor` looks at. Nothing here imports a heavy package."""

from collections.abc import Iterator

from amadeus.cli.checks import home as homes
from amadeus.cli.checks import installation, machine, studio
from amadeus.cli.checks.check import Check
from amadeus.home import Home

__all__ = ["Check", "examine"]


def examine(home: Home) -> Iterator[Check]:
    """Looks at the machine, the installation and the home, in this order."""
    yield machine.check_interpreter()
    yield machine.check_glibc()
    yield machine.check_cpu()
    yield machine.check_memory()
    yield installation.check_packages()
    yield from installation.explain_overrides()
    yield installation.check_rooms()
    yield installation.check_kernels()
    yield installation.check_libsndfile()
    yield installation.check_ffmpeg()
    yield studio.check_studio()
    yield homes.check_home(home)
    yield homes.check_disk(home)
    yield homes.check_metadata(home)
    for deu in home.deus():
        yield homes.check_voice(deu)
        yield from homes.check_records(home, deu)
