"""The worker of a practice: `python -m pipelines.local PRACTICE_DIR`.

It reads PRACTICE_DIR/request.json, holds the deu's lock, tells PRACTICE_DIR/journal.jsonl how it
goes, and logs to stderr. Exit status: 0 well, 2 for something the user can mend, 130 when
interrupted (the same request goes on from the last checkpoint), 1 for a bug.
"""

import argparse
import contextlib
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from amadeus import interruption
from amadeus.errors import AmadeusError
from amadeus.home import explain_os_errors
from amadeus.journal import JOURNAL_NAME, Journal, emit
from amadeus.v1 import practice_pb2
from pipelines.place import Place, find_place

EXIT_FAULT, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130

# TFX warns through absl of its own unfinished parts at every step.
_CHATTY = {
    "absl": logging.ERROR,
    "apache_beam": logging.WARNING,
    "tensorflow": logging.ERROR,
}

_log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the practice in a folder and returns the exit status."""
    path = Path(build_parser().parse_args(argv).practice).resolve()
    _log_to_stderr()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported
    interruption.listen()
    try:
        place = find_place(path)
        with place.deu.locked(), _journal(path):
            return _run(place)
    except AmadeusError as error:  # before there was anything to run
        _log.error("%s", error)
        _leave_word(path, error)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.local")
    parser.add_argument(
        "practice", help="folder of a practice, with its request.json in it"
    )
    return parser


def _run(place: Place) -> int:
    try:
        finished = _work(place)
    except (Exception, KeyboardInterrupt) as reason:
        error = KeyboardInterrupt() if interruption.is_asked() else reason
        text, status = _explain(error, place.path)
        failed = practice_pb2.PracticeFailed(text=text, exit_status=status)
        with contextlib.suppress(OSError):  # a full disk takes no last word
            emit(failed=failed)
        return status
    emit(finished=finished)
    return 0


def _work(place: Place) -> practice_pb2.PracticeFinished:
    from pipelines import judging

    if judging.is_asked(place):
        return judging.run(place)
    from pipelines import practice  # TFX

    return practice.run(place)


def _explain(error: BaseException, path: Path) -> tuple[str, int]:
    """Says what stopped the practice, and with which exit status to end."""
    if isinstance(error, KeyboardInterrupt):
        _log.info("interrupted")
        text = "the practice was interrupted: the same command goes on from where it stopped."
        return text, EXIT_INTERRUPTED
    from pipelines.blame import find_reason

    reason = find_reason(error, place=str(path.parents[3]))
    if reason is not None:
        _log.error("%s", reason)
        _log.debug("%s", "".join(traceback.format_exception(error)))
        return str(reason), EXIT_BAD_INPUT
    _log.error("%s", "".join(traceback.format_exception(error)))
    last = traceback.format_exception_only(error)[-1].strip().splitlines()[0]
    return (
        f"the practice met a fault of Amadeus ({last}): please report it with the log in {path}.",
        EXIT_FAULT,
    )


@contextlib.contextmanager
def _journal(path: Path) -> Iterator[None]:
    with explain_os_errors(path):
        journal = Journal(path / JOURNAL_NAME)
    with journal.activated(), journal.inherited():
        yield


def _leave_word(path: Path, error: AmadeusError) -> None:
    """Tells whoever follows; not where a journal is, for another worker may be writing it."""
    failed = practice_pb2.PracticeFailed(text=str(error), exit_status=EXIT_BAD_INPUT)
    with contextlib.suppress(OSError):
        if not (path / JOURNAL_NAME).exists():
            Journal(path / JOURNAL_NAME).write(failed=failed)


def _log_to_stderr() -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        force=True,
    )
    (handler,) = logging.getLogger().handlers
    handler.addFilter(_is_worth_reading)


def _is_worth_reading(record: logging.LogRecord) -> bool:
    # At the handler: Beam's options reset absl's level each time they are parsed.
    return record.levelno >= _CHATTY.get(record.name.partition(".")[0], logging.NOTSET)


def _end_process(status: int) -> NoReturn:
    """Ends this process with a status, whatever threads are left.

    An interrupt that passes through `exec` of a string is remembered by CPython 3.11, which then
    dies of SIGINT at exit though the interrupt was handled, and 130 would be lost.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    if status == EXIT_INTERRUPTED:
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    _end_process(main())
