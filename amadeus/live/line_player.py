"""Plays lines of control frames: those somebody has made, or those that another sound is heard to sing."""

from collections.abc import Callable

import numpy as np

from amadeus.errors import ConfigError
from amadeus.live.bus import Singer
from amadeus.live.configuration import MAX_CONTROL_FRAMES
from amadeus.live.ensemble import Ensemble
from amadeus.live.lines import MAX_LINES, Lines
from amadeus.live.notes import Frames
from amadeus.personality.profiles import (
    complete_learner_profile,
    complete_player_profile,
    settle_player_profile,
)
from amadeus.play.notation import Controls
from amadeus.play.style import settle_silence
from amadeus.v1 import perform_pb2, profiles_pb2


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
    def lookahead_samples(self) -> int:
        """See `Performance.lookahead_samples`."""
        return 0

    @property
    def latency_samples(self) -> int:
        """See `Performance.latency_samples`."""
        return self.ensemble.bus.latency_samples

    def take_missing(self) -> int:
        """Tells how many frames were due and were not there, since it was asked last."""
        return self._lines.take_missing()

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
        self._lines.profile = self._line_profile()

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
        return Lines(self._line_profile(), silence_db=silence_db, max_hz=max_hz)

    def _line_profile(self) -> profiles_pb2.PlayerProfile:
        """What is added to what lines say."""
        return self.profile


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
        self._stream = TransferStream(
            complete_learner_profile(singer.personality.learner_profile),
            singer.personality.statistics,
            self.profile,
            singer.spec,
            input_sample_rate,
            octave=octave,
        )

    @property
    def lookahead_samples(self) -> int:
        """See `Performance.lookahead_samples`."""
        return round(self._stream.latency_s * self._rate)

    def turn_knobs(self, given: profiles_pb2.PlayerProfile) -> None:
        """Changes the fields that are set, for what is heard from now on.

        Raises:
          ConfigError: A field is out of range; then nothing changes.
        """
        super().turn_knobs(given)
        self._stream.set_profile(self.profile)

    def _line_profile(self) -> profiles_pb2.PlayerProfile:
        return complete_player_profile()  # what the ama says is in the stream's frames

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
        timbre = controls.timbre or (zeros, zeros, zeros)
        self.add(0, Frames(controls.f0_hz, controls.loudness_db, *timbre))


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
