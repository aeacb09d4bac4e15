"""Sixteen channels of keys, pedals and controllers, in zones or on their own: who sounds, and how.

What players do comes in by methods, free of MIDI's numbers; what it means is gathered as events, until they are
taken. All that is done between two takings happens at once, so of several changes to a note in it only what they
come to is told. A message on a zone's master is for the whole zone: `ChannelState.followers`.
"""

import itertools
from collections.abc import Iterable

from amadeus.live.channels import ChannelState, NoteState
from amadeus.live.events import (
    AllSilenced,
    Event,
    Ignored,
    ModeChanged,
    NoteChanged,
    NoteEnded,
    NoteStarted,
    NoteSustained,
)
from amadeus.live.zones import (
    MASTER_RANGE_SEMITONES,
    MAX_RANGE_SEMITONES,
    MEMBER_RANGE_SEMITONES,
    ZoneLayout,
)

N_CHANNELS = 16
DRUM_CHANNEL = 9
UNKNOWN_VELOCITY = 64  # of a release whose player sent none
SOFT_PEDAL_SHARE = 0.7  # of a strike's velocity
MAX_HELD_NOTES = 128  # far more than voices; a further strike ends the oldest

_MAX_RANGE_CENTS = 100 * MAX_RANGE_SEMITONES


class Keyboard:
    """All channels, and what has happened on them."""

    def __init__(self, *, plain_range_cents: float, is_mono: bool) -> None:
        """Prepares plain channels.

        Args:
          plain_range_cents: Reach of the bend on channels outside zones until they are told another.
          is_mono: Whether channels play one note at a time until they are told otherwise.
        """
        self.channels = [ChannelState(number) for number in range(N_CHANNELS)]
        self.layout = ZoneLayout()
        self._events: list[Event] = []
        self._stale: set[ChannelState] = set()  # whose notes may sound otherwise
        self._held: dict[int, NoteState] = {}  # notes that have not ended, oldest first
        self._ids = itertools.count(1)
        self._has_told_of_drums = False
        self._plain_range_cents = plain_range_cents
        self._is_mono = is_mono
        for channel in self.channels:
            channel.is_mono = is_mono
        self._settle_layout()

    @property
    def n_held(self) -> int:
        """Notes that have started and not ended."""
        return len(self._held)

    def take_events(self) -> list[Event]:
        """Hands out what has happened since the last time."""
        for channel in sorted(self._stale, key=lambda channel: channel.number):
            for note in channel.notes.values():
                self._settle(note)
        self._stale.clear()
        events, self._events = self._events, []
        return events

    def tell(self, event: Event) -> None:
        """Adds an event that is none of the keyboard's."""
        self._events.append(event)

    def set_defaults(self, *, plain_range_cents: float, is_mono: bool) -> None:
        """Takes over other defaults; another mode takes effect on all channels."""
        if is_mono != self._is_mono:
            self.change_mode(self.channels, is_mono)
        self._plain_range_cents = plain_range_cents
        self._is_mono = is_mono
        self._settle_layout()
        self.express(self.channels)

    # Keys.

    def strike(self, channel: ChannelState, key: int, velocity: int) -> None:
        """A key goes down; an earlier note of the same key ends."""
        if channel.number == DRUM_CHANNEL and not channel.is_in_zone:
            self._refuse_drums()
            return
        if key in channel.keys:
            channel.owed[key] = channel.owed.get(key, 0) + 1
        for note in [note for note in channel.notes.values() if note.key == key]:
            self._end(note)
        if len(self._held) >= MAX_HELD_NOTES:
            self._end(next(iter(self._held.values())))
        if channel.lead.soft:
            velocity = max(1, round(SOFT_PEDAL_SHARE * velocity))
        note = NoteState(next(self._ids), channel, key)
        channel.keys[key] = channel.notes[note.note_id] = note
        self._held[note.note_id] = note
        note.expression = note.express()
        self._events.append(
            NoteStarted(note.note_id, channel.number, key, velocity, note.expression)
        )

    def lift(self, channel: ChannelState, key: int, velocity: int) -> None:
        """A key goes up."""
        owed = channel.owed.get(key, 0)
        if owed:  # it belongs to an earlier strike
            channel.owed[key] = owed - 1
        elif key in channel.keys:
            self._let_go(channel.keys[key], velocity)

    def lift_all(self, channels: Iterable[ChannelState]) -> None:
        """All keys go up; pedals still hold."""
        for channel in channels:
            channel.owed.clear()
            for note in list(channel.keys.values()):
                self._let_go(note, UNKNOWN_VELOCITY)

    def press_key(self, channel: ChannelState, key: int, pressure_unit: float) -> None:
        """A key is pressed further down."""
        for note in channel.notes.values():
            if note.key == key:
                note.key_pressure_unit = pressure_unit
        self.express([channel])

    def _refuse_drums(self) -> None:
        if not self._has_told_of_drums:
            self._has_told_of_drums = True
            self._events.append(
                Ignored(
                    "drum notes (channel 10) are left out, for a voice has no drums: play on another channel."
                )
            )

    def _let_go(self, note: NoteState, velocity: int) -> None:
        self._settle(note)
        note.lift(velocity)
        if note.is_held:
            self._events.append(NoteSustained(note.note_id))
        else:
            self._end(note, velocity)

    def _end(self, note: NoteState, velocity: int = UNKNOWN_VELOCITY) -> None:
        self._settle(note)
        note.forget()
        del self._held[note.note_id]
        self._events.append(NoteEnded(note.note_id, velocity))

    # Pedals and controllers.

    def set_sustain(self, channel: ChannelState, *, is_down: bool) -> None:
        """The sustain pedal goes down or up."""
        channel.sustain = is_down
        self._drop(channel.followers)

    def set_sostenuto(self, channel: ChannelState, *, is_down: bool) -> None:
        """The sostenuto pedal goes down, and catches the keys that are down, or up."""
        if is_down == channel.sostenuto:
            return
        channel.sostenuto = is_down
        for note in _notes(channel.followers):
            note.is_caught = is_down and note.is_down
        self._drop(channel.followers)

    def reset_controllers(self, channels: Iterable[ChannelState]) -> None:
        """Sets what RP-015 says to where nobody plays."""
        channels = list(channels)
        for note in _notes(channels):
            if not note.is_down and note.channel.lead in channels:
                self._end(note, note.off_velocity)  # a pedal held it; it ends as it was
        for channel in channels:
            channel.reset_controllers()
        self.express(channels)

    def set_range(self, channel: ChannelState, cents: float) -> None:
        """Sets the reach of the bend; a member sets it for all members of its zone."""
        sharing = [channel]
        if channel.is_member:
            sharing = [one for one in channel.lead.followers if one.is_member]
        for one in sharing:
            one.range_cents = min(max(cents, 0), _MAX_RANGE_CENTS)
            one.has_own_range = True
        self.express(channel.lead.followers)

    def express(self, channels: Iterable[ChannelState]) -> None:
        """Says that notes of some channels may sound otherwise from now on."""
        self._stale.update(channels)

    def _settle(self, note: NoteState) -> None:
        """Tells how a note sounds now, if that has changed."""
        if note.channel in self._stale:
            expression = note.express()
            if expression != note.expression:
                note.expression = expression
                self._events.append(NoteChanged(note.note_id, expression))

    def _drop(self, channels: Iterable[ChannelState]) -> None:
        """Ends the notes that nothing holds any longer."""
        for note in _notes(channels):
            if not note.is_down and not note.is_held:
                self._end(note, note.off_velocity)

    # Layout, modes, silence.

    def configure(self, channel: ChannelState, member_count: int) -> None:
        """Follows an MPE configuration message; an invalid one changes nothing."""
        if not ZoneLayout.is_valid(channel.number, member_count):
            return
        layout = self.layout.configure(channel.number, member_count)
        moved = [self.channels[number] for number in self.layout.moved(layout)]
        for note in _notes(moved):
            self._end(note)
        for one in moved:
            one.power_up()
        self.layout = layout
        zone = layout.zone_of(channel.number)
        for number in zone.channels if zone else ():
            self.channels[number].has_own_range = False
        self._settle_layout()
        self.change_mode(moved, self._is_mono)
        self.express(self.channels)

    def change_mode(self, channels: Iterable[ChannelState], is_mono: bool) -> None:
        """Makes channels play one note at a time, or many; their notes end."""
        changed = [channel for channel in channels if channel.is_mono != is_mono]
        for note in _notes(changed):
            self._end(note)
        for channel in changed:
            channel.owed.clear()
            channel.is_mono = is_mono
        if changed:
            numbers = tuple(channel.number for channel in changed)
            self._events.append(ModeChanged(numbers, is_mono))

    def silence(self, channels: Iterable[ChannelState]) -> None:
        """Stops all sound at once."""
        channels = list(channels)
        for note in _notes(channels):
            self._end(note)
        for channel in channels:
            channel.owed.clear()
        self._events.append(AllSilenced(tuple(one.number for one in channels)))

    def power_up(self) -> None:
        """Everything as at the beginning, but for the ids."""
        self.silence(self.channels)
        self.layout = ZoneLayout()
        for channel in self.channels:
            channel.power_up()
        self._settle_layout()
        self.change_mode(self.channels, self._is_mono)

    def _settle_layout(self) -> None:
        """Gives every channel its place and, where none was sent, its bend range."""
        for channel in self.channels:
            zone = self.layout.zone_of(channel.number)
            channel.is_in_zone = zone is not None
            channel.lead = self.channels[zone.master] if zone else channel
            channel.followers = [channel]
            if zone and zone.master == channel.number:
                channel.followers = [self.channels[number] for number in zone.channels]
            if not channel.has_own_range:
                channel.range_cents = self._default_range_cents(channel)

    def _default_range_cents(self, channel: ChannelState) -> float:
        if not channel.is_in_zone:
            return self._plain_range_cents
        return 100 * (
            MEMBER_RANGE_SEMITONES if channel.is_member else MASTER_RANGE_SEMITONES
        )


def _notes(channels: Iterable[ChannelState]) -> list[NoteState]:
    return [note for channel in channels for note in channel.notes.values()]
