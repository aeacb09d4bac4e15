"""Timbre transfer as it happens: another sound goes in, control frames come out a few milliseconds later.

It does what `amadeus.play.transfer` does to a whole sound. What differs, for the future is not known:
  - Pitch is YIN's, and a voiced stretch begins where that is known (`listening`).
  - Loudness is mapped by what was heard so far (`adapting`), so the first seconds settle.
  - The octave is chosen where a note begins and stays until the next one does.
  - What is 50 dB softer than loud notes is background and no note.
  - Sound outside notes is pulled down after a note only, not before the next.
  - Between notes the pitch stays where it was, instead of gliding to the next.

Conventions: features are centred, controls end their block: frame i + 1 is control i.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.errors import ConfigError, RecordingError
from amadeus.live.adapting import LoudnessMap, OctaveChoice
from amadeus.live.listening import Heard, Listener, RawFrame, Voicing
from amadeus.live.resampling import StreamResampler
from amadeus.play.dynamics import curve_loudness
from amadeus.play.notation import Controls
from amadeus.play.style import settle_loudness_range, settle_pitch_offset, settle_timbre
from amadeus.play.transfer import MAX_OCTAVES, NOTE_MARGIN_S, OUTSIDE_NOTES_DB
from amadeus.v1 import personality_pb2, profiles_pb2

_RAISE_DB = 20.0  # a raise grows in over so much, so that silence stays silent


class _Followed(NamedTuple):
    """A frame on its way to a control."""

    f0_hz: float  # moved by octaves; between notes that of the note before
    is_voiced: bool
    loudness_db: float
    n_since_note: float  # frames


class TransferStream:
    """Follows one sound; the controls do not depend on how it is cut into blocks."""

    def __init__(
        self,
        learner_profile: profiles_pb2.LearnerProfile,
        statistics: personality_pb2.Statistics,
        player_profile: profiles_pb2.PlayerProfile,
        spec: AudioSpec,
        input_sample_rate: int,
        octave: int | None = None,
    ) -> None:
        """Prepares for one sound.

        Args:
          learner_profile: Complete; says how to listen.
          statistics: What the voice learned from; what is missing leaves the sound as it is.
          player_profile: Complete; what it says of pitch, loudness and timbre applies.
          spec: The clock of the voice.
          input_sample_rate: Samples per second of the sound.
          octave: Octaves to move by; None: chosen from what is heard.

        Raises:
          ConfigError: More than 6 octaves are asked for, or YIN cannot listen at these rates.
        """
        if octave is not None and abs(octave) > MAX_OCTAVES:
            raise ConfigError(
                f"octave={octave} is out of range: choose {-MAX_OCTAVES} to {MAX_OCTAVES}, or none."
            )
        self._spec = spec
        self._input_rate = input_sample_rate
        self._resampler = StreamResampler(
            from_rate=input_sample_rate, to_rate=spec.sample_rate
        )
        self._listener = Listener(learner_profile)
        self._voicing = Voicing(
            spec=spec, threshold=learner_profile.f0_confidence_threshold
        )
        self._loudness = LoudnessMap(statistics, spec=spec)
        self._octave = OctaveChoice(statistics, spec=spec, octave=octave)
        self._softest_db, self._loudest_db = settle_loudness_range(statistics)
        self._profile = player_profile
        self._held_hz = math.sqrt(learner_profile.f0_min_hz * learner_profile.f0_max_hz)
        self._n_since_note = math.inf  # frames
        self._was_voiced = False
        self._is_first = True  # the first frame is no control
        self._n_fed = 0
        self._n_resampled = 0

    @property
    def octaves(self) -> int:
        """By how many octaves the pitch is moved now."""
        return self._octave.octaves

    @property
    def latency_samples(self) -> int:
        """Samples at the voice's rate from a sound's coming in until the block it is heard in can begin."""
        frames = (1 + self._voicing.n_ahead) * self._spec.hop_size
        listening = self._listener.latency_samples
        return frames + listening + self._resampler.latency_samples

    @property
    def latency_s(self) -> float:
        """The same in seconds."""
        return self.latency_samples / self._spec.sample_rate

    def set_profile(self, player_profile: profiles_pb2.PlayerProfile) -> None:
        """Takes over knobs that were turned, for the frames to come; the profile is complete."""
        self._profile = player_profile

    def feed(self, samples: np.ndarray) -> Controls:
        """Takes the next samples and answers the controls that are known by now.

        Args:
          samples: In [-1, 1] at the input's rate. Shape [n_samples], any number.

        Raises:
          RecordingError: A sample is not finite; nothing was taken.
        """
        samples = np.asarray(samples, np.float32)
        if not np.isfinite(samples).all():
            raise RecordingError(
                f"{np.count_nonzero(~np.isfinite(samples))} of {len(samples)} samples are not finite: send numbers "
                "in [-1, 1]."
            )
        self._n_fed += len(samples)
        audio = self._resampler.feed(samples)
        self._n_resampled += len(audio)
        return self._finish(self._follow(self._listener.feed(audio)))

    def end(self) -> Controls:
        """Ends the sound, as if silence followed; nothing may be fed afterwards."""
        n_whole = -(-self._n_fed * self._spec.sample_rate // self._input_rate)
        n_missing = n_whole - self._n_resampled
        frames: list[RawFrame] = []
        if n_missing > 0:
            padding = np.zeros(self._resampler.needed(n_missing), np.float32)
            frames = self._listener.feed(self._resampler.feed(padding)[:n_missing])
        followed = self._follow(frames + self._listener.finish())
        return self._finish(followed + [self._map(one) for one in self._voicing.end()])

    def _follow(self, frames: Iterable[RawFrame]) -> list[_Followed]:
        """Maps frame by frame: what is heard in one counts for the next."""
        followed = []
        for frame in frames:
            heard = self._voicing.feed(frame, self._loudness.gate_db)
            if heard is not None:
                followed.append(self._map(heard))
        return followed

    def _map(self, heard: Heard) -> _Followed:
        if heard.is_voiced:
            self._loudness.hear_note(heard.loudness_db)
            self._octave.hear(69 + 12 * math.log2(heard.f0_hz / 440))
            if not self._was_voiced:
                self._octave.choose()
            self._held_hz = heard.f0_hz * 2.0**self._octave.octaves
            self._n_since_note = 0
        else:
            if not heard.is_silent:
                self._loudness.hear_rest(heard.loudness_db)
            self._n_since_note += 1
        self._was_voiced = heard.is_voiced
        return _Followed(
            self._held_hz,
            heard.is_voiced,
            self._loudness.map(heard.loudness_db),
            self._n_since_note,
        )

    def _finish(self, followed: list[_Followed]) -> Controls:
        """Joins frames into controls, and adds what the player profile says."""
        if followed and self._is_first:
            self._is_first = False
            followed = followed[1:]  # frame i + 1 is control i
        if not followed:
            return Controls(np.zeros(0, np.float32), np.zeros(0, np.float32))
        columns = np.array(followed, np.float64)
        held_hz, voiced, loudness_db, n_since_note = columns.T
        margin = NOTE_MARGIN_S * self._spec.frame_rate
        pull = np.minimum(n_since_note / margin, 1.0)
        loudness_db = self._colour(loudness_db) - OUTSIDE_NOTES_DB * pull
        loudness_db = self._offset(loudness_db)
        floor_db = np.where(voiced, self._softest_db, self._loudness.silence_db)
        f0_hz = held_hz * np.exp2(settle_pitch_offset(self._profile) / 12)
        f0_hz = np.clip(f0_hz, 1.0, 0.49 * self._spec.sample_rate)
        return Controls(
            np.where(voiced, f0_hz, -f0_hz).astype(np.float32),
            np.maximum(loudness_db, floor_db).astype(np.float32),
            settle_timbre(np.full(len(f0_hz), self._profile.brightness), self._profile),
        )

    def _colour(self, loudness_db: np.ndarray) -> np.ndarray:
        return np.asarray(
            curve_loudness(
                loudness_db,
                softest_db=self._softest_db,
                loudest_db=self._loudest_db,
                curve=self._profile.loudness_curve,
            )
        )

    def _offset(self, loudness_db: np.ndarray) -> np.ndarray:
        offset_db = self._profile.loudness_offset_db
        if offset_db <= 0:
            return loudness_db + offset_db
        above_db = loudness_db - self._loudness.silence_db
        return loudness_db + offset_db * np.clip(above_db / _RAISE_DB, 0, 1)
