"""Where a sound is silent, and how loud another one is there."""

import numpy as np

from amadeus.features.voicing import runs

SILENCE_DBFS = -70.0
MIN_SILENCE_S = 0.3
FLOOR_DBFS = -120.0

_BLOCK_S = 0.01
_EDGE_S = 0.02  # in which a voice may still fall silent or already begin


def silent_stretches(
    audio: np.ndarray,
    *,
    sample_rate: int,
    below_dbfs: float = SILENCE_DBFS,
    min_duration_s: float = MIN_SILENCE_S,
) -> list[tuple[int, int]]:
    """Lists where a sound stays below a level, both edges trimmed by 20 ms.

    Args:
      audio: In [-1, 1]. Shape [n_samples].
      sample_rate: In Hz.
      below_dbfs: RMS level of blocks of 10 ms, 0 dBFS being that of a full-scale square wave.
      min_duration_s: Shorter stretches are passed over.

    Returns:
      (first sample, sample after the last) of each stretch.
    """
    block = max(1, round(_BLOCK_S * sample_rate))
    n_blocks = len(audio) // block
    power = np.square(np.asarray(audio[: n_blocks * block], np.float64))
    silent = power.reshape(n_blocks, block).mean(axis=1) < 10 ** (below_dbfs / 10)
    edge = round(_EDGE_S * sample_rate)
    return [
        (start * block + edge, end * block - edge)
        for start, end in runs(silent)
        if (end - start) * block >= min_duration_s * sample_rate
    ]


def level_dbfs(audio: np.ndarray) -> float:
    """Measures the RMS level of a sound in dBFS, at least -120."""
    power = (
        float(np.mean(np.square(np.asarray(audio, np.float64)))) if len(audio) else 0.0
    )
    return float(10 * np.log10(max(power, 10 ** (FLOOR_DBFS / 10))))
