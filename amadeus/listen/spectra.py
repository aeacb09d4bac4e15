"""What the spectrum tells of a passage: several notes at once, background noise, bandwidth.

Conventions: power spectra of Hann windows of 2048 samples at 16 kHz (128 ms, so that partials 31 Hz
apart are told apart) every 40 ms; shape [n_frames, N_BINS], frame i centred on sample 640 i. Levels
are relative, so that no calibration is needed.
"""

import numpy as np

SAMPLE_RATE = 16_000
HOP_SIZE = 640
N_FFT = 2_048
N_BINS = N_FFT // 2 + 1
BIN_HZ = SAMPLE_RATE / N_FFT

_TONAL_RANGE_HZ = (60.0, 4_000.0)  # above, partials of one note drift from the series
_TONAL_ABOVE_FLOOR_DB = (
    12.0  # a peak this far above its surroundings is a partial, not noise
)
_PARTIAL_TOLERANCE = (
    0.03  # of a partial's frequency: half a semitone, stretched strings included
)
_PARTIAL_RANGE_DB = 20.0  # strong partials, below the strongest of loud moments
_STAYS_FRAMES = 8
_LONGEST_DECAY_FRAMES = 50
_QUIET_SHARE = 0.1  # of the time, a bin holds nothing but background
_EXPONENTIAL_DECILE = (
    0.105  # of the mean: where a tenth of exponentially distributed powers lie below
)


def power_spectra(audio: np.ndarray) -> np.ndarray:
    """Computes power spectra of a passage at 16 kHz; see the module's conventions."""
    n_frames = len(audio) // HOP_SIZE + 1
    padded = np.pad(audio, (N_FFT // 2, N_FFT))
    windows = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP_SIZE]
    shape = np.hanning(N_FFT + 1)[:-1].astype(np.float32)
    spectra = np.fft.rfft(windows[:n_frames] * shape)
    return (np.square(spectra.real) + np.square(spectra.imag)).astype(np.float32)


def foreign_share(power: np.ndarray, f0_hz: np.ndarray) -> np.ndarray:
    """Measures how much tonal power lies outside of the harmonic series of the tracked pitch.

    One note leaves nothing, whatever its timbre; a second note leaves its own partials. Noise
    has no partials and counts for neither.

    Args:
      power: Shape [n_frames, N_BINS].
      f0_hz: Tracked pitch. Shape [n_frames].

    Returns:
      Power of foreign partials over that of all peaks, in [0, 1]; NaN where less than a tenth
      of the power is tonal. Shape [n_frames].
    """
    low, high = (round(edge / BIN_HZ) for edge in _TONAL_RANGE_HZ)
    log_power = np.log(power[:, : high + 60] + 1e-20)
    floor = _running_mean(log_power, 41)
    centre = slice(low, high)
    level, left, right = (
        log_power[:, low:high],
        log_power[:, low - 1 : high - 1],
        log_power[:, low + 1 : high + 1],
    )
    is_peak = (level > left) & (level >= right)
    is_partial = is_peak & (
        level > floor[:, centre] + _TONAL_ABOVE_FLOOR_DB * np.log(10) / 10
    )
    # Parabola through three bins of the logarithm: the peak's frequency within a tenth of a bin.
    curve = np.minimum(left - 2 * level + right, -1e-6)
    peak_hz = (
        np.arange(low, high) + np.clip((left - right) / curve / 2, -0.5, 0.5)
    ) * BIN_HZ
    nearest = np.maximum(1, np.round(peak_hz / f0_hz[:, None])) * f0_hz[:, None]
    tolerance_hz = np.maximum(1.5 * BIN_HZ, _PARTIAL_TOLERANCE * peak_hz)
    is_foreign = is_partial & (np.abs(peak_hz - nearest) > tolerance_hz)
    peaks = np.where(is_peak, power[:, centre], 0).sum(axis=1) + 1e-20
    partials = np.where(is_partial, power[:, centre], 0).sum(axis=1)
    foreign = np.where(is_foreign, power[:, centre], 0).sum(axis=1)
    return np.where(partials > 0.1 * peaks, foreign / peaks, np.nan)


def background_power(power: np.ndarray) -> float:
    """Estimates the steady background of a passage, also where no pause lets it be heard alone.

    Every bin holds a partial at some times only; what it holds in its quietest tenth is
    background. Bins that a lasting note fills are outvoted by their neighbours.

    Returns:
      Power summed over bins, comparable with `power.sum(axis=1)`.
    """
    quiet = np.percentile(power, 100 * _QUIET_SHARE, axis=0) / _EXPONENTIAL_DECILE
    starts = np.arange(
        12, N_BINS - 32, 32
    )  # from 94 Hz: below lie footsteps and traffic
    return float(sum(32 * np.percentile(quiet[s : s + 32], 40) for s in starts))


def partial_decays_s(power: np.ndarray) -> np.ndarray:
    """Measures how long partials take to fall by 20 dB where they end.

    A room's echo lets no partial end quicker, whatever the instrument does, and partials end
    with every change of note, so that legato tells of the room as well as pauses do.

    Args:
      power: Of one passage. Shape [n_frames, N_BINS].

    Returns:
      One time in seconds for every ending; ends that the passage cuts off are left out, and those
      that last longer than 2 s count as 2 s. Shape [n_endings].
    """
    low, high = (round(edge / BIN_HZ) for edge in _TONAL_RANGE_HZ)
    if len(power) <= _STAYS_FRAMES + 2:
        return np.zeros(0)
    level = 10 * np.log10(power[:, low:high] + 1e-12)
    # The highest level of the 0.3 s to come: vibrato also leaves a bin, but comes back.
    ahead = np.lib.stride_tricks.sliding_window_view(level, _STAYS_FRAMES, axis=0)
    ahead = ahead.max(axis=-1)  # [n_frames - _STAYS_FRAMES + 1, n_bins]
    threshold_db = np.percentile(level.max(axis=1), 75) - _PARTIAL_RANGE_DB
    ends = (level[: len(ahead) - 1] > threshold_db) & (ahead[1:] < threshold_db)
    frames, bins = np.nonzero(ends)
    start_db = level[frames, bins]
    decays_s = np.full(len(frames), np.nan)
    for n_frames in range(1, min(_LONGEST_DECAY_FRAMES, len(ahead))):
        later = frames + n_frames
        is_inside = later < len(ahead)
        fallen = ahead[np.minimum(later, len(ahead) - 1), bins] < start_db - 20
        decays_s[np.isnan(decays_s) & is_inside & fallen] = (
            n_frames * HOP_SIZE / SAMPLE_RATE
        )
    is_cut_off = frames + _LONGEST_DECAY_FRAMES >= len(ahead)
    longest_s = _LONGEST_DECAY_FRAMES * HOP_SIZE / SAMPLE_RATE
    known = decays_s[~(np.isnan(decays_s) & is_cut_off)]
    return np.nan_to_num(known, nan=longest_s)


def _running_mean(values: np.ndarray, width: int) -> np.ndarray:
    padded = np.pad(values, ((0, 0), (width // 2 + 1, width // 2)), mode="edge")
    sums = np.cumsum(padded, axis=1, dtype=np.float64)
    return (sums[:, width:] - sums[:, :-width]) / width
