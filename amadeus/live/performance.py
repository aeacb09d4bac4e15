"""A performance: what somebody sends on one side, blocks of sound on the other.

Nothing here knows of clocks on walls, threads or networks. Whoever drives a performance hands it requests as they come
(`obey`), asks how far it may go (`n_ready`), and lets it make samples (`make`).

Conventions: offsets count samples at the output rate. What an event causes comes out `latency_samples` after its
offset, always.
"""

import heapq
import itertools
from collections.abc import Callable, Generator
from typing import Protocol

import numpy as np

from amadeus.errors import ConfigError
from amadeus.live.bus import Request, Singer, Sung
from amadeus.live.configuration import MAX_CONTROL_FRAMES, MAX_MIDI_BYTES
from amadeus.live.ensemble import Ensemble
from amadeus.live.lines import MAX_LINES, Lines
from amadeus.live.midi_player import MidiPlayer
from amadeus.live.notes import Frames
from amadeus.live.notices import Notices
from amadeus.personality.profiles import complete_learner_profile, settle_player_profile
from amadeus.play.notation import Controls
from amadeus.play.style import settle_silence
from amadeus.v1 import perform_pb2, profiles_pb2

MAX_TAIL_S = 60.0  # of what still sounds when all has been sent
MAX_AHEAD_S = 600.0  # an event may lie this far in the future
MAX_SAMPLE = 2**48

_KNEE = 0.8  # of full scale: louder peaks are rounded off
_Kind = perform_pb2.PerformanceNotice


class Player(Protocol):
    """What the three modes have in common."""

    ensemble: Ensemble
    profile: profiles_pb2.PlayerProfile
    n_notes: int

    def take_over(self, singer: Singer) -> None:
        """Lets another personality sing from the next note on."""
        ...

    def turn_knobs(self, given: profiles_pb2.PlayerProfile) -> None:
        """Changes the fields that are set."""
        ...

    def end(self) -> None:
        """Is told that nothing more will come."""
        ...


class Performance:
    """One performance from its first sample to its last."""

    def __init__(
        self,
        configuration: perform_pb2.PerformConfiguration,
        singer: Singer,
        *,
        on_leave: Callable[[Singer], None],
    ) -> None:
        """Begins in silence.

        Args:
          configuration: Complete; see `configuration.complete`.
          singer: Who sings first.
          on_leave: Told of a singer who is not needed any more, from whichever thread makes sound.

        Raises:
          ConfigError: The player profile has a field out of range.
        """
        self.configuration = configuration
        self.notices = Notices()
        self._player = _make_player(configuration, singer, self.notices, on_leave)
        self._events: list[tuple[int, int, bytes]] = []  # a heap of MIDI to come
        self._numbers = itertools.count()
        self._advanced_to = 0
        self._has_ended = False
        self._n_tail = int(MAX_TAIL_S * configuration.sample_rate)
        self._gain: float | None = None

    @property
    def singer(self) -> Singer:
        """Who sings new notes."""
        return self._player.ensemble.bus.singer

    @property
    def sample(self) -> int:
        """Samples made so far."""
        return self._player.ensemble.sample

    @property
    def latency_samples(self) -> int:
        """Samples by which sound comes later than the event that causes it."""
        return self._player.latency_samples

    @property
    def n_notes(self) -> int:
        """Notes played so far."""
        return self._player.n_notes

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come and nothing sounds any more."""
        if not self._has_ended or self._events or self.sample < self._advanced_to:
            return False
        return self._player.ensemble.is_silent or self._n_tail <= 0

    def full_configuration(self) -> perform_pb2.PerformConfiguration:
        """Says what is played with, the player profile as it stands now included."""
        full = perform_pb2.PerformConfiguration()
        full.CopyFrom(self.configuration)
        full.player_profile.CopyFrom(self._player.profile)
        return full

    def take_over(self, singer: Singer) -> None:
        """Lets another personality sing from the next note on."""
        self._player.take_over(singer)
        who = singer.personality
        self.notices.add(
            _Kind.KIND_PERSONALITY_CHANGED,
            self.sample,
            f"{who.deu} plays as generation {who.generation} from the next note on.",
        )

    def obey(self, request: perform_pb2.PerformRequest) -> None:
        """Takes a message.

        Raises:
          ConfigError: It is none that this performance can take; nothing has changed.
        """
        kind = request.WhichOneof("message")
        if kind == "player_profile":
            self._player.turn_knobs(request.player_profile)
        elif kind == "advance":
            self._advance(request.advance.sample_offset)
        elif kind == "midi" and isinstance(self._player, MidiPlayer):
            self._hear(request.midi)
        elif kind == "controls" and isinstance(self._player, LinePlayer):
            self._player.take_controls(request.controls)
        elif kind == "audio" and isinstance(self._player, TransferPlayer):
            self._player.hear(request.audio.samples)
        else:
            raise ConfigError(_say_misplaced(kind, self.configuration))

    def end(self) -> None:
        """Nothing more will come: what sounds is played to its end."""
        self._has_ended = True
        if not self._events:
            self._player.end()

    def n_ready(self) -> int:
        """Samples that may be made now, by what has been sent."""
        if self._has_ended:
            return 0 if self.is_over else max(self.configuration.block_size, 1) * 64
        if isinstance(self._player, MidiPlayer):
            return max(0, self._advanced_to - self.sample)
        return max(0, self._player.n_ready())

    def n_waiting(self) -> int:
        """Events or frames that wait: whoever sends more than enough is to be slowed down by it."""
        if isinstance(self._player, MidiPlayer):
            return len(self._events)
        return self._player.n_waiting()

    def make(self, n_samples: int) -> Generator[Request, Sung, np.ndarray]:
        """Makes the next samples; see `Bus.play`.

        Returns:
          Float32 in [-1, 1], shape [n_samples].
        """
        end, parts = self.sample + n_samples, []
        while self.sample < end:
            self._play_due()
            stop = min(end, self._events[0][0]) if self._events else end
            mix = self._player.profile.reverb_mix
            part = yield from self._player.ensemble.play(stop - self.sample, mix=mix)
            parts.append(part)
        if self._has_ended and not self._events:
            self._n_tail -= n_samples
        return self._finish(np.concatenate(parts))

    def close(self) -> None:
        """Lets all singers go."""
        self._player.ensemble.close()

    def _advance(self, sample: int) -> None:
        if not self._advanced_to <= sample <= MAX_SAMPLE:
            raise ConfigError(
                f"advance to sample {sample} after {self._advanced_to}: time only goes on; send the same or more."
            )
        self._advanced_to = sample

    def _hear(self, event: perform_pb2.MidiEvent) -> None:
        if len(event.data) > MAX_MIDI_BYTES:
            raise ConfigError(
                f"a MIDI event has {len(event.data)} bytes and at most {MAX_MIDI_BYTES} are taken: send it in parts."
            )
        if not event.HasField("sample_offset"):
            self._play(event.data)
            return
        place = event.sample_offset
        n_ahead = place - max(self.sample, self._advanced_to)
        if place < 0 or n_ahead > MAX_AHEAD_S * self.configuration.sample_rate:
            raise ConfigError(
                f"a MIDI event at sample {place} lies out of reach at {self.sample}: send it within {MAX_AHEAD_S:g} s "
                "of its time."
            )
        if place < self.sample:
            late_ms = 1000 * (self.sample - place) / self.configuration.sample_rate
            self.notices.add(
                _Kind.KIND_LATE_EVENT,
                self.sample,
                f"an event for sample {place} came {late_ms:.1f} ms late and is played now: send it earlier, or with a "
                "later offset.",
            )
        number = next(self._numbers)
        heapq.heappush(self._events, (max(place, self.sample), number, event.data))

    def _play_due(self) -> None:
        while self._events and self._events[0][0] <= self.sample:
            self._play(heapq.heappop(self._events)[2])
            if self._has_ended and not self._events:
                self._player.end()

    def _play(self, data: bytes) -> None:
        assert isinstance(self._player, MidiPlayer)
        self._player.hear(data)

    def _finish(self, sound: np.ndarray) -> np.ndarray:
        gain = 10 ** (self._player.profile.output_gain_db / 20)
        before, self._gain = gain if self._gain is None else self._gain, gain
        if before != gain:  # a knob that is turned goes there over the block
            sound = sound * np.linspace(before, gain, len(sound) + 1)[1:]
        elif gain != 1.0:
            sound = sound * gain
        return _round_off(sound).astype(np.float32, copy=False)


class LinePlayer:
    """Plays frames of controls."""

    def __init__(
        self,
        singer: Singer,
        given: profiles_pb2.PlayerProfile,
        *,
        sample_rate: int,
        on_leave: Callable[[Singer], None],
    ) -> None:
        self._given, self._rate = given, sample_rate
        self.profile = settle_player_profile(singer.personality.player_profile, given)
        self.n_notes = 0
        self._ends: dict[int, int] = {}  # samples each line has frames for
        self.ensemble: Ensemble[Lines] = Ensemble(
            singer, self._make_lines, sample_rate=sample_rate, on_leave=on_leave
        )

    @property
    def latency_samples(self) -> int:
        """See `Performance.latency_samples`."""
        return self.ensemble.bus.latency_samples

    def take_over(self, singer: Singer) -> None:
        """Lines have no notes: who began a performance sings it to its end."""
        self.ensemble.on_leave(singer)

    def turn_knobs(self, given: profiles_pb2.PlayerProfile) -> None:
        """Changes the fields that are set.

        Raises:
          ConfigError: A field is out of range; then nothing changes.
        """
        merged = profiles_pb2.PlayerProfile()
        merged.CopyFrom(self._given)
        merged.MergeFrom(given)
        personality = self.ensemble.bus.singer.personality
        self.profile = settle_player_profile(personality.player_profile, merged)
        self._given = merged
        self._lines.profile = self.profile

    def take_controls(self, controls: perform_pb2.ControlFrames) -> None:
        """Takes the next frames of a line.

        Raises:
          ConfigError: They are no frames.
        """
        if not 0 <= controls.line < MAX_LINES:
            raise ConfigError(
                f"line {controls.line} is out of range: choose from 0 to {MAX_LINES - 1}."
            )
        self.add(controls.line, _read_frames(controls))

    def add(self, line: int, frames: Frames) -> None:
        """Takes the next frames of a line. Shapes [n_frames]."""
        bus = self.ensemble.bus
        if line not in self._ends:
            self._ends[line] = self.ensemble.sample
            self._lines.add(line, frames)
            bus.open(line, self.ensemble.sample)
            self.n_notes += 1
        else:
            self._lines.add(line, frames)
        spec = bus.singer.spec
        self._ends[line] += (
            len(frames.f0_hz) * spec.hop_size * self._rate // spec.sample_rate
        )

    def n_ready(self) -> int:
        """See `Performance.n_ready`."""
        return min(self._ends.values(), default=0) - self.ensemble.sample - 1

    def n_waiting(self) -> int:
        """See `Performance.n_waiting`."""
        return self._lines.longest()

    def end(self) -> None:
        """Is told that nothing more will come."""
        self._lines.has_ended = True

    @property
    def _lines(self) -> Lines:
        return self.ensemble.part(self.ensemble.bus)

    def _make_lines(self, singer: Singer) -> Lines:
        silence_db = settle_silence(singer.personality.statistics)
        max_hz = 0.49 * singer.spec.sample_rate
        return Lines(self.profile, silence_db=silence_db, max_hz=max_hz)


class TransferPlayer(LinePlayer):
    """Plays what another sound plays."""

    def __init__(
        self,
        singer: Singer,
        given: profiles_pb2.PlayerProfile,
        *,
        sample_rate: int,
        input_sample_rate: int,
        octave: int | None,
        on_leave: Callable[[Singer], None],
    ) -> None:
        from amadeus.live.transfer import TransferStream  # trackers and resamplers

        super().__init__(singer, given, sample_rate=sample_rate, on_leave=on_leave)
        neutral = profiles_pb2.PlayerProfile()
        neutral.CopyFrom(self.profile)
        # the line itself adds what the profile says, so that knobs can be turned
        for name in (
            "pitch_shift_semitones",
            "fine_tuning_cents",
            "loudness_offset_db",
        ):
            setattr(neutral, name, 0.0)
        self._stream = TransferStream(
            complete_learner_profile(singer.personality.learner_profile),
            singer.personality.statistics,
            neutral,
            singer.spec,
            input_sample_rate,
            octave=octave,
        )
        self._n_heard, self._input_rate = 0, input_sample_rate

    @property
    def latency_samples(self) -> int:
        """See `Performance.latency_samples`."""
        heard_s = self._stream.latency_s
        return super().latency_samples + round(heard_s * self._rate)

    def hear(self, samples: bytes) -> None:
        """Follows what is heard.

        Raises:
          ConfigError: It is no sound.
        """
        if len(samples) % 4:
            raise ConfigError(
                f"audio of {len(samples)} bytes is no whole number of float32 samples: send 4 bytes a sample."
            )
        sound = np.frombuffer(samples, "<f4")
        if not np.isfinite(sound).all():
            raise ConfigError(
                "the audio holds samples that are not finite: send numbers in [-1, 1]."
            )
        self._give(self._stream.feed(np.clip(sound, -1, 1)))

    def end(self) -> None:
        """Is told that nothing more will come."""
        self._give(self._stream.end())
        super().end()

    def _give(self, controls: Controls) -> None:
        if not len(controls.f0_hz):
            return
        zeros = np.zeros(len(controls.f0_hz), np.float32)
        frames = Frames(controls.f0_hz, controls.loudness_db, zeros, zeros, zeros)
        self.add(0, frames)


def _make_player(
    configuration: perform_pb2.PerformConfiguration,
    singer: Singer,
    notices: Notices,
    on_leave: Callable[[Singer], None],
) -> Player:
    given, rate = configuration.player_profile, configuration.sample_rate
    if configuration.mode == perform_pb2.PERFORM_MODE_CONTROLS:
        return LinePlayer(singer, given, sample_rate=rate, on_leave=on_leave)
    if configuration.mode == perform_pb2.PERFORM_MODE_TRANSFER:
        octave = configuration.octave if configuration.HasField("octave") else None
        return TransferPlayer(
            singer,
            given,
            sample_rate=rate,
            input_sample_rate=configuration.input_sample_rate,
            octave=octave,
            on_leave=on_leave,
        )
    return MidiPlayer(
        singer,
        given,
        sample_rate=rate,
        seed=configuration.seed,
        notices=notices,
        on_leave=on_leave,
    )


def _read_frames(controls: perform_pb2.ControlFrames) -> Frames:
    n_frames = len(controls.f0_hz)
    if not 0 < n_frames <= MAX_CONTROL_FRAMES:
        raise ConfigError(
            f"a message of controls has {n_frames} frames: send from 1 to {MAX_CONTROL_FRAMES}."
        )
    curves = {}
    for name in Frames._fields:
        values = np.array(getattr(controls, name), np.float32)
        if not len(values) and name not in ("f0_hz", "loudness_db"):
            values = np.zeros(n_frames, np.float32)
        if len(values) != n_frames:
            raise ConfigError(
                f"controls have {n_frames} pitches and {len(values)} of {name}: send as many of both."
            )
        if not np.isfinite(values).all():
            raise ConfigError(
                f"{name} holds values that are not finite: send a number for every frame, 0 Hz where no pitch is known."
            )
        curves[name] = values
    return Frames(**curves)


def _say_misplaced(
    kind: str | None, configuration: perform_pb2.PerformConfiguration
) -> str:
    mode = perform_pb2.PerformMode.Name(configuration.mode)
    if kind is None:
        return "an empty message: send MIDI, controls, audio, an advance or knobs."
    if kind == "configuration":
        return "a second configuration: it is the first message, and only that; open another performance."
    return f"{kind} in a performance of {mode}: choose the mode for it, or send what this one plays."


def _round_off(sound: np.ndarray) -> np.ndarray:
    """Bends peaks beyond the knee below full scale; what stays under it is untouched."""
    size = np.abs(sound)
    if size.max(initial=0.0) <= _KNEE:
        return sound
    room = 1 - _KNEE
    bent = _KNEE + room * np.tanh((size - _KNEE) / room)
    return np.where(size > _KNEE, np.sign(sound) * bent, sound)
