"""From MIDI as it comes to notes that sound: who gets a voice, and who gives one up.

Voices are given up by this rule: of the notes that fade, the softest; if none fades, the one that began first. A note
that gives way falls silent within one frame, its reverb rings on, and the new note starts at once.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from amadeus.live.bus import Bus, Singer
from amadeus.live.ensemble import Ensemble
from amadeus.live.events import (
    AllSilenced,
    Event,
    Ignored,
    NoteChanged,
    NoteEnded,
    NoteSlurred,
    NoteStarted,
)
from amadeus.live.note_stack import NoteStacks
from amadeus.live.notes import NoteBank, Notes
from amadeus.live.notices import Notices
from amadeus.live.receiver import Receiver
from amadeus.personality.profiles import settle_player_profile
from amadeus.play.style import settle_style
from amadeus.v1 import perform_pb2, profiles_pb2

MAX_DYING = 96  # notes that fall silent at one time
RANGE_MARGIN = 2  # semitones beyond what was learned that need no warning

_Kind = perform_pb2.PerformanceNotice


@dataclass(eq=False)
class _Voice:
    note_id: int
    channel: int
    bus: Bus
    slot: int


class MidiPlayer:
    """Plays what somebody plays on keys, pads or strings."""

    def __init__(
        self,
        singer: Singer,
        given: profiles_pb2.PlayerProfile,
        *,
        bank: NoteBank,
        sample_rate: int,
        seed: int,
        notices: Notices,
        on_leave: Callable[[Singer], None],
    ) -> None:
        """Begins in silence.

        Args:
          singer: Who sings first.
          given: What the ama says; open fields are taken from the personality.
          bank: Where notes live.
          sample_rate: Of the output, in Hz.
          seed: Of the small differences between notes.
          notices: Where to tell what the ama should know.
          on_leave: Told of a singer who is not needed any more.
        """
        self._given, self._seed, self._notices = given, seed, notices
        self._bank = bank
        self._voices: list[_Voice] = []  # the oldest first
        self._warned: set[str] = set()
        self.n_notes = 0
        self.profile = settle_player_profile(singer.personality.player_profile, given)
        self.ensemble: Ensemble[Notes] = Ensemble(
            singer, self._make_notes, sample_rate=sample_rate, on_leave=on_leave
        )
        self._receiver, self._stacks = Receiver(self.profile), NoteStacks(self.profile)

    @property
    def latency_samples(self) -> int:
        """See `Performance.latency_samples`."""
        return self.ensemble.bus.latency_samples

    @property
    def lookahead_samples(self) -> int:
        """See `Performance.lookahead_samples`."""
        return 0

    def n_ready(self) -> int:
        """Keys say nothing of the time to come."""
        return 0

    def n_waiting(self) -> int:
        """What is heard is played at once."""
        return 0

    def take_over(self, singer: Singer) -> None:
        """Lets another personality sing from the next note on."""
        profile = singer.personality.player_profile
        self.profile = settle_player_profile(profile, self._given)
        self.ensemble.take_over(singer)

    def turn_knobs(self, given: profiles_pb2.PlayerProfile) -> None:
        """Changes the fields that are set, for notes that sound too.

        Raises:
          ConfigError: A field is out of range; then nothing changes.
        """
        merged = profiles_pb2.PlayerProfile()
        merged.CopyFrom(self._given)
        merged.MergeFrom(given)
        personality = self.ensemble.bus.singer.personality
        profile = settle_player_profile(personality.player_profile, merged)
        self._given, self.profile = merged, profile
        for bus in self.ensemble.buses:
            style = settle_style(bus.singer.personality.statistics, profile)
            self.ensemble.part(bus).retune(style, profile)
        events = self._receiver.set_profile(profile)
        self._stacks.set_profile(profile)
        self._obey_all(events)

    def hear(self, data: bytes) -> None:
        """Plays MIDI now, at the next sample that is made."""
        self._obey_all(self._receiver.feed(data))

    def end(self) -> None:
        """Nothing more will come: lets go of all keys and pedals."""
        for voice in self._voices:
            self._notes(voice).end(voice.slot, self._now_s(voice.bus))

    def _obey_all(self, events: list[Event]) -> None:
        for event in self._stacks.take(events):
            self._obey(event)

    def _obey(self, event: Event) -> None:
        match event:
            case NoteStarted():
                self._start(event)
            case NoteSlurred(from_id, note):
                self._slur(from_id, note)
            case NoteChanged(note_id, expression):
                for voice in self._sounding(note_id):
                    self._notes(voice).change(voice.slot, expression)
            case NoteEnded(note_id):
                for voice in self._sounding(note_id):
                    self._notes(voice).end(voice.slot, self._now_s(voice.bus))
            case AllSilenced(channels):
                for voice in self._voices:
                    if voice.channel in channels:
                        self._notes(voice).cut(voice.slot)
            case Ignored(text):
                self._notices.add(_Kind.KIND_MIDI_IGNORED, self.ensemble.sample, text)

    def _start(self, note: NoteStarted) -> None:
        self._forget_closed()
        self._make_room()
        bus = self.ensemble.bus
        notes = self.ensemble.part(bus)
        slot = notes.start(note, self._now_s(bus))
        bus.open(slot, self.ensemble.sample)
        self._voices.append(_Voice(note.note_id, note.channel, bus, slot))
        self.n_notes += 1
        self._check_range(note, notes)

    def _slur(self, from_id: int, note: NoteStarted) -> None:
        self._forget_closed()
        voices = self._sounding(from_id)
        # a personality that has taken over begins with an attack of its own
        if not voices or voices[0].bus is not self.ensemble.bus:
            for voice in voices:
                self._notes(voice).end(voice.slot, self._now_s(voice.bus))
            self._start(note)
            return
        voice = voices[0]
        self._notes(voice).slur(voice.slot, note, self._now_s(voice.bus))
        voice.note_id, voice.channel = note.note_id, note.channel
        self.n_notes += 1

    def _make_room(self) -> None:
        """Takes voices from others until one is free."""
        alive = [v for v in self._voices if not self._notes(v).is_cut(v.slot)]
        while len(alive) >= self.profile.voice_count:
            victim = min(alive, key=self._claim)
            notes = self._notes(victim)
            if not notes.is_released(victim.slot):
                self._notices.add(
                    _Kind.KIND_VOICE_STOLEN,
                    self.ensemble.sample,
                    f"a note gave way, for at most {self.profile.voice_count} sound at once: raise voice_count, or "
                    "play fewer.",
                )
            notes.cut(victim.slot)
            alive.remove(victim)

    def _claim(self, voice: _Voice) -> tuple[bool, float]:
        """How much a note has a right to its voice."""
        notes = self._notes(voice)
        if notes.is_released(voice.slot):
            return False, notes.level_db(voice.slot)
        return True, notes.onset_s(voice.slot)

    def _forget_closed(self) -> None:
        """Voices whose streams have been closed are nobody's."""
        open_slots = {id(bus): set(bus.slots) for bus in self.ensemble.buses}
        self._voices = [
            v for v in self._voices if v.slot in open_slots.get(id(v.bus), ())
        ]
        n_dying = sum(self._notes(v).is_cut(v.slot) for v in self._voices)
        if n_dying >= MAX_DYING:  # a flood within one frame
            doomed = [v for v in self._voices if self._notes(v).is_cut(v.slot)]
            for voice in itertools.islice(doomed, n_dying // 2):
                voice.bus.drop(voice.slot)
                self._voices.remove(voice)

    def _sounding(self, note_id: int) -> list[_Voice]:
        return [
            v for v in self._voices if v.note_id == note_id and v.slot in v.bus.slots
        ]

    def _notes(self, voice: _Voice) -> Notes:
        return self.ensemble.part(voice.bus)

    def _now_s(self, bus: Bus) -> float:
        return bus.time_s(self.ensemble.sample)

    def _make_notes(self, singer: Singer) -> Notes:
        style = settle_style(singer.personality.statistics, self.profile)
        max_hz = 0.49 * singer.spec.sample_rate
        return Notes(self._bank, style, self.profile, seed=self._seed, max_hz=max_hz)

    def _check_range(self, note: NoteStarted, notes: Notes) -> None:
        style = notes.style
        key = note.key + self.profile.pitch_shift_semitones
        if style.low_midi is None or style.high_midi is None:
            return
        if key < style.low_midi - RANGE_MARGIN:
            self._warn_once("below", key, style.low_midi)
        elif key > style.high_midi + RANGE_MARGIN:
            self._warn_once("above", key, style.high_midi)

    def _warn_once(self, where: str, key: float, limit: float) -> None:
        if where in self._warned:
            return
        self._warned.add(where)
        self._notices.add(
            _Kind.KIND_OUT_OF_RANGE,
            self.ensemble.sample,
            f"note {key:g} lies {where} the learned range, which ends at {limit:.0f}: shift it by "
            "pitch_shift_semitones, or teach the voice such notes.",
        )
