"""One note at a time, legato while keys overlap: which of the keys that are held sounds.

Where keys are down, the priority chooses among them: the last pressed, the lowest or the highest. What
only a pedal holds goes on sounding until a key goes down, and does not come back after it. No two keys
sound at once, and whatever started ends once, by its first note's start, slurs from note to note, and the
end of the note that sounds last.
"""

from collections.abc import Iterable

from amadeus.live.events import (
    Event,
    ModeChanged,
    NoteChanged,
    NoteEnded,
    NoteSlurred,
    NoteStarted,
    NoteSustained,
)
from amadeus.play.mono import lead_rank
from amadeus.v1 import profiles_pb2

_N_CHANNELS = 16


class NoteStack:
    """The keys of one channel that plays one note at a time.

    Attributes:
      sounding: Id of the note that sounds, if any does.
      priority: Of `profiles_pb2.NotePriority`; another one counts from the next event on.
    """

    def __init__(self, priority: int = profiles_pb2.NOTE_PRIORITY_LAST) -> None:
        self.priority = priority
        self.sounding: int | None = None
        self._down: dict[int, NoteStarted] = {}  # in order of strike, as they sound now
        self._sustained: dict[int, NoteStarted] = {}  # by a pedal only

    def start(self, note: NoteStarted) -> list[Event]:
        """A key went down."""
        self._down[note.note_id] = note
        if self.sounding is None:
            self.sounding = note.note_id
            return [note]
        return self._choose()

    def change(self, event: NoteChanged) -> list[Event]:
        """A note is to sound otherwise; one that waits remembers it."""
        for notes in (self._down, self._sustained):
            if event.note_id in notes:
                note = notes[event.note_id]
                notes[event.note_id] = note._replace(expression=event.expression)
        return [event] if event.note_id == self.sounding else []

    def sustain(self, event: NoteSustained) -> list[Event]:
        """A key went up and a pedal holds its note."""
        self._sustained[event.note_id] = self._down.pop(event.note_id)
        return self._choose()

    def end(self, event: NoteEnded) -> list[Event]:
        """A note ended: another key that is down takes over, or silence follows."""
        self._down.pop(event.note_id, None)
        self._sustained.pop(event.note_id, None)
        if event.note_id != self.sounding:
            return []
        if self._down:
            return self._choose()
        self.sounding = None
        return [event]

    def _choose(self) -> list[Event]:
        """Goes over to the key that is to sound, if it is another one."""
        if not self._down or self.sounding is None:
            return []
        note = self._first()
        if note.note_id == self.sounding:
            return []
        slur = NoteSlurred(self.sounding, note)
        self.sounding = note.note_id
        return [slur]

    def _first(self) -> NoteStarted:
        return min(
            self._down.values(),
            key=lambda note: lead_rank(note.key, note.note_id, self.priority),
        )


class NoteStacks:
    """Makes the events of a receiver those of a player: mono channels sing one note at a time.

    What plays many notes passes unchanged, but for `NoteSustained`, which no voice needs.
    """

    def __init__(self, player_profile: profiles_pb2.PlayerProfile) -> None:
        """Prepares for a performance.

        Args:
          player_profile: Complete; the same that its `Receiver` has.
        """
        is_mono = player_profile.voice_mode == profiles_pb2.VOICE_MODE_MONO
        self._is_mono = [is_mono] * _N_CHANNELS
        self._stacks = [
            NoteStack(player_profile.note_priority) for _ in range(_N_CHANNELS)
        ]
        self._stack_of: dict[int, NoteStack] = {}  # by note that has not ended

    def set_profile(self, player_profile: profiles_pb2.PlayerProfile) -> None:
        """Takes over the priority; another voice mode comes as an event of the receiver."""
        for stack in self._stacks:
            stack.priority = player_profile.note_priority

    def take(self, events: Iterable[Event]) -> list[Event]:
        """Follows a receiver's events, all of them and in their order."""
        taken: list[Event] = []
        for event in events:
            taken += self._take(event)
        return taken

    def _take(self, event: Event) -> list[Event]:
        match event:
            case NoteChanged() if event.note_id in self._stack_of:
                return self._stack_of[event.note_id].change(event)
            case NoteStarted() if self._is_mono[event.channel]:
                stack = self._stacks[event.channel]
                self._stack_of[event.note_id] = stack
                return stack.start(event)
            case NoteEnded() if event.note_id in self._stack_of:
                return self._stack_of.pop(event.note_id).end(event)
            case NoteSustained():
                holder = self._stack_of.get(event.note_id)
                return holder.sustain(event) if holder else []
            case ModeChanged():
                for channel in event.channels:
                    self._is_mono[channel] = event.is_mono
        return [event]
