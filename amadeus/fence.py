"""Whether a practice may still change its deu: a fence between a worker that was cut off and the one that came next.

A studio gives each worker it starts a token, and writes it into the claim of the session. When the worker's machine is
cut off for longer than its lease, another studio takes the session over by writing a token of its own; the first may
come back at any moment and know nothing of it. So whatever makes a generation appear, or moves the pointer to it, first
compares tokens, under a lock that whoever takes over holds while it writes its own. A worker that stands still between
that look and the rename cannot hurt either: what it prepared bears its token in its name, and is taken away with the
claim, so that there is nothing left to rename (`withdraw`).

The claim is told by `AMADEUS_CLAIM`, "TOKEN PATH"; a practice by hand has none and passes.
"""

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from amadeus.errors import HomeError, PracticeError

VARIABLE = "AMADEUS_CLAIM"
LOCK_NAME = "fence"  # beside the claim
PATIENCE_S = 2.0  # for one who stands still with the lock in its hands

_TOKEN = re.compile(r"[0-9a-f]{16}")
_PAUSE_S = 0.02


class Claim(NamedTuple):
    """What a worker was given.

    Attributes:
      token: What the claim says for as long as the worker is entitled to work.
      path: The file that says it.
    """

    token: str
    path: Path


def own_claim() -> Claim | None:
    """Reads the claim of this process; None for a practice by hand.

    Raises:
      PracticeError: It is garbled.
    """
    told = os.environ.get(VARIABLE, "")
    if not told:
        return None
    token, _, path = told.partition(" ")
    if not _TOKEN.fullmatch(token) or not path:
        raise PracticeError(
            f"{VARIABLE} does not say a token and a path: leave it to the studio, or unset it."
        )
    return Claim(token, Path(path))


def tell(token: str, path: Path) -> str:
    """Says a claim as `AMADEUS_CLAIM` does."""
    return f"{token} {path}"


@contextlib.contextmanager
def passed() -> Iterator[None]:
    """Holds the fence for the moment of a change that only one worker of a session may make.

    Raises:
      PracticeError: Another has taken the session over; nothing is to be changed.
      HomeError: The claim cannot be read.
    """
    claim = own_claim()
    if claim is None:
        yield
        return
    with contextlib.ExitStack() as held:
        if _take(claim, held) != claim.token:
            raise lost()
        yield


def lost() -> PracticeError:
    """Says that a session is another's now."""
    return PracticeError(
        "another studio took this practice over while this machine was away, so nothing is pushed from here: follow "
        "the session, which goes on there."
    )


@contextlib.contextmanager
def closed(claim_path: Path) -> Iterator[None]:
    """Holds the fence while a session changes hands; not for longer than it takes one who moves to get through.

    Who stands still in it does not keep others out: see `withdraw`.
    """
    deadline = time.monotonic() + PATIENCE_S
    with (claim_path.parent / LOCK_NAME).open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    break
                time.sleep(_PAUSE_S)
        yield


def mark() -> str:
    """Names what this process prepares, so that it can be withdrawn with its claim; else by its process id."""
    claim = own_claim()
    return str(os.getpid()) if claim is None else claim.token


def withdraw(voices_path: Path, token: str, *, prefix: str) -> None:
    """Takes away what was prepared under a claim; in one step, so that it cannot be renamed into its place any more.

    Args:
      voices_path: Folder of generations; need not be there.
      token: What the claim said before it changed hands; what is no token names nothing.
      prefix: Of the folders that are prepared.
    """
    if not _TOKEN.fullmatch(token):
        return
    for path in voices_path.glob(f"{prefix}{token}-*"):
        if path.is_dir():
            doomed = path.with_name(f"{prefix}withdrawn-{secrets.token_hex(4)}")
            with contextlib.suppress(FileNotFoundError):
                path.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)


def _take(claim: Claim, held: contextlib.ExitStack) -> str:
    """Takes the lock, and reads what the claim says then."""
    try:
        lock = held.enter_context((claim.path.parent / LOCK_NAME).open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX)
        return claim.path.read_text().strip()
    except FileNotFoundError:  # the session is gone
        return ""
    except OSError as error:
        raise HomeError(
            f"the claim of this practice cannot be read ({error.strerror}): bring the home back, then begin anew."
        ) from error
