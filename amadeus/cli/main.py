"""The `amadeus` command, its exit statuses and the one place that words errors.

Exit statuses: 0 done; 1 a fault of ours, with a traceback; 2 something the ama can mend, in one
sentence; 130 stopped by Ctrl-C.
"""

import errno
import os
import sys
from collections.abc import Callable, Sequence
from typing import TextIO

import click

from amadeus import __version__
from amadeus.cli.lazy import LazyCommand, LazyGroup
from amadeus.cli.status import (
    EXIT_BAD_INPUT,
    EXIT_FAULT,
    EXIT_INTERRUPTED,
    complain,
)
from amadeus.errors import AmadeusError
from amadeus.home import METADATA_VARIABLE, open_home

COMMANDS = {
    "doctor": LazyCommand(
        "amadeus.cli.doctor",
        "doctor",
        "Check this machine, and say how to mend what is wrong.",
    ),
    "deu": LazyCommand(
        "amadeus.cli.deu", "deu", "Create, list, show, export, import and remove deus."
    ),
    "listen": LazyCommand(
        "amadeus.cli.listen",
        "listen_command",
        "Say what could be learned from recordings.",
    ),
    "dataset": LazyCommand(
        "amadeus.cli.dataset",
        "dataset",
        "Look at, sort and make data sets of single notes, such as NSynth.",
    ),
    "presets": LazyCommand(
        "amadeus.cli.presets", "presets", "Explain the presets a voice is made from."
    ),
    "knobs": LazyCommand(
        "amadeus.cli.knobs",
        "knobs",
        "Explain how a deu plays and learns, knob by knob.",
    ),
    "practice": LazyCommand(
        "amadeus.cli.practice", "practice", "Teach a deu: make its next personality."
    ),
    "pipeline": LazyCommand(
        "amadeus.cli.pipeline",
        "pipeline",
        "Practise on Kubeflow Pipelines: compile, upload, schedule, follow.",
    ),
    "perform": LazyCommand(
        "amadeus.cli.perform", "perform", "Play a MIDI file or another sound."
    ),
    "studio": LazyCommand(
        "serving.cli.studio", "studio", "Practise and perform over gRPC."
    ),
    "report": LazyCommand(
        "amadeus.cli.report", "report", "Write a practice down as one HTML page."
    ),
    "lineage": LazyCommand(
        "amadeus.cli.lineage", "lineage", "Tell where a voice comes from."
    ),
}

# What the machine, not the program, is short of; anything else from the system is a fault of ours.
_MENDABLE = {
    errno.ENOSPC: "free some space there",
    errno.EDQUOT: "free some of your quota there",
    errno.EROFS: "choose a place that can be written",
    errno.EACCES: "give rights there or choose another place",
    errno.EPERM: "give rights there or choose another place",
}


@click.group(cls=LazyGroup, lazy_commands=COMMANDS)
@click.option(
    "--home",
    metavar="FOLDER",
    help="Where everything is kept. Default: $AMADEUS_HOME, else your user-data folder.",
)
@click.option(
    "--metadata",
    metavar="URL",
    help="Where lineage is recorded: sqlite:///PATH, mysql://USER@HOST:PORT/DB, grpc(s)://HOST:PORT. Default: "
    "$AMADEUS_METADATA, else a file in the home.",
)
@click.version_option(__version__, prog_name="amadeus", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, home: str | None, metadata: str | None) -> None:
    """A living, learning instrument: teach it with recordings, then play it."""
    ctx.obj = open_home(home)
    if metadata is not None:
        ctx.call_on_close(_metadata_at(metadata))


def _metadata_at(url: str) -> Callable[[], object]:
    """Has this process and those it starts record lineage elsewhere; returns what takes that back."""
    before = os.environ.get(METADATA_VARIABLE)
    os.environ[METADATA_VARIABLE] = url

    def take_back() -> None:
        del os.environ[METADATA_VARIABLE]
        if before is not None:
            os.environ[METADATA_VARIABLE] = before

    return take_back


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line `argv`, by default the process's own, and returns its exit status."""
    try:
        status = _run(argv)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as error:
        # The reader of a pipe left, as `head` does; click answers that with SystemExit.
        _silence(sys.stdout)
        _silence(sys.stderr)
        return error.code if isinstance(error, SystemExit) else EXIT_FAULT
    return status


def _run(argv: Sequence[str] | None) -> int:
    try:
        status = cli.main(args=argv, prog_name="amadeus", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return complain(
            "stopped by Ctrl-C; nothing was left half written.", EXIT_INTERRUPTED
        )
    except AmadeusError as error:
        return complain(str(error), EXIT_BAD_INPUT)
    except OSError as error:
        if error.errno not in _MENDABLE:
            raise
        return complain(_word(error), EXIT_BAD_INPUT)
    return status or 0


def _word(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror}; {_MENDABLE[error.errno]}, then try again."


def _silence(stream: TextIO) -> None:
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    sys.exit(main())
