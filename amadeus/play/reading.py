"""From MIDI messages to notes and controllers.

A note ends at its note-off (note-on with velocity 0 is one), at the pedal's release when the
sustain pedal holds it, or where the same key is struck again. A note without an end sounds until
the file ends. Controllers belong to a channel, whichever track sent them.

Reference: General MIDI Level 1 Developer Guidelines; General MIDI 2, RP-024; response to reset all
controllers, RP-015.
"""

from dataclasses import dataclass

import numpy as np

from amadeus.play.gestures import (
    EXPRESSION_FULL,
    VOLUME_FULL,
    fader_db,
    timbre_unit,
)
from amadeus.play.midi_file import TimedMessage
from amadeus.play.notation import Channel, Note, Steps

HANGING_NOTE_S = 0.5  # a note struck in the file's last instant still gets this long
PEDAL_DOWN = 64  # CC64 at or above is down

_FADERS = {7: ("volume_db", VOLUME_FULL), 11: ("expression_db", EXPRESSION_FULL)}


class Reading:
    """Follows a file message by message and collects notes and controller changes.

    Args:
      end_s: Time of the file's last message, where notes without an end are closed.
    """

    def __init__(self, end_s: float) -> None:
        self.notices: list[str] = []
        self._end_s = end_s
        self._changes: dict[int, dict[str, list[tuple[float, float]]]] = {}
        self._notes: list[Note] = []
        # Sounding, oldest first, by track, channel and key.
        self._keys: dict[tuple[int, int, int], list[_Pending]] = {}
        # All others by channel: notes that only the pedal holds, whether it is down, the
        # registered parameter (MSB, LSB) that data entry sets, the bend range (semitones, cents).
        self._held: dict[int, list[_Pending]] = {}
        self._pedals: dict[int, bool] = {}
        self._parameters: dict[int, list[int]] = {}
        self._ranges: dict[int, list[int]] = {}

    def take(self, timed: TimedMessage) -> None:
        """Reads one message; messages come in order of time."""
        message = timed.message
        match message.type:
            case "note_on" if message.velocity:
                self._strike(timed)
            case "note_on" | "note_off":
                self._release(timed)
            case "pitchwheel":
                self._change(timed, "bend_unit", message.pitch / 8192)
            case "aftertouch":
                self._change(timed, "pressure_unit", message.value / 127)
            case "control_change":
                self._control(timed, message.control, message.value)

    def finish(self) -> list[Note]:
        """Closes what still sounds and returns all notes."""
        hanging = 0
        for pending in [p for pendings in self._keys.values() for p in pendings]:
            if pending.end_s is None:
                hanging += pending.swallowed_off_s is None
                self._end(pending, self._last_chance_s(pending))
        for pending in [p for pendings in self._held.values() for p in pendings]:
            self._end(pending, self._end_s)
        self._keys.clear()
        self._held.clear()
        if hanging:
            self.notices.append(
                f"notes without an end in the file: {hanging}; held until it ends."
            )
        return self._notes

    def channels(self) -> dict[int, Channel]:
        """Gathers the controllers of every channel that sent any."""
        return {number: _channel(changes) for number, changes in self._changes.items()}

    def _last_chance_s(self, pending: "_Pending") -> float:
        if pending.swallowed_off_s is not None:
            return pending.swallowed_off_s
        return max(self._end_s, pending.timed.time_s + HANGING_NOTE_S)

    def _strike(self, timed: TimedMessage) -> None:
        key = (timed.track, timed.message.channel, timed.message.note)
        for pending in self._keys.get(key, []):
            if pending.end_s is None:  # stays listed: its own off is still to come
                self._end(pending, timed.time_s)
        held = self._held.get(timed.message.channel, [])
        for pending in [p for p in held if _key(p) == key]:
            held.remove(pending)
            self._end(pending, timed.time_s)
        self._keys.setdefault(key, []).append(_Pending(timed))

    def _release(self, timed: TimedMessage) -> None:
        pendings = self._keys.get(
            (timed.track, timed.message.channel, timed.message.note), []
        )
        if not pendings:
            return
        oldest = pendings.pop(0)
        if oldest.end_s is not None:
            pendings[0].swallowed_off_s = timed.time_s
        elif self._pedals.get(timed.message.channel):
            self._held.setdefault(timed.message.channel, []).append(oldest)
        else:
            self._end(oldest, timed.time_s)

    def _end(self, pending: "_Pending", end_s: float) -> None:
        pending.end_s = end_s
        message = pending.timed.message
        self._notes.append(
            Note(
                pending.timed.time_s,
                end_s,
                message.note,
                message.velocity,
                message.channel,
                pending.timed.track,
            )
        )

    def _control(self, timed: TimedMessage, control: int, value: int) -> None:
        channel = timed.message.channel
        if control == 1:
            self._change(timed, "modulation_unit", value / 127)
        elif control in _FADERS:
            name, full = _FADERS[control]
            self._change(timed, name, fader_db(value, full))
        elif control == 74:
            self._change(timed, "timbre_unit", float(timbre_unit(value)))
        elif control == 64:
            self._pedal(timed, is_down=value >= PEDAL_DOWN)
        elif control in (98, 99, 100, 101):
            self._select(channel, control, value)
        elif control in (6, 38):
            self._enter(timed, control, value)
        elif control == 121:
            self._reset(timed)
        elif control in (120, *range(123, 128)):
            self._silence(timed, at_once=control == 120)

    def _pedal(self, timed: TimedMessage, *, is_down: bool) -> None:
        channel = timed.message.channel
        self._pedals[channel] = is_down
        if not is_down:
            for pending in self._held.pop(channel, []):
                self._end(pending, timed.time_s)

    def _select(self, channel: int, control: int, value: int) -> None:
        parameter = self._parameters.setdefault(channel, [127, 127])
        if control >= 100:
            parameter[101 - control] = value
        else:  # an NRPN: none is known
            parameter[:] = [127, 127]

    def _enter(self, timed: TimedMessage, control: int, value: int) -> None:
        channel = timed.message.channel
        if self._parameters.get(channel) != [0, 0]:  # RPN 0: bend range
            return
        bend_range = self._ranges.setdefault(channel, [2, 0])
        if control == 6:
            bend_range[:] = [value, 0]
        else:
            bend_range[1] = value
        self._change(timed, "bend_range_semitones", bend_range[0] + bend_range[1] / 100)

    def _reset(self, timed: TimedMessage) -> None:
        # RP-015 leaves volume and the sound controllers, CC74 among them, as they are.
        for name in ("bend_unit", "modulation_unit", "pressure_unit", "expression_db"):
            self._change(timed, name, 0.0)
        self._parameters.pop(timed.message.channel, None)
        self._pedal(timed, is_down=False)

    def _silence(self, timed: TimedMessage, *, at_once: bool) -> None:
        channel = timed.message.channel
        for key, pendings in self._keys.items():
            if key[1] != channel:
                continue
            for pending in [p for p in pendings if p.end_s is None]:
                if self._pedals.get(channel) and not at_once:
                    self._held.setdefault(channel, []).append(pending)
                else:
                    self._end(pending, timed.time_s)
            pendings.clear()
        if at_once:
            for pending in self._held.pop(channel, []):
                self._end(pending, timed.time_s)

    def _change(self, timed: TimedMessage, name: str, value: float) -> None:
        changes = self._changes.setdefault(timed.message.channel, {})
        changes.setdefault(name, []).append((timed.time_s, value))


@dataclass
class _Pending:
    """A note that has begun.

    Attributes:
      timed: The message that began it.
      end_s: Set when the same key was struck again.
      swallowed_off_s: A note-off that went to an earlier note but may have been meant for this.
    """

    timed: TimedMessage
    end_s: float | None = None
    swallowed_off_s: float | None = None


def _key(pending: "_Pending") -> tuple[int, int, int]:
    message = pending.timed.message
    return pending.timed.track, message.channel, message.note


def _channel(changes: dict[str, list[tuple[float, float]]]) -> Channel:
    def steps(name: str, initial: float) -> Steps:
        times_s, values = zip(*changes[name], strict=True)
        return Steps(np.array(times_s), np.array(values), initial)

    untouched = Channel()
    return untouched._replace(
        **{name: steps(name, getattr(untouched, name).initial) for name in changes}
    )
