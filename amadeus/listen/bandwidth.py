"""How far up a recording holds sound, whatever its sample rate promises.

A file of 48 kHz made from one of 16 kHz has 24 kHz of room and 8 kHz of sound; an mp3 ends where
its encoder cut. What lies above is empty but for rounding: a voice cannot learn it.

Conventions: long-term spectra in bands of 100 Hz, power of a band over that of a full-scale sine, dB.
"""

import math

import numpy as np

BAND_HZ = 100.0

_WINDOW_S = 0.06
_EVERY_S = 0.1  # one window in this time: enough for a long-term spectrum
_N_AT_ONCE = 256  # windows; bounds memory
_LOUD_PERCENT = 95  # of the windows: a click does not make a bandwidth
_RANGE_DB = 80.0  # below the strongest band: inaudible beside it
_ROUNDING_DB = (
    -112.0
)  # a band of 16 bit rounding reaches -115 dB at 48 kHz, -111 at 16 kHz
_EDGE_DB = 12.0  # all above a filter's edge lies this far below all just under it
_EMPTY_DB = 60.0  # and this far below the strongest band: partials fall steeply too
_EDGE_SHARES = (
    0.9,
    0.97,
    1.03,
)  # of its frequency: just under from, to, and above from
_LOWEST_EDGE_HZ = 1_000.0


def content_bandwidth_hz(audio: np.ndarray, *, sample_rate: int) -> float:
    """Measures up to which frequency a recording holds sound.

    Args:
      audio: In [-1, 1]. Shape [n_samples] or [n_samples, n_channels].
      sample_rate: In Hz.

    Returns:
      Frequency in Hz, half the sample rate where nothing is missing; NaN for silence.
    """
    meter = BandwidthMeter(sample_rate=sample_rate)
    meter.add(audio)
    return meter.bandwidth_hz()


class BandwidthMeter:
    """Hears a recording block by block and keeps a thin sample of its spectra.

    Memory grows by 1 kB (at 48 kHz) with every 0.1 s that sounds: 35 MB an hour.
    """

    def __init__(self, *, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._n_window = 1 << round(math.log2(_WINDOW_S * sample_rate))
        self._every = max(self._n_window, round(_EVERY_S * sample_rate))
        self._window = np.blackman(self._n_window).astype(np.float32)
        self._spectra: list[np.ndarray] = []

    def add(self, audio: np.ndarray) -> None:
        """Hears a block. Shape [n_samples] or [n_samples, n_channels]."""
        for channel in np.atleast_2d(audio.T):
            if len(channel) < self._n_window:
                channel = np.pad(channel, (0, self._n_window - len(channel)))
            windows = np.lib.stride_tricks.sliding_window_view(channel, self._n_window)
            windows = windows[:: self._every]
            for start in range(0, len(windows), _N_AT_ONCE):
                self._measure(windows[start : start + _N_AT_ONCE])

    def bandwidth_hz(self) -> float:
        """Returns up to which frequency there was sound; NaN where none was heard."""
        if not self._spectra:
            return math.nan
        level_db = self.bands_db()
        n_bands = min(_occupied(level_db), _under_edge(level_db))
        return min(n_bands * BAND_HZ, self._sample_rate / 2)

    def bands_db(self) -> np.ndarray:
        """Returns the level that each band reaches in loud moments. Shape [n_bands]."""
        n_bands = math.ceil(self._sample_rate / 2 / BAND_HZ)
        if not self._spectra:
            return np.full(n_bands, -np.inf)
        power = np.concatenate(self._spectra)
        return 10 * np.log10(np.percentile(power, _LOUD_PERCENT, axis=0) + 1e-20)

    def _measure(self, windows: np.ndarray) -> None:
        windows = windows[
            np.max(np.abs(windows), axis=1) > 1e-4
        ]  # silence tells nothing
        if not len(windows):
            return
        spectra = np.fft.rfft(windows * self._window)
        power = (np.square(spectra.real) + np.square(spectra.imag))[:, :-1]
        power *= 4 / float(self._window.sum()) ** 2  # a full-scale sine is 1
        edges = np.arange(0, self._sample_rate / 2, BAND_HZ) * self._n_window
        bins = np.round(edges / self._sample_rate).astype(int)
        self._spectra.append(np.add.reduceat(power, bins, axis=1).astype(np.float32))


def _occupied(level_db: np.ndarray) -> int:
    """Counts bands up to the highest that can be heard beside the strongest."""
    floor_db = max(level_db.max() - _RANGE_DB, _ROUNDING_DB)
    heard = np.flatnonzero(_median_of_three(level_db) > floor_db)
    return int(heard.max(initial=0)) + 1


def _under_edge(level_db: np.ndarray) -> int:
    """Counts bands up to where a filter cut, whatever noise was added later; all without a cut."""
    level_db = _median_of_three(level_db)
    best, n_bands = _EDGE_DB, len(level_db)
    for edge in range(round(_LOWEST_EDGE_HZ / BAND_HZ), len(level_db)):
        low, high, above = (round(share * edge) for share in _EDGE_SHARES)
        if above >= len(level_db):
            break
        rest_db = level_db[above:].max()
        drop_db = level_db[low:high].min() - rest_db
        if drop_db > best and rest_db < level_db.max() - _EMPTY_DB:
            best, n_bands = drop_db, edge
    return n_bands


def _median_of_three(level_db: np.ndarray) -> np.ndarray:
    padded = np.pad(level_db, 1, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 3)
    return np.asarray(np.median(windows, axis=1))
