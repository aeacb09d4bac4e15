"""What happens when somebody plays: notes that start, change and end.

Conventions: channels count from 0, as they do offline; keys are MIDI note numbers. A note has an id of
its own, a small whole number that never comes twice in a performance. Per id there is one
`NoteStarted`, then any number of `NoteChanged` and at most one `NoteSustained`, then at most one
`NoteEnded`, and nothing after that.
"""

from typing import NamedTuple


class Expression(NamedTuple):
    """What shapes a note while it sounds: its own values and those of its channel or zone in one.

    Attributes:
      bend_semitones: Of the note and of the zone's master together, in [-192, 192].
      pressure_unit: In [0, 1].
      timbre_unit: CC 74, in [-1, 1]; 0 is neutral.
      modulation_unit: CC 1, in [0, 1].
      volume_db: CC 7; 0 dB at 100.
      expression_db: CC 11; 0 dB at 127.
    """

    bend_semitones: float = 0.0
    pressure_unit: float = 0.0
    timbre_unit: float = 0.0
    modulation_unit: float = 0.0
    volume_db: float = 0.0
    expression_db: float = 0.0


class NoteStarted(NamedTuple):
    """A key was struck."""

    note_id: int
    channel: int  # 0..15
    key: int  # 0..127
    velocity: int  # 1..127
    expression: Expression


class NoteChanged(NamedTuple):
    """A note that has not ended is to sound otherwise."""

    note_id: int
    expression: Expression


class NoteSustained(NamedTuple):
    """The key of a note was let go, and a pedal holds it on. Only what plays mono needs to know."""

    note_id: int


class NoteEnded(NamedTuple):
    """A note is to fade: its key is up and no pedal holds it."""

    note_id: int
    velocity: int  # of the release, 0..127; 64 where the player sent none


class NoteSlurred(NamedTuple):
    """One voice goes over from a note to another without a new attack (mono mode).

    Attributes:
      from_id: The note that sounded; its key may still be down.
      note: The one that sounds now; it may have sounded before.
    """

    from_id: int
    note: NoteStarted


class AllSilenced(NamedTuple):
    """What still sounds on these channels, releases included, is to fall silent at once.

    A `NoteEnded` came before for each note that had not ended.
    """

    channels: tuple[int, ...]


class ModeChanged(NamedTuple):
    """These channels play one note at a time from now on, or many; their keys have been let go."""

    channels: tuple[int, ...]
    is_mono: bool


class Ignored(NamedTuple):
    """Something could not be played; the text says what, and what to do."""

    text: str


Event = (
    NoteStarted
    | NoteChanged
    | NoteSustained
    | NoteEnded
    | NoteSlurred
    | AllSilenced
    | ModeChanged
    | Ignored
)
