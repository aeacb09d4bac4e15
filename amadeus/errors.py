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
    ├── PracticeError                a practice that had to stop
    └── StudioError                  a studio that cannot be reached, or that refused

Each message says what was given, what is needed and what to do next, in one sentence. The
command line prints it and exits with status 2.
"""


class AmadeusError(Exception):
    """Base of all errors that a user can do something about."""


class ConfigError(AmadeusError, ValueError):
    """A setting, name or argument cannot work."""


class RecordingError(AmadeusError, ValueError):
    """Audio cannot be read or learned from."""


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
