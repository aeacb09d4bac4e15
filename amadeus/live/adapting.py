"""What a stream has learned so far of the sound it follows: how loud it is, and which octave suits it.

Offline a sound is known from beginning to end before it is mapped. Here every frame is mapped by what was heard up
to it, so the first notes of a performance are mapped by what is expected: the loudness that the voice learned
from, moved to where the sound turns out to be. That expectation weighs as much as two seconds of notes and has
faded when ten have been heard. What was heard more than a minute of notes ago counts less and less.
"""

from collections.abc import Sequence

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.play.style import (
    finite_quantiles,
    settle_loudness_range,
    settle_pitch_range,
    settle_silence,
)
from amadeus.play.transfer import MAX_OCTAVES
from amadeus.v1 import personality_pb2

GATE_DEPTH_DB = 50.0  # below loud notes: what is softer is background
MIN_GAIN_SEMITONES = 1.0  # another octave must suit by so much better

_MEMORY_S = 60.0
_PRIOR_S = 2.0  # weight of what is expected
_PRIOR_FADED_S = 10.0  # of notes heard, and nothing is expected any more
_PLACE_S = 0.25  # of notes, and their own level counts as much as the one expected
_BACKGROUND_S = 1.0  # weight of the silence expected between notes
_LOUD_SHARE = 0.9
_FLOOR_DB = -80.0  # features end here
_BELOW_NOTES_DB = 6.0  # background lies at least so far below the softest note
_MAX_STRETCH = 2.0  # of the dynamics that are heard
_QUANTILES = np.linspace(0, 1, 101)
_LEVELS_DB = (-100.0, 60.0, 0.25)  # first, last, step
_PITCHES_MIDI = (0.0, 140.0, 0.25)


class RunningHistogram:
    """How often values came, older ones less and less."""

    def __init__(
        self, first: float, last: float, step: float, *, memory: float
    ) -> None:
        """Prepares an empty one.

        Args:
          first: Lower edge of the lowest bin; what lies outside is counted at the end.
          last: Upper edge of the highest.
          step: Width of a bin.
          memory: Values after which one has faded to a third.
        """
        self.edges = np.arange(first, last + step / 2, step)
        self.counts = np.zeros(len(self.edges) - 1)
        self.total = 0.0
        self._first, self._step = first, step
        self._keep = 1 - 1 / memory

    def add(self, value: float) -> None:
        """Counts a value."""
        place = int((value - self._first) / self._step)
        self.counts *= self._keep
        self.counts[min(max(place, 0), len(self.counts) - 1)] += 1.0
        self.total = self.total * self._keep + 1.0

    def cumulative(self) -> np.ndarray:
        """Counts below each edge. Shape [n_edges]."""
        below = np.zeros(len(self.edges))
        np.cumsum(self.counts, out=below[1:])
        return below


class LoudnessMap:
    """Maps loudness by the quantiles of what was heard, as `play.transfer` maps it by those of the whole."""

    def __init__(
        self, statistics: personality_pb2.Statistics, *, spec: AudioSpec
    ) -> None:
        """Expects what the voice learned from.

        Args:
          statistics: What the voice learned; without loudness in it, notes stay as loud as they are.
          spec: The clock of the frames.
        """
        rate = spec.frame_rate
        self.silence_db = settle_silence(statistics)
        learned = finite_quantiles(statistics.loudness_quantiles_db)
        self._learned_db = _spread(learned) if learned else None
        self._expected_db = _spread(learned or settle_loudness_range(statistics))
        self._notes = RunningHistogram(*_LEVELS_DB, memory=_MEMORY_S * rate)
        self._rests = RunningHistogram(*_LEVELS_DB, memory=_MEMORY_S * rate)
        self._rate = rate
        self._rest_db = _FLOOR_DB
        self._settle()

    def hear_note(self, loudness_db: float) -> None:
        """Learns from a voiced frame."""
        self._notes.add(loudness_db)
        self._settle()

    def hear_rest(self, loudness_db: float) -> None:
        """Learns from a frame between notes that is not digitally silent."""
        self._rests.add(loudness_db)
        below = self._rests.cumulative() + _BACKGROUND_S * self._rate
        middle_db = _quantile(below / below[-1], self._rests.edges, 0.5)
        self._rest_db = max(middle_db, _FLOOR_DB)
        self._settle_background()

    def map(self, loudness_db: float) -> float:
        """Maps the loudness of a frame by what was heard so far."""
        return float(np.interp(loudness_db, self._given_db, self._wanted_db))

    def _settle(self) -> None:
        edges, below = self._notes.edges, self._mixed()
        given_db = np.interp(_QUANTILES, *_rising(below, edges))
        wanted_db = self._stretch(given_db)
        self.gate_db = given_db[round(100 * _LOUD_SHARE)] - GATE_DEPTH_DB
        self._given_db = np.concatenate([[_FLOOR_DB], given_db])
        self._wanted_db = np.maximum(
            np.concatenate([[self.silence_db], wanted_db]), self.silence_db
        )
        self._settle_background()

    def _settle_background(self) -> None:
        softest_db = self._given_db[1] - _BELOW_NOTES_DB
        self._given_db[0] = min(self._rest_db, softest_db)

    def _mixed(self) -> np.ndarray:
        """Share of notes below each edge: of those heard, and of those expected."""
        edges, heard = self._notes.edges, self._notes.cumulative()
        n_heard = self._notes.total
        faded = n_heard / (_PRIOR_FADED_S * self._rate)
        n_expected = _PRIOR_S * self._rate * max(0.0, 1 - faded)
        if not n_expected:
            return heard / heard[-1]
        middle_db = self._expected_db[50]
        moved_db = 0.0
        if n_heard:
            heard_db = _quantile(heard / heard[-1], edges, 0.5)
            trust = n_heard / (n_heard + _PLACE_S * self._rate)
            moved_db = trust * (heard_db - middle_db)
        expected = np.interp(
            edges, self._expected_db + moved_db, _QUANTILES, left=0.0, right=1.0
        )
        return (heard + n_expected * expected) / (heard[-1] + n_expected)

    def _stretch(self, given_db: np.ndarray) -> np.ndarray:
        if self._learned_db is None:
            return given_db
        span_db = self._learned_db[-1] - self._learned_db[0]
        allowed_db = _MAX_STRETCH * (given_db[-1] - given_db[0])
        middle_db = self._learned_db[50]
        share = min(1.0, allowed_db / max(span_db, 1e-6))
        return middle_db + (self._learned_db - middle_db) * share


class OctaveChoice:
    """Chooses by how many octaves to move a sound, from the pitches heard so far."""

    def __init__(
        self,
        statistics: personality_pb2.Statistics,
        *,
        spec: AudioSpec,
        octave: int | None,
    ) -> None:
        """Expects nothing.

        Args:
          statistics: What the voice learned; without pitch in it, nothing is moved.
          spec: The clock of the frames.
          octave: Chosen once for all; None: from what is heard.
        """
        self.octaves = octave or 0
        learned_range = settle_pitch_range(statistics)
        self._is_fixed = octave is not None or learned_range is None
        low, high = learned_range or (0.0, 127.0)
        self._heard = RunningHistogram(
            *_PITCHES_MIDI, memory=_MEMORY_S * spec.frame_rate
        )
        edges = self._heard.edges
        self._middles = (edges[:-1] + edges[1:]) / 2
        self._shifts = np.arange(-MAX_OCTAVES, MAX_OCTAVES + 1)
        moved = self._middles + 12.0 * self._shifts[:, None]
        # Semitones outside what was learned, by shift and pitch.
        self._outside = np.maximum(low - moved, 0) + np.maximum(moved - high, 0)

    def hear(self, pitch_midi: float) -> None:
        """Learns from a voiced frame."""
        self._heard.add(pitch_midi)

    def choose(self) -> int:
        """Chooses where a note begins: the octave kept, or one that suits by a semitone better."""
        if self._is_fixed or not self._heard.total:
            return self.octaves
        costs = self._costs()
        best = min(
            range(len(costs)), key=lambda i: (*costs[i], abs(int(self._shifts[i])))
        )
        kept = int(np.flatnonzero(self._shifts == self.octaves)[0])
        if _is_better(costs[best], costs[kept]):
            self.octaves = int(self._shifts[best])
        return self.octaves

    def _costs(self) -> list[tuple[float, float]]:
        """By shift: semitones outside of the middle pitch, and of all on the average."""
        below = self._heard.cumulative()
        middle = int(np.searchsorted(below[1:], below[-1] / 2))
        mean = self._outside @ self._heard.counts / self._heard.total
        return [
            (round(float(outside[middle]), 3), round(float(average), 3))
            for outside, average in zip(self._outside, mean, strict=True)
        ]


def _is_better(one: tuple[float, float], other: tuple[float, float]) -> bool:
    if one[0] <= other[0] - MIN_GAIN_SEMITONES:
        return True
    return one[0] <= other[0] and one[1] <= other[1] - MIN_GAIN_SEMITONES


def _spread(quantiles: Sequence[float]) -> np.ndarray:
    """Quantiles at each hundredth. Shape [101]."""
    return np.interp(_QUANTILES, np.linspace(0, 1, len(quantiles)), quantiles)


def _rising(below: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of a cumulative share that goes from 0 to 1."""
    first = max(0, int(np.searchsorted(below, 0.0, side="right")) - 1)
    last = int(np.searchsorted(below, 1.0 - 1e-9)) + 1
    return below[first:last], edges[first:last]


def _quantile(below: np.ndarray, edges: np.ndarray, share: float) -> float:
    return float(np.interp(share, *_rising(below, edges)))
