"""The features of a sound, and what a pitch tracker must offer.

Conventions: frame i is centred on sample `i * hop_size`; `n_frames = n_samples // hop_size + 1`.
"""

from typing import NamedTuple, Protocol

import numpy as np

from amadeus.audio import AudioSpec


class Features(NamedTuple):
    """What training, evaluation and timbre transfer know of a sound.

    Attributes:
      f0_hz: Fundamental frequency in Hz, always positive: unvoiced frames hold a pitch
        interpolated between their voiced neighbours. Float32, shape [n_frames].
      f0_confidence: How sure the tracker is, in [0, 1]. Float32, shape [n_frames].
      loudness_db: Loudness in dB by the profile's weighting, at least -80. Float32, shape [n_frames].
    """

    f0_hz: np.ndarray
    f0_confidence: np.ndarray
    loudness_db: np.ndarray


class Pitch(NamedTuple):
    """What a pitch tracker found, frame by frame.

    Attributes:
      f0_hz: Fundamental frequency in Hz, positive. Float32, shape [n_frames].
      f0_confidence: How sure the tracker is, in [0, 1]. Float32, shape [n_frames].
    """

    f0_hz: np.ndarray
    f0_confidence: np.ndarray


class PitchTracker(Protocol):
    """Finds the pitch of a monophonic sound."""

    def track(
        self,
        audio: np.ndarray,
        *,
        spec: AudioSpec,
        f0_min_hz: float,
        f0_max_hz: float,
    ) -> Pitch:
        """Tracks pitch on the frames of `spec`.

        Args:
          audio: In [-1, 1]. Shape [n_samples].
          spec: The clock of `audio` and of the frames.
          f0_min_hz: Lowest pitch that may be reported.
          f0_max_hz: Highest pitch that may be reported.

        Returns:
          Pitch, arrays of shape [n_frames].
        """
        ...
