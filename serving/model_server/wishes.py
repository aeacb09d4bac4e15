"""Generations that studios ask a TF Serving for, beside those that it serves anyway.

A studio that plays a generation leaves a file in its deu, `asked/<generation>`, and touches it for as long as somebody
plays; who lists the home for TF Serving (`listing.py`) reads them. So any generation of the home can be played, and one
that is played is not taken away because newer ones came. A wish that nobody touched for `KEPT_S` is over.
"""

import contextlib
import logging
import threading
import time
from collections import Counter
from pathlib import Path

from amadeus.home import Deu, Home

ASKED_NAME = "asked"
KEPT_S = 1800.0  # without a touch; clocks of machines that share a home differ by less
TOUCH_S = 300.0
MAX_ASKED = (
    8  # of a deu at once, the last ones that were touched: each costs memory there
)

_log = logging.getLogger(__name__)


def asked_for(deu: Deu) -> list[int]:
    """Lists what is asked for of a deu now, and there; oldest generation first."""
    held = set(deu.generations())
    now_s = time.time()
    touched = [
        (touched_s, int(path.name))
        for path, touched_s in _wishes(deu)
        if now_s - touched_s < KEPT_S and int(path.name) in held
    ]
    return sorted(number for _, number in sorted(touched)[-MAX_ASKED:])


class Wishes:
    """What one studio plays, kept in mind for it.

    Args:
      home: Where wishes are left.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._held: Counter[tuple[str, int]] = Counter()
        self._mutex = threading.Lock()
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None

    def hold(self, deu: str, generation: int) -> None:
        """Keeps a generation that was asked for, until it is let go as many times as it was held."""
        with self._mutex:
            self._held[deu, generation] += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._keep, daemon=True)
                self._thread.start()

    def let_go(self, deu: str, generation: int) -> None:
        """Needs a generation no more; it is served for some time yet."""
        with self._mutex:
            self._held[deu, generation] -= 1
            self._held += Counter()  # drops what is down to nothing

    def ask(self, deu: str, generation: int) -> None:
        """Asks for a generation for some time."""
        try:
            place = self._home.deu(deu)
            folder = place.path / ASKED_NAME
            folder.mkdir(exist_ok=True)
            for path, touched_s in _wishes(place):
                if time.time() - touched_s > 2 * KEPT_S:
                    path.unlink(missing_ok=True)
            (folder / str(generation)).touch()
        except Exception as error:  # it may be served all the same
            _log.warning(
                "generation %d of %s could not be asked for: %s", generation, deu, error
            )

    def close(self) -> None:
        """Keeps nothing in mind any more."""
        self._is_over.set()

    def _keep(self) -> None:
        while not self._is_over.wait(TOUCH_S):
            with self._mutex:
                held = list(self._held)
            for deu, generation in held:
                self.ask(deu, generation)


def _wishes(deu: Deu) -> list[tuple[Path, float]]:
    found = []
    with contextlib.suppress(FileNotFoundError):
        for path in (deu.path / ASKED_NAME).iterdir():
            if path.name.isdecimal():
                with contextlib.suppress(FileNotFoundError):
                    found.append((path, path.stat().st_mtime))
    return found
