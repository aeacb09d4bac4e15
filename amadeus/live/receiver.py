"""A MIDI 1.0 and MPE receiver: from bytes to notes and what shapes them.

It stands in plain MIDI at first: sixteen channels of their own, with channel 10 for drums, which a voice
does not play. An MPE configuration message (RPN 6 on channel 1 or 16) makes zones.

Rules that the specifications leave to the receiver:
  - "Combined meaningfully" (MPE 2.3.2): bends of note and master add up. Pressures combine as
    1 - (1 - note)(1 - master): either alone is itself, both together press harder, and no push is lost
    before both are at full. Poly key pressure joins in the same way. CC 74 adds up around its
    middle, 64, and ends at -1 and 1.
  - Modulation, volume, expression, pedals and modes are a zone's, sent on its master; on a member they mean
    nothing. All-notes-off, all-sound-off and reset, which panic buttons send everywhere, count on a
    member for itself.
  - A key struck again ends its earlier note. Note-offs go to strikes first in, first out, so the first of
    two ends nothing more.
  - Once its key is up, a member's note keeps its own bend, pressure and timbre, though a pedal holds it on;
    the master's still reach it. Once it has ended nothing does.
  - The soft pedal softens strikes to 70 % of their velocity.
  - All-notes-off, and the mode messages that imply it, lift the keys, and pedals still hold; where a mode
    changes, what they hold ends too. All-sound-off stops everything at once. Omni means nothing to a
    receiver of all channels.
  - At most 128 notes are held; a further strike ends the oldest.
  - Data increment and decrement move the bend range by a cent (RP-018).
  - Volume and timbre outlast reset-all-controllers (RP-015), but not an MPE configuration message for their
    channels.

References: MIDI 1.0 Detailed Specification 4.2; M1-100-UM, MIDI Polyphonic Expression, v1.1; RP-015, Response to
Reset All Controllers; RP-018, Response to Data Increment and Decrement.
"""

from collections.abc import Callable
from typing import Any

from amadeus.live.channels import NO_PARAMETER, ChannelState
from amadeus.live.events import Event, Ignored
from amadeus.live.keyboard import UNKNOWN_VELOCITY, Keyboard
from amadeus.live.midi_bytes import SYSTEM_RESET, Messages, read_messages
from amadeus.live.zones import ZoneLayout
from amadeus.play.gestures import EXPRESSION_FULL, VOLUME_FULL, fader_db, timbre_unit
from amadeus.v1 import profiles_pb2

PEDAL_DOWN = 64  # at or above

_BEND_RANGE = (0, 0)  # registered parameters as (MSB, LSB)
_MPE_CONFIGURATION = (0, 6)

# What a value of 0 to 127 means, as it does offline.
_VOLUME_DB = [float(fader_db(value, VOLUME_FULL)) for value in range(128)]
_EXPRESSION_DB = [float(fader_db(value, EXPRESSION_FULL)) for value in range(128)]
_TIMBRE_UNIT = [float(timbre_unit(value)) for value in range(128)]


class Receiver:
    """Follows what somebody plays."""

    def __init__(self, player_profile: profiles_pb2.PlayerProfile) -> None:
        """Prepares for a performance.

        Args:
          player_profile: Complete; its bend range is that of plain channels until RPN 0 sets one, and its
            voice mode that of all channels until a mode message comes.
        """
        self._keyboard = Keyboard(**_defaults(player_profile))
        self._controls: dict[int, Callable[[ChannelState, int], None]] = {
            6: self._enter_msb,
            38: self._enter_lsb,
            74: self._colour,
            96: self._increment,
            97: self._decrement,
            98: self._deselect,
            99: self._deselect,
            100: self._select_lsb,
            101: self._select_msb,
            120: self._stop_sound,
            121: self._reset,
            **dict.fromkeys(range(123, 128), self._lift_all),
        }
        self._zone_controls: dict[int, Callable[[ChannelState, int], None]] = {
            1: self._modulate,
            7: self._fade_volume,
            11: self._fade_expression,
            64: self._sustain,
            66: self._sostenuto,
            67: self._soften,
            126: self._set_mono,
            127: self._set_poly,
        }

    @property
    def layout(self) -> ZoneLayout:
        """The zones there are."""
        return self._keyboard.layout

    @property
    def n_held(self) -> int:
        """Notes that have started and not ended."""
        return self._keyboard.n_held

    def is_mono(self, channel: int) -> bool:
        """Whether a channel, from 0, plays one note at a time."""
        return self._keyboard.channels[channel].is_mono

    def feed(self, data: bytes) -> list[Event]:
        """Takes what was played and says what it does. Never raises.

        What one call takes happens at once: a note that several messages change is told once to have changed.

        Args:
          data: Whole MIDI 1.0 messages. Running status holds within a call, not from call to call. Bytes that
            belong to no message give one `Ignored`, last.
        """
        found = read_messages(data)
        for status, first, second in found.messages:
            self._take(status, first, second)
        if found.n_damaged:
            self._keyboard.tell(Ignored(_tell_damage(data, found)))
        return self._keyboard.take_events()

    def set_profile(self, player_profile: profiles_pb2.PlayerProfile) -> list[Event]:
        """Takes over knobs that were turned; notes end where another voice mode comes with it.

        Args:
          player_profile: Complete.
        """
        self._keyboard.set_defaults(**_defaults(player_profile))
        return self._keyboard.take_events()

    def silence(self) -> list[Event]:
        """Stops everything at once, as at the end of a performance; settings stay."""
        self._keyboard.silence(self._keyboard.channels)
        return self._keyboard.take_events()

    def _take(self, status: int, first: int, second: int) -> None:
        keyboard = self._keyboard
        channel = keyboard.channels[status & 0x0F]
        match status >> 4:
            case 0x9 if second:
                keyboard.strike(channel, first, second)
            case 0x9:
                keyboard.lift(channel, first, UNKNOWN_VELOCITY)
            case 0x8:
                keyboard.lift(channel, first, second)
            case 0xE:
                channel.bend_unit = (first + 128 * second - 8192) / 8192
                keyboard.express(channel.followers)
            case 0xD:
                channel.pressure_unit = first / 127
                keyboard.express(channel.followers)
            case 0xA if not channel.is_member:  # MPE 2.5: never on members
                keyboard.press_key(channel, first, second / 127)
            case 0xB:
                self._control(channel, first, second)
            case _ if status == SYSTEM_RESET:
                keyboard.power_up()

    def _control(self, channel: ChannelState, control: int, value: int) -> None:
        if control in self._controls:
            self._controls[control](channel, value)
        if control in self._zone_controls and not channel.is_member:
            self._zone_controls[control](channel, value)

    # Controllers and pedals.

    def _colour(self, channel: ChannelState, value: int) -> None:
        channel.timbre_unit = _TIMBRE_UNIT[value]
        self._keyboard.express(channel.followers)

    def _modulate(self, channel: ChannelState, value: int) -> None:
        channel.modulation_unit = value / 127
        self._keyboard.express(channel.followers)

    def _fade_volume(self, channel: ChannelState, value: int) -> None:
        channel.volume_db = _VOLUME_DB[value]
        self._keyboard.express(channel.followers)

    def _fade_expression(self, channel: ChannelState, value: int) -> None:
        channel.expression_db = _EXPRESSION_DB[value]
        self._keyboard.express(channel.followers)

    def _sustain(self, channel: ChannelState, value: int) -> None:
        self._keyboard.set_sustain(channel, is_down=value >= PEDAL_DOWN)

    def _sostenuto(self, channel: ChannelState, value: int) -> None:
        self._keyboard.set_sostenuto(channel, is_down=value >= PEDAL_DOWN)

    def _soften(self, channel: ChannelState, value: int) -> None:
        channel.soft = value >= PEDAL_DOWN

    # Registered parameters.

    def _select_msb(self, channel: ChannelState, value: int) -> None:
        channel.parameter = (value, channel.parameter[1])

    def _select_lsb(self, channel: ChannelState, value: int) -> None:
        channel.parameter = (channel.parameter[0], value)

    def _deselect(self, channel: ChannelState, _: int) -> None:
        channel.parameter = NO_PARAMETER  # of those not registered none is known

    def _enter_msb(self, channel: ChannelState, value: int) -> None:
        if channel.parameter == _BEND_RANGE:
            self._keyboard.set_range(channel, 100 * value)
        elif channel.parameter == _MPE_CONFIGURATION:
            self._keyboard.configure(channel, value)

    def _enter_lsb(self, channel: ChannelState, value: int) -> None:
        if channel.parameter == _BEND_RANGE:
            semitones = channel.range_cents // 100
            self._keyboard.set_range(channel, 100 * semitones + value)

    def _increment(self, channel: ChannelState, _: int) -> None:
        self._step(channel, 1)

    def _decrement(self, channel: ChannelState, _: int) -> None:
        self._step(channel, -1)

    def _step(self, channel: ChannelState, step: int) -> None:
        if channel.parameter == _BEND_RANGE:
            self._keyboard.set_range(channel, channel.range_cents + step)
        elif channel.parameter == _MPE_CONFIGURATION and not channel.is_member:
            n_members = len(channel.followers) - 1
            self._keyboard.configure(channel, max(0, n_members + step))

    # Modes and resets.

    def _stop_sound(self, channel: ChannelState, _: int) -> None:
        self._keyboard.silence(channel.followers)

    def _lift_all(self, channel: ChannelState, _: int) -> None:
        self._keyboard.lift_all(channel.followers)

    def _reset(self, channel: ChannelState, _: int) -> None:
        self._keyboard.reset_controllers(channel.followers)

    def _set_mono(self, channel: ChannelState, _: int) -> None:
        self._keyboard.change_mode(channel.followers, True)

    def _set_poly(self, channel: ChannelState, _: int) -> None:
        self._keyboard.change_mode(channel.followers, False)


def _defaults(profile: profiles_pb2.PlayerProfile) -> dict[str, Any]:
    return {
        "plain_range_cents": 100 * profile.bend_range_semitones,
        "is_mono": profile.voice_mode == profiles_pb2.VOICE_MODE_MONO,
    }


def _tell_damage(data: bytes, found: Messages) -> str:
    first = found.first_damaged
    return (
        f"{found.n_damaged} of {len(data)} bytes belong to no MIDI message, the first at {first} "
        f"(0x{data[first]:02X}): send whole messages, each with its status byte."
    )
