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
_TRACKED_HZ = (46.0, 2_100.0)  # what pitch trackers know
_LOWEST_HZ = 25.0
_PERIODIC = (
    0.85  # autocorrelation of a steady note after one period; white noise is near 0
)
_BEFORE_SHARE = 0.9  # no shorter period is nearly as good
_RUMBLE_HZ = 60.0
_LOW_PARTIALS, _LOW_SHARE = (
    5.5,
    0.2,
)  # from there to its fifth partial, this share of power
_HIGH_SHARE = 0.9  # of the power of a high note lies above what trackers know
_LINE_SHARE = 0.4  # and this much in its strongest partial
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


def extreme_pitch_hz(power: np.ndarray) -> np.ndarray:
    """Finds pitches below and above those that pitch trackers know.

    Args:
      power: Of frames in which a tracker found no pitch. Shape [n_frames, N_BINS].

    Returns:
      Pitch in Hz; NaN where there is none, or none so low or high. Shape [n_frames].
    """
    low_hz, high_hz = _TRACKED_HZ
    pitch_hz = np.full(len(power), np.nan)
    if not len(power):
        return pitch_hz
    bins_hz = np.arange(N_BINS) * BIN_HZ
    total = power.sum(axis=1) + 1e-20
    first_high = round(high_hz / BIN_HZ)
    peak = first_high + np.argmax(power[:, first_high:-2], axis=1)
    line = sum(power[np.arange(len(power)), peak + shift] for shift in (-1, 0, 1))
    is_high = power[:, first_high:].sum(axis=1) > _HIGH_SHARE * total
    is_high &= line > _LINE_SHARE * total
    pitch_hz[is_high] = peak[is_high] * BIN_HZ
    alike = np.fft.irfft(power)[:, : round(SAMPLE_RATE / _LOWEST_HZ) + 1]
    window = np.fft.irfft(np.square(np.abs(np.fft.rfft(np.hanning(N_FFT), 2 * N_FFT))))
    alike = alike / (alike[:, :1] + 1e-20) / (window[: alike.shape[1]] / window[0])
    longest = round(SAMPLE_RATE / low_hz)
    shortest = round(SAMPLE_RATE / 1_000)
    lags = longest + np.argmax(alike[:, longest:], axis=1)
    best = alike[np.arange(len(alike)), lags]
    before = alike[:, shortest:longest].max(axis=1)
    is_low = (best > _PERIODIC) & (before < _BEFORE_SHARE * best)
    low_pitch_hz = SAMPLE_RATE / lags
    # A rumble has no partials there, and a flutter, as periodic as a low note, has its own higher.
    below = (bins_hz > _RUMBLE_HZ) & (bins_hz < _LOW_PARTIALS * low_pitch_hz[:, None])
    is_low &= (power * below).sum(axis=1) > _LOW_SHARE * total
    pitch_hz[is_low] = low_pitch_hz[is_low]
    return pitch_hz


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
