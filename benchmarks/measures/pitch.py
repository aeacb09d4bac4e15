"""How far the pitch of a resynthesis is from its original's, with CREPE full as the judge.

The judge sees both sounds at 16 kHz, 100 frames a second, smoothed by its own Viterbi search. Only frames
count in which it is sure of the ORIGINAL's pitch (0.85, as in `ddsp.training.metrics`). A frame more than
half an octave off is an outlier; ddsp counts whole excerpts of 4 s that are more than an octave off on
average, which hides slips by an octave. CREPE is slow, so excerpts are judged that are spread evenly over
the sound, and its answers are kept on disk under a digest of what it heard.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.features.types import Pitch, PitchTracker

SURE = 0.85
OUTLIER_SEMITONES = 6.0
EXCERPT_S = 2.0
JUDGE_SPEC = AudioSpec(sample_rate=16_000, frame_rate=100)
F0_RANGE_HZ = (32.703, 1975.5)  # all that CREPE knows

_CACHE_VERSION = b"crepe full, viterbi, 16000/100, 1"


class PitchErrors(NamedTuple):
    """Errors of pitch.

    Attributes:
      semitones: Mean distance in frames that are no outliers; NaN where there are none.
      all_semitones: Mean distance in all frames.
      outlier_ratio: Share of the frames more than half an octave off.
      n_frames: Frames that the judge is sure of.
    """

    semitones: float
    all_semitones: float
    outlier_ratio: float
    n_frames: int


class Judge:
    """CREPE full, which remembers what it has heard before."""

    def __init__(
        self, cache_path: Path | None = None, tracker: PitchTracker | None = None
    ) -> None:
        """Loads nothing yet.

        Args:
          cache_path: Folder for its answers; None keeps none.
          tracker: Another judge, for tests; it shares no cache with CREPE.
        """
        self._cache_path = cache_path if tracker is None else None
        self._tracker = tracker

    def hear(self, audio: np.ndarray) -> Pitch:
        """Tracks the pitch of a sound at 16 kHz. Shapes [n_frames]."""
        audio = np.ascontiguousarray(audio, np.float32)
        digest = hashlib.sha256(_CACHE_VERSION + audio.tobytes()).hexdigest()
        path = self._cache_path and self._cache_path / f"{digest[:32]}.npy"
        if path and path.exists():
            return Pitch(*np.load(path))
        pitch = self._track(audio)
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, np.stack(pitch))
        return pitch

    def _track(self, audio: np.ndarray) -> Pitch:
        if self._tracker is None:
            from amadeus.features.crepe import CrepeTracker

            self._tracker = CrepeTracker("full", viterbi=True)
        low_hz, high_hz = F0_RANGE_HZ
        return self._tracker.track(
            audio, spec=JUDGE_SPEC, f0_min_hz=low_hz, f0_max_hz=high_hz
        )


def compare_pitch(
    originals: Sequence[np.ndarray],
    answers: Sequence[np.ndarray],
    *,
    judge: Judge,
    limit_s: float,
) -> PitchErrors | None:
    """Compares the pitch of sounds at 16 kHz with that of their answers.

    Args:
      originals: Each of shape [n_samples].
      answers: Each aligned with its original.
      judge: Who hears.
      limit_s: Sound to judge at most, spread evenly.

    Returns:
      None where the judge is sure of no frame.
    """
    distances = []
    for number, start, end in spread_excerpts([len(a) for a in originals], limit_s):
        truth = judge.hear(originals[number][start:end])
        found = judge.hear(answers[number][start:end])
        n_frames = min(len(truth.f0_hz), len(found.f0_hz))
        sure = truth.f0_confidence[:n_frames] >= SURE
        ratio = found.f0_hz[:n_frames][sure] / truth.f0_hz[:n_frames][sure]
        distances.append(12 * np.abs(np.log2(ratio)))
    semitones = np.concatenate(distances) if distances else np.zeros(0)
    if not len(semitones):
        return None
    is_outlier = semitones > OUTLIER_SEMITONES
    near = semitones[~is_outlier]
    return PitchErrors(
        float(near.mean()) if len(near) else float("nan"),
        float(semitones.mean()),
        float(is_outlier.mean()),
        len(semitones),
    )


def spread_excerpts(
    lengths: Sequence[int], limit_s: float
) -> list[tuple[int, int, int]]:
    """Chooses excerpts of 2 s, evenly over all sounds together.

    Args:
      lengths: Samples of each sound at 16 kHz.
      limit_s: Sound to choose at most.

    Returns:
      (number of the sound, first sample, sample after the last) of each; they do not overlap.
    """
    size = round(EXCERPT_S * JUDGE_SPEC.sample_rate)
    pieces = [
        (number, start, min(start + size, length))
        for number, length in enumerate(lengths)
        for start in range(0, length, size)
    ]
    n_wanted = max(1, int(limit_s / EXCERPT_S))
    if len(pieces) <= n_wanted:
        return pieces
    picks = (np.arange(n_wanted) + 0.5) * len(pieces) / n_wanted
    return [pieces[int(pick)] for pick in picks]
