"""A MIDI 1.0 and MPE receiver: from bytes to notes and what shapes them.

It stands in plain MIDI at first: sixteen channels of their own, with channel 10 for drums, which a voice
does not play. An MPE configuration message (RPN 6 on channel 1 or 16) makes zones.

Rules that the specifications leave to the receiver:
  - "Combined meaningfully" (MPE 2.3.2): bends of note and master add up. Pressures combine as
    1 - (1 - note)(1 - master): either alone is itself, both together press harder, and no push is lost
    before both are at full. Poly key pressure joins in the same way. CC 74 adds up around its
    middle, 64, and ends at -1 and 1.
  - Modulation, volume, expression and pedals are a zone's, sent on its master; on a member they mean nothing.
  - A key struck again ends its earlier note. Note-offs go to strikes first in, first out, so the first of
    two ends nothing more.
  - Once its key is up, a member's note keeps its own bend, pressure and timbre, though a pedal holds it on;
    the master's still reach it. Once it has ended nothing does.
  - The soft pedal softens strikes to 70 % of their velocity.
  - All-notes-off lifts the keys, and pedals still hold; all-sound-off stops everything at once.
  - Data increment and decrement move the bend range by a cent (RP-018).

References: MIDI 1.0 Detailed Specification 4.2; M1-100-UM, MIDI Polyphonic Expression, v1.1; RP-015, Response to
Reset All Controllers; RP-018, Response to Data Increment and Decrement.
"""

import itertools
import math
from collections.abc import Callable, Iterable

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
from amadeus.live.midi_bytes import SYSTEM_RESET, Messages, read_messages
from amadeus.live.zones import (
    MASTER_RANGE_SEMITONES,
    MAX_RANGE_SEMITONES,
    MEMBER_RANGE_SEMITONES,
    ZoneLayout,
)
from amadeus.v1 import profiles_pb2

DRUM_CHANNEL = 9
PEDAL_DOWN = 64  # at or above
UNKNOWN_VELOCITY = 64  # of a release whose player sent none
SOFT_PEDAL_SHARE = 0.7

_N_CHANNELS = 16
_MAX_RANGE_CENTS = 100 * MAX_RANGE_SEMITONES
_BEND_RANGE = (0, 0)  # registered parameters as (MSB, LSB)
_MPE_CONFIGURATION = (0, 6)
_NO_PARAMETER = (127, 127)
_SILENT_DB = -120.0


def fader_db(value: int, full: int) -> float:
    """Gain of a fader (CC 7, CC 11) in dB, at least -120, as General MIDI's developer guidelines have it."""
    return max(40 * math.log10(value / full), _SILENT_DB) if value else _SILENT_DB


_VOLUME_DB = [fader_db(value, 100) for value in range(128)]
_EXPRESSION_DB = [fader_db(value, 127) for value in range(128)]
_TIMBRE_UNIT = [(v - 64) / (64 if v < 64 else 63) for v in range(128)]


class Receiver:
    """Follows what somebody plays.

    Args:
      player_profile: Complete; its bend range is that of plain channels until RPN 0 sets one, and its voice
        mode that of all channels until a mode message comes.
    """

    def __init__(self, player_profile: profiles_pb2.PlayerProfile) -> None:
        self._ids = itertools.count(1)
        self._events: list[Event] = []
        self._channels = [ChannelState(number) for number in range(_N_CHANNELS)]
        self._layout = ZoneLayout()
        self._has_told_of_drums = False
        self._plain_range_cents = 0.0
        self._is_mono = False
        self._read_profile(player_profile)
        for channel in self._channels:
            channel.is_mono = self._is_mono
        self._settle_layout()
        self._controls: dict[int, Callable[[ChannelState, int], None]] = {
            1: self._modulate,
            6: self._enter_msb,
            7: self._fade_volume,
            11: self._fade_expression,
            38: self._enter_lsb,
            64: self._sustain,
            66: self._sostenuto,
            67: self._soften,
            74: self._colour,
            96: self._increment,
            97: self._decrement,
            98: self._deselect,
            99: self._deselect,
            100: self._select_lsb,
            101: self._select_msb,
            120: self._stop_sound,
            121: self._reset,
            123: self._lift_all,
            124: self._lift_all,
            125: self._lift_all,
            126: self._set_mono,
            127: self._set_poly,
        }

    @property
    def layout(self) -> ZoneLayout:
        """The zones there are."""
        return self._layout

    @property
    def n_held(self) -> int:
        """Notes that have started and not ended."""
        return sum(len(channel.notes) for channel in self._channels)

    def is_mono(self, channel: int) -> bool:
        """Whether a channel plays one note at a time."""
        return self._channels[channel].is_mono

    def feed(self, data: bytes) -> list[Event]:
        """Takes what was played and says what it does. Never raises.

        Args:
          data: Whole MIDI 1.0 messages. Running status holds within a call, not from call to call. Bytes that
            belong to no message give one `Ignored`, last.
        """
        self._events = []
        found = read_messages(data)
        for status, first, second in found.messages:
            self._take(status, first, second)
        if found.n_damaged:
            self._events.append(Ignored(_tell_damage(data, found)))
        return self._events

    def set_profile(self, player_profile: profiles_pb2.PlayerProfile) -> list[Event]:
        """Takes over knobs that were turned; notes end where that changes how many may sound.

        Args:
          player_profile: Complete.
        """
        self._events = []
        was_mono = self._is_mono
        self._read_profile(player_profile)
        if self._is_mono != was_mono:
            self._change_mode(self._channels, self._is_mono)
        self._settle_layout()
        self._express(self._channels)
        return self._events

    def silence(self) -> list[Event]:
        """Stops everything at once, as at the end of a performance; settings stay."""
        self._events = []
        self._silence(self._channels)
        return self._events

    def _read_profile(self, profile: profiles_pb2.PlayerProfile) -> None:
        self._plain_range_cents = 100 * profile.bend_range_semitones
        self._is_mono = profile.voice_mode == profiles_pb2.VOICE_MODE_MONO

    def _take(self, status: int, first: int, second: int) -> None:
        channel = self._channels[status & 0x0F]
        match status >> 4:
            case 0x9 if second:
                self._strike(channel, first, second)
            case 0x9:
                self._lift(channel, first, UNKNOWN_VELOCITY)
            case 0x8:
                self._lift(channel, first, second)
            case 0xE:
                channel.bend_unit = (first + 128 * second - 8192) / 8192
                self._express(self._under(channel))
            case 0xD:
                channel.pressure_unit = first / 127
                self._express(self._under(channel))
            case 0xB:
                control = self._controls.get(first)
                if control:
                    control(channel, second)
            case 0xA:
                self._press_key(channel, first, second)
            case _ if status == SYSTEM_RESET:
                self._power_up()

    # Keys.

    def _strike(self, channel: ChannelState, key: int, velocity: int) -> None:
        if channel.number == DRUM_CHANNEL and not channel.is_in_zone:
            self._refuse_drums()
            return
        if key in channel.keys:
            channel.owed[key] = channel.owed.get(key, 0) + 1
        for note in [note for note in channel.notes.values() if note.key == key]:
            self._end(note)
        if channel.lead.soft:
            velocity = max(1, round(SOFT_PEDAL_SHARE * velocity))
        note = NoteState(next(self._ids), channel, key)
        channel.keys[key] = channel.notes[note.note_id] = note
        note.expression = note.express()
        self._events.append(
            NoteStarted(note.note_id, channel.number, key, velocity, note.expression)
        )

    def _refuse_drums(self) -> None:
        if not self._has_told_of_drums:
            self._has_told_of_drums = True
            self._events.append(
                Ignored(
                    "drum notes (channel 10) are left out, for a voice has no drums: play on another channel."
                )
            )

    def _lift(self, channel: ChannelState, key: int, velocity: int) -> None:
        owed = channel.owed.get(key, 0)
        if owed:  # it belongs to an earlier strike
            channel.owed[key] = owed - 1
        elif key in channel.keys:
            self._let_go(channel.keys[key], velocity)

    def _let_go(self, note: NoteState, velocity: int) -> None:
        """The key is up: the note ends, or a pedal holds it."""
        note.lift(velocity)
        if note.is_held:
            self._events.append(NoteSustained(note.note_id))
        else:
            self._end(note, velocity)

    def _end(self, note: NoteState, velocity: int = UNKNOWN_VELOCITY) -> None:
        note.forget()
        self._events.append(NoteEnded(note.note_id, velocity))

    def _drop(self, channels: Iterable[ChannelState]) -> None:
        """Ends notes that no pedal holds any longer."""
        for note in _notes(channels):
            if not note.is_down and not note.is_held:
                self._end(note, note.off_velocity)

    # What shapes notes.

    def _under(self, channel: ChannelState) -> list[ChannelState]:
        """The channels a message on this one is for: a master's zone, or just this."""
        return channel.followers

    def _express(self, channels: Iterable[ChannelState]) -> None:
        """Tells how notes sound now, where that has changed."""
        for channel in channels:
            for note in channel.notes.values():
                expression = note.express()
                if expression != note.expression:
                    note.expression = expression
                    self._events.append(NoteChanged(note.note_id, expression))

    def _press_key(self, channel: ChannelState, key: int, value: int) -> None:
        if channel.is_member:  # MPE 2.5: never on members
            return
        for note in channel.notes.values():
            if note.key == key:
                note.key_pressure_unit = value / 127
        self._express([channel])

    def _colour(self, channel: ChannelState, value: int) -> None:
        channel.timbre_unit = _TIMBRE_UNIT[value]
        self._express(self._under(channel))

    def _modulate(self, channel: ChannelState, value: int) -> None:
        if not channel.is_member:
            channel.modulation_unit = value / 127
            self._express(self._under(channel))

    def _fade_volume(self, channel: ChannelState, value: int) -> None:
        if not channel.is_member:
            channel.volume_db = _VOLUME_DB[value]
            self._express(self._under(channel))

    def _fade_expression(self, channel: ChannelState, value: int) -> None:
        if not channel.is_member:
            channel.expression_db = _EXPRESSION_DB[value]
            self._express(self._under(channel))

    # Pedals: a zone's lie on its master.

    def _sustain(self, channel: ChannelState, value: int) -> None:
        if not channel.is_member:
            channel.sustain = value >= PEDAL_DOWN
            self._drop(self._under(channel))

    def _sostenuto(self, channel: ChannelState, value: int) -> None:
        is_down = value >= PEDAL_DOWN
        if channel.is_member or is_down == channel.sostenuto:
            return
        channel.sostenuto = is_down
        for note in _notes(self._under(channel)):
            note.is_caught = is_down and note.is_down
        self._drop(self._under(channel))

    def _soften(self, channel: ChannelState, value: int) -> None:
        if not channel.is_member:
            channel.soft = value >= PEDAL_DOWN

    # Registered parameters.

    def _select_msb(self, channel: ChannelState, value: int) -> None:
        channel.parameter = (value, channel.parameter[1])

    def _select_lsb(self, channel: ChannelState, value: int) -> None:
        channel.parameter = (channel.parameter[0], value)

    def _deselect(self, channel: ChannelState, _: int) -> None:
        channel.parameter = _NO_PARAMETER  # of the others none is known

    def _enter_msb(self, channel: ChannelState, value: int) -> None:
        if channel.parameter == _BEND_RANGE:
            self._set_range(channel, 100 * value)
        elif channel.parameter == _MPE_CONFIGURATION:
            self._configure(channel, value)

    def _enter_lsb(self, channel: ChannelState, value: int) -> None:
        if channel.parameter == _BEND_RANGE:
            self._set_range(channel, channel.range_cents // 100 * 100 + value)

    def _increment(self, channel: ChannelState, _: int) -> None:
        self._step(channel, 1)

    def _decrement(self, channel: ChannelState, _: int) -> None:
        self._step(channel, -1)

    def _step(self, channel: ChannelState, step: int) -> None:
        if channel.parameter == _BEND_RANGE:
            self._set_range(channel, channel.range_cents + step)
        elif channel.parameter == _MPE_CONFIGURATION:
            zone = self._layout.zone_of(channel.number)
            is_master = zone is not None and not channel.is_member
            count = (zone.member_count if zone and is_master else 0) + step
            self._configure(channel, max(0, count))

    def _set_range(self, channel: ChannelState, cents: float) -> None:
        """Sets the reach of the bend; a member sets it for all members of its zone."""
        cents = min(max(cents, 0), _MAX_RANGE_CENTS)
        sharing = [channel]
        if channel.is_member:
            sharing = [one for one in channel.lead.followers if one.is_member]
        for one in sharing:
            one.range_cents = cents
            one.has_own_range = True
        self._express(self._under(channel.lead))

    def _configure(self, channel: ChannelState, member_count: int) -> None:
        """An MPE configuration message."""
        layout = self._layout.configure(channel.number, member_count)
        is_valid = channel.number in (0, 15) and member_count <= 15
        if not is_valid:
            return
        moved = [self._channels[number] for number in self._layout.moved(layout)]
        for note in _notes(moved):
            self._end(note)
        for one in moved:
            one.power_up()
            one.is_mono = self._is_mono
        self._layout = layout
        zone = layout.zone_of(channel.number)
        for number in zone.channels if zone else ():
            self._channels[number].has_own_range = False
        self._settle_layout()
        self._express(self._channels)

    def _settle_layout(self) -> None:
        """Gives every channel its place and, where none was sent, its bend range."""
        for channel in self._channels:
            zone = self._layout.zone_of(channel.number)
            channel.is_in_zone = zone is not None
            channel.lead = self._channels[zone.master] if zone else channel
            channel.followers = [channel]
            if zone and zone.master == channel.number:
                channel.followers = [self._channels[number] for number in zone.channels]
            if not channel.has_own_range:
                channel.range_cents = self._default_range_cents(channel)

    def _default_range_cents(self, channel: ChannelState) -> float:
        if not channel.is_in_zone:
            return self._plain_range_cents
        semitones = (
            MEMBER_RANGE_SEMITONES if channel.is_member else MASTER_RANGE_SEMITONES
        )
        return 100 * semitones

    # Modes and resets.

    def _stop_sound(self, channel: ChannelState, _: int) -> None:
        self._silence(self._under(channel))

    def _silence(self, channels: list[ChannelState]) -> None:
        for note in _notes(channels):
            self._end(note)
        for channel in channels:
            channel.owed.clear()
        self._events.append(AllSilenced(tuple(one.number for one in channels)))

    def _lift_all(self, channel: ChannelState, _: int = 0) -> None:
        for one in self._under(channel):
            one.owed.clear()
            for note in list(one.keys.values()):
                self._let_go(note, UNKNOWN_VELOCITY)

    def _reset(self, channel: ChannelState, _: int) -> None:
        channels = self._under(channel)
        for one in channels:
            one.reset_controllers()
        self._drop(channels)
        self._express(channels)

    def _set_mono(self, channel: ChannelState, _: int) -> None:
        self._choose_mode(channel, True)

    def _set_poly(self, channel: ChannelState, _: int) -> None:
        self._choose_mode(channel, False)

    def _choose_mode(self, channel: ChannelState, is_mono: bool) -> None:
        self._lift_all(channel)
        if not channel.is_member:
            self._change_mode(self._under(channel), is_mono)

    def _change_mode(self, channels: list[ChannelState], is_mono: bool) -> None:
        changed = [channel for channel in channels if channel.is_mono != is_mono]
        for note in _notes(changed):
            self._end(note)
        for channel in changed:
            channel.owed.clear()
            channel.is_mono = is_mono
        if changed:
            numbers = tuple(channel.number for channel in changed)
            self._events.append(ModeChanged(numbers, is_mono))

    def _power_up(self) -> None:
        """System reset: everything as at the beginning, but for the ids."""
        self._silence(self._channels)
        self._layout = ZoneLayout()
        for channel in self._channels:
            channel.power_up()
        self._settle_layout()
        self._change_mode(self._channels, self._is_mono)


def _notes(channels: Iterable[ChannelState]) -> list[NoteState]:
    return [note for channel in channels for note in channel.notes.values()]


def _tell_damage(data: bytes, found: Messages) -> str:
    first = found.first_damaged
    return (
        f"{found.n_damaged} of {len(data)} bytes belong to no MIDI message, the first at {first} "
        f"(0x{data[first]:02X}): send whole messages, each with its status byte."
    )
