"""Finds the vibrato of a note in its pitch: rate, depth and when it sets in."""

from typing import NamedTuple

import numpy as np

from amadeus.audio import AudioSpec

MIN_NOTE_S = 0.5  # two and a half periods of slow vibrato

_RATE_HZ = (3.5, 9.0)  # where players' vibrato lies
_BAND_HZ = (2.5, 14.0)  # against which its strength is judged
_LOBE_HZ = 1.2
_MIN_SHARE = 0.5  # of the band's energy lies around the rate
_MIN_DEPTH_CENTS = 8.0  # below that, pitch trackers tremble by themselves
_EDGE_S = 0.05  # left out at either end, where pitch slides in and out


class Vibrato(NamedTuple):
    """A regular wave of the pitch.

    Attributes:
      rate_hz: Waves per second.
      depth_cents: Half of peak to peak.
      delay_s: Time from the first frame of the note until half of the depth is reached.
    """

    rate_hz: float
    depth_cents: float
    delay_s: float


def find_vibrato(pitch_midi: np.ndarray, *, spec: AudioSpec) -> Vibrato | None:
    """Finds vibrato in the pitch of one note.

    Args:
      pitch_midi: Of every frame of the note. Shape [n_frames].
      spec: The clock of the frames.

    Returns:
      Vibrato, or None where there is none or the note is shorter than 0.5 s.
    """
    edge = round(_EDGE_S * spec.frame_rate)
    if len(pitch_midi) < MIN_NOTE_S * spec.frame_rate:
        return None
    cents = _detrend(100.0 * pitch_midi[edge : len(pitch_midi) - edge])
    rate_hz = _find_rate(cents, spec.frame_rate)
    if rate_hz is None:
        return None
    depths = _demodulate(cents, rate_hz, spec.frame_rate)
    depth_cents = float(np.median(depths[depths >= depths.max() / 2]))
    if depth_cents < _MIN_DEPTH_CENTS:
        return None
    onset = int(np.argmax(depths >= depth_cents / 2))
    # What already swings when looking begins has no delay.
    delay_s = (onset + edge) / spec.frame_rate if onset else 0.0
    return Vibrato(rate_hz, depth_cents, delay_s)


def _detrend(cents: np.ndarray) -> np.ndarray:
    """Takes the slow bend of a note away."""
    time = np.linspace(-1.0, 1.0, len(cents))
    bend = np.polynomial.Polynomial.fit(time, cents, 2)(time)
    return np.asarray(cents - bend)


def _find_rate(cents: np.ndarray, frame_rate: int) -> float | None:
    size = 8 * len(cents)  # fine enough for a parabola through the peak
    power = np.abs(np.fft.rfft(cents * np.hanning(len(cents)), size)) ** 2
    frequencies = np.fft.rfftfreq(size, 1 / frame_rate)
    band = (frequencies >= _BAND_HZ[0]) & (frequencies <= _BAND_HZ[1])
    peak = int(np.argmax(power * band))
    if not _RATE_HZ[0] <= frequencies[peak] <= _RATE_HZ[1]:
        return None
    lobe_hz = max(_LOBE_HZ, 2 * frame_rate / len(cents))  # the window's own width
    lobe = band & (np.abs(frequencies - frequencies[peak]) <= lobe_hz)
    if power[lobe].sum() < _MIN_SHARE * power[band].sum():
        return None
    return float(frequencies[peak])


def _demodulate(cents: np.ndarray, rate_hz: float, frame_rate: int) -> np.ndarray:
    """Measures the depth around every frame, through a window of two waves."""
    time = np.arange(len(cents)) / frame_rate
    wave = cents * np.exp(-2j * np.pi * rate_hz * time)
    window = np.hanning(round(2 * frame_rate / rate_hz) + 2)[1:-1]
    window = window[: len(cents)]
    weight = np.convolve(np.ones(len(cents)), window, mode="same")
    return 2 * np.abs(np.convolve(wave, window, mode="same")) / weight
