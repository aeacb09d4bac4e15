"""The loudness a voice was taught, beyond which it does not trust its network."""

from collections.abc import Sequence

import numpy as np

from amadeus.features.voicing import signed_f0
from amadeus.voice.model import MAX_LOUDNESS_DB, MIN_LOUDNESS_DB
from amadeus.voice.sampler import Passage

MIN_FRAMES = 50  # fewer tell nothing of a range
SOFTEST_SHARE, LOUDEST_SHARE = (
    0.01,
    0.999,
)  # of the frames; what is beyond is too rare to be learned


def find_reach(
    passages: Sequence[Passage], *, f0_confidence_threshold: float
) -> np.ndarray:
    """Measures the loudness of what is to be learned.

    Returns:
      Softest and loudest in dB, of unvoiced and of voiced frames; all there is where frames are few. Float32,
      shape [2, 2].
    """
    loudness_db = np.concatenate([p.features.loudness_db for p in passages])
    voiced = np.concatenate(
        [signed_f0(p.features, threshold=f0_confidence_threshold) > 0 for p in passages]
    )
    return np.stack([_range(loudness_db[~voiced]), _range(loudness_db[voiced])])


def _range(loudness_db: np.ndarray) -> np.ndarray:
    if len(loudness_db) < MIN_FRAMES:
        return np.array([MIN_LOUDNESS_DB, MAX_LOUDNESS_DB], np.float32)
    shares = [SOFTEST_SHARE, LOUDEST_SHARE]
    return np.quantile(loudness_db, shares).astype(np.float32)
