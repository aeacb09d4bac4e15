"""Lists the deus of a home for a TF Serving that stands beside it: `python -m serving.model_server.listing`.

    python -m serving.model_server.listing --output /config/models.config               # once
    python -m serving.model_server.listing --output /config/models.config --every-s 5   # and whenever something changes

TF Serving reads the file with `--model_config_file` and, with `--model_config_file_poll_wait_seconds`, again and again.
A deu is a model, a generation a version. Of each the one that plays is listed, and the two newest beside it: while a
new voice takes over, the old one's notes ring out; and whatever a studio asks for (`wishes.py`). The file appears by
one rename, so nobody reads half of it.
"""

import argparse
import contextlib
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from amadeus.errors import AmadeusError
from amadeus.home import Deu, Home, explain_os_errors, open_home, write_atomically
from serving.model_server.wishes import asked_for

N_NEWEST = 2
PLATFORM = "tensorflow"

_log = logging.getLogger(__name__)


def list_models(home: Home) -> model_server_config_pb2.ModelServerConfig:
    """Lists every deu that has a voice, by name."""
    config = model_server_config_pb2.ModelServerConfig()
    models = config.model_config_list
    models.SetInParent()
    for deu in home.deus():
        versions = _versions(deu)
        if versions:
            model = models.config.add(
                name=deu.name,
                base_path=str(deu.voices_path),
                model_platform=PLATFORM,
            )
            model.model_version_policy.specific.versions.extend(versions)
    return config


def write_listing(home: Home, path: Path) -> bool:
    """Writes the list where it differs from what is there; says whether it did.

    Raises:
      HomeError: It cannot be written.
    """
    text = text_format.MessageToString(list_models(home))
    with explain_os_errors(path):
        with contextlib.suppress(FileNotFoundError):
            if path.read_text() == text:
                return False
        write_atomically(path, text)
    return True


def build_parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    parser = argparse.ArgumentParser(prog="python -m serving.model_server.listing")
    parser.add_argument(
        "--output", type=Path, required=True, help="the file to write, in text format"
    )
    parser.add_argument(
        "--every-s", type=_pause, help="look again after so many seconds; else once"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the list of `$AMADEUS_HOME`, once or until it is told to stop; returns the exit status."""
    options = build_parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    try:
        home = open_home()
        _write(home, options.output)
    except AmadeusError as error:
        _log.error("%s", error)
        return 2
    while options.every_s and not stopped.wait(options.every_s):
        try:
            _write(home, options.output)
        except (AmadeusError, OSError) as error:  # such as a file server that is away
            _log.warning("the list stays as it is: %s", error)
    return 0


def _pause(text: str) -> float:
    pause_s = float(text)
    if not 0 < pause_s <= threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError(f"{text} is no pause: give some seconds.")
    return pause_s


def _versions(deu: Deu) -> list[int]:
    newest = deu.generations()[-N_NEWEST:]
    return sorted({deu.current_generation(), *newest, *asked_for(deu)} - {0})


def _write(home: Home, path: Path) -> None:
    if write_listing(home, path):
        _log.info("%s lists what is served now", path)


if __name__ == "__main__":
    sys.exit(main())
