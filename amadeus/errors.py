"""Everything Amadeus raises on purpose.

    AmadeusError
    ├── ConfigError (ValueError)     a setting, name or argument that cannot work
    ├── RecordingError (ValueError)  audio that cannot be read or learned from
    ├── ScoreError (ValueError)      a MIDI file that cannot be played
    ├── HomeError                    the home folder: rights, space, locks
    │   └── NotHeldError             it holds no such deu or generation
    ├── VoiceError                   a personality that is missing, damaged or foreign
    │   └── BundleError              a `.deu` bundle that must not be played
    │       └── BundleTooLargeError  it is larger than the limit set here
    ├── StoreError                   a bucket or folder that cannot be reached, read or written
    ├── PracticeError                a practice that had to stop
    ├── StudioError                  a studio that cannot be reached, or that refused
    └── ClusterError                 a cluster's pipelines that cannot be reached, or that refused

Each message says what was given, what is needed and what to do next, in one sentence. The
command line prints it and exits with status 2.
"""

import unicodedata
from typing import Literal

_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

RecordingFault = Literal[
    "unreadable",
    "empty",
    "undecodable",
    "truncated",
    "corrupt_record",
    "wrong_schema",
]
"""What can be wrong with a recording, or with a record of a data set."""


class AmadeusError(Exception):
    """Base of all errors that a user can do something about."""


class ConfigError(AmadeusError, ValueError):
    """A setting, name or argument cannot work."""


class RecordingError(AmadeusError, ValueError):
    """Audio cannot be read or learned from.

    Its text is one line that any terminal, journal or proto takes, whatever bytes a name in it has.

    Attributes:
      fault: What is wrong with the bytes of one recording, which may then be skipped; None for all else.
    """

    def __init__(self, text: str, *, fault: RecordingFault | None = None) -> None:
        super().__init__(legible(text))
        self.fault = fault


class ScoreError(AmadeusError, ValueError):
    """A MIDI file cannot be played."""


class HomeError(AmadeusError):
    """The home folder lacks rights, space or the deu asked for, or is in use."""


class NotHeldError(HomeError):
    """The home folder holds no such deu or generation."""


class VoiceError(AmadeusError):
    """A personality is missing, damaged or foreign."""


class BundleError(VoiceError):
    """A `.deu` bundle is damaged, foreign or dangerous."""


class BundleTooLargeError(BundleError):
    """A `.deu` bundle is larger than the limit set here."""


class StoreError(AmadeusError):
    """A bucket or a folder cannot be reached, read or written."""


class PracticeError(AmadeusError):
    """A practice had to stop."""


class StudioError(AmadeusError):
    """A studio cannot be reached, or refused what it was asked.

    Attributes:
      code: Name of the gRPC status.
      reason: For programs, as `proto/amadeus/v1/studio.proto` names it; empty without one.
    """

    def __init__(self, text: str, *, code: str = "", reason: str = "") -> None:
        super().__init__(text)
        self.code, self.reason = code, reason


class ClusterError(AmadeusError):
    """The pipelines of a cluster cannot be reached, or refused what they were asked.

    Attributes:
      status: HTTP status of the answer; 0 where there was none.
      is_passing: Whether the same request may succeed a little later.
      is_undone: Whether it is certain that nothing was done.
      wait_s: How long the server asks to wait; 0 where it does not say.
    """

    def __init__(
        self,
        text: str,
        *,
        status: int = 0,
        is_passing: bool = False,
        is_undone: bool = False,
        wait_s: float = 0.0,
    ) -> None:
        super().__init__(text)
        self.status, self.wait_s = status, wait_s
        self.is_passing, self.is_undone = is_passing, is_undone


def legible(name: str) -> str:
    r"""Writes the name of a file as any terminal, journal or proto takes it: what is no text is escaped.

    Letters, marks and emoji of any script stay; bytes that are no UTF-8, line breaks, control characters and what
    overrides the direction of a line become `\xff`, `\n`, `\u202e`.
    """
    return name if name.isprintable() else "".join(map(_escape, name))


def _escape(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte of a name that is no UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    is_control = unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
    if is_control or character in _OVERRIDES:
        return character.encode("unicode_escape").decode()
    return character
