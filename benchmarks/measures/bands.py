"""How much of a sound lies in which part of the spectrum: whether a voice of a high rate has anything up there."""

import itertools
from collections.abc import Iterable

import numpy as np

EDGES_HZ = (0, 1_000, 2_000, 4_000, 8_000, 12_000, 16_000, 20_000)
REFERENCE_RATE = 16_000  # Hz; voices above it are worth a look
_FRAME_SIZE = 4_096


def band_levels_db(sounds: Iterable[np.ndarray], *, sample_rate: int) -> np.ndarray:
    """Measures mean power between neighbouring `EDGES_HZ`, in dB of a full-scale sample; NaN above Nyquist.

    Args:
      sounds: Each of shape [n_samples].
      sample_rate: In Hz.
    """
    power, n_samples = np.zeros(_FRAME_SIZE // 2 + 1), 0
    window = np.hanning(_FRAME_SIZE + 1)[:-1]
    for sound in sounds:
        whole = len(sound) // _FRAME_SIZE * _FRAME_SIZE
        frames = np.asarray(sound[:whole], np.float64).reshape(-1, _FRAME_SIZE)
        spectra = np.abs(np.fft.rfft(frames * window)) ** 2
        power += 2 * spectra.sum(axis=0) / np.sum(window**2)
        n_samples += whole
    hz = np.fft.rfftfreq(_FRAME_SIZE, 1 / sample_rate)
    levels = [
        10
        * np.log10(power[(hz >= low) & (hz < high)].sum() / max(1, n_samples) + 1e-20)
        if low < sample_rate / 2
        else np.nan
        for low, high in itertools.pairwise(EDGES_HZ)
    ]
    return np.array(levels)


def print_table(systems: dict[str, np.ndarray]) -> None:
    """Prints one row a band and one column a system; bands that none can have are left out."""
    print(
        f"\n{'level of the band, dB':24}" + "".join(f"{name:>12}" for name in systems)
    )
    for i, (low, high) in enumerate(itertools.pairwise(EDGES_HZ)):
        if all(np.isnan(levels[i]) for levels in systems.values()):
            continue
        cells = "".join(f"{levels[i]:12.1f}" for levels in systems.values())
        print(f"{f'{low / 1000:g} to {high / 1000:g} kHz':24}{cells}")
