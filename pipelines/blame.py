"""Finds the sentence for the user in what a pipeline throws.

Beam and TensorFlow catch an error in one place and raise another elsewhere; often only its text
comes through.
"""

import errno
import re
from collections.abc import Iterator

from amadeus import errors

_STEP = re.compile(r"\s*\[while running .*", re.DOTALL)  # Beam adds where it was
_QUOTED = re.compile(r"amadeus\.errors\.(\w+): (.+)")
_SPACE = re.compile(
    r"no space left|disk is full|disk quota exceeded|file too large", re.IGNORECASE
)
_RIGHTS = re.compile(
    r"permission denied|read-only file system|readonly database", re.IGNORECASE
)
_GONE = re.compile(
    r"StatusCode\.UNAVAILABLE|Socket closed|failed to connect to all addresses"
)
_SPACE_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_RIGHTS_ERRNOS = (errno.EACCES, errno.EPERM, errno.EROFS)


def find_reason(
    error: BaseException, *, place: str, again: str = "start the practice again"
) -> errors.AmadeusError | None:
    """Finds what a user can do something about.

    Args:
      error: What was raised.
      place: Folder that was written to, for a message about space or rights.
      again: What to do when it is mended.

    Returns:
      The error with its one sentence; None for a bug.
    """
    chain = list(_chain(error))
    for link in chain:
        if isinstance(link, errors.AmadeusError):
            return type(link)(_STEP.sub("", str(link)))
    for link in chain:
        found = _quoted(str(link)) or _system(link, place, again) or _lost(link, again)
        if found:
            return found
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        link = waiting.pop(0)
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        waiting += [link.__cause__, link.__context__]


def _quoted(text: str) -> errors.AmadeusError | None:
    match = _QUOTED.search(text)
    kind = getattr(errors, match.group(1), None) if match else None
    if kind is None:
        return None
    return kind(_STEP.sub("", match.group(2)))


def _lost(error: BaseException, again: str) -> errors.PracticeError | None:
    """Knows a job service of Beam that went away by what gRPC says of it."""
    is_remote = any("grpc" in kind.__module__ for kind in type(error).__mro__)
    if not is_remote or not _GONE.search(str(error)):
        return None
    return errors.PracticeError(
        f"the job service of Beam went away while it worked: start it again, then {again}."
    )


def _system(error: BaseException, place: str, again: str) -> errors.HomeError | None:
    number = error.errno if isinstance(error, OSError) else None
    text = str(error)
    if number in _SPACE_ERRNOS or _SPACE.search(text):
        return errors.HomeError(
            f"{place} cannot be written, for there is no space left: free some, then {again}."
        )
    if number in _RIGHTS_ERRNOS or _RIGHTS.search(text):
        return errors.HomeError(
            f"{place} cannot be written, for rights are missing: give them, then {again}."
        )
    return None
