"""What a voice does when it is asked for something that no recording holds: a probe of its own laws.

A voice is a function from f0_hz (not positive where unvoiced) and loudness_db, both [n_frames], to
audio [n_frames * hop_size].

Folding. A harmonic k of a steady f0 that lies above Nyquist would be heard at sample_rate - k * f0. With
f0 = sample_rate / (m + 1/2) all such places lie exactly half-way between the true harmonics, where
nothing else of a harmonic sound can be, and what noise there is shows a quarter off as well. So a
stair of rising pitches of this kind tells folded energy from noise and from the tone, and knows nothing
of phases or delays. On each step, energy half-way counts that exceeds the noise by four times the
spread that noise itself has.
"""

from collections.abc import Callable

import numpy as np
from scipy import signal

from amadeus.audio import AudioSpec
from amadeus.features.silence import level_dbfs

Play = Callable[[np.ndarray, np.ndarray], np.ndarray]

SILENT_DB = -80.0  # what a voice is told where nothing shall sound
NOTE_S, REST_S = 1.0, 2.0

_STEP_S = 0.6
_HEARD_S = 0.4  # of a step, from its end
_FLOOR_DB = -100.0
_LOBE_BINS = 4  # half the main lobe of a Blackman-Harris window
_FREE_BINS = 4  # of a main lobe are independent of each other, about
_SIGMAS = 4.0


def probe_silence(
    play: Play, *, spec: AudioSpec, f0_hz: float, loudness_db: float
) -> float:
    """Plays a note and a rest of 2 s; measures the level of the rest's second half in dBFS.

    By then a learned reverb of 1 s has rung out, so all that is heard is what the voice adds to silence.
    """
    n_note, n_rest = round(NOTE_S * spec.frame_rate), round(REST_S * spec.frame_rate)
    pitches = np.repeat([f0_hz, -f0_hz], [n_note, n_rest]).astype(np.float32)
    levels = np.repeat([loudness_db, SILENT_DB], [n_note, n_rest]).astype(np.float32)
    audio = play(pitches, levels)
    return level_dbfs(audio[-(n_rest * spec.hop_size // 2) :])


def probe_folding(
    play: Play,
    *,
    spec: AudioSpec,
    f0_range_hz: tuple[float, float],
    loudness_db: float,
    n_steps: int = 12,
) -> float:
    """Plays a stair of rising pitches; measures the energy folded back at Nyquist.

    Args:
      play: The voice.
      spec: Its clock.
      f0_range_hz: Where the stair begins and ends.
      loudness_db: Of all steps.
      n_steps: Steps at most.

    Returns:
      Folded power over that of the true harmonics, in dB; -100 where none stands out of the voice's noise.
    """
    steps_hz = folding_steps(spec.sample_rate, f0_range_hz, n_steps)
    n_frames = round(_STEP_S * spec.frame_rate)
    pitches = np.repeat(steps_hz, n_frames).astype(np.float32)
    audio = play(pitches, np.full(len(pitches), loudness_db, np.float32))
    true_power = folded_power = 0.0
    for number, f0_hz in enumerate(steps_hz):
        end = (number + 1) * n_frames * spec.hop_size
        heard = audio[end - round(_HEARD_S * spec.sample_rate) : end]
        harmonics, folded = _powers(heard, float(f0_hz), spec.sample_rate)
        true_power += harmonics
        folded_power += folded
    ratio = folded_power / max(true_power, 1e-20)
    return float(10 * np.log10(max(ratio, 10 ** (_FLOOR_DB / 10))))


def folding_steps(
    sample_rate: int, f0_range_hz: tuple[float, float], n_steps: int
) -> np.ndarray:
    """Lists pitches sample_rate / (m + 1/2), rising evenly over a range. Shape [at most n_steps]."""
    low_hz, high_hz = f0_range_hz
    wanted = np.geomspace(low_hz, high_hz, n_steps)
    return np.unique(sample_rate / (np.rint(sample_rate / wanted - 0.5) + 0.5))


def _powers(audio: np.ndarray, f0_hz: float, sample_rate: int) -> tuple[float, float]:
    """Power at the harmonics, and half-way between them, as far as it is no noise."""
    size = len(audio)
    window = signal.windows.blackmanharris(size, sym=False)
    power = np.square(np.abs(np.fft.rfft(audio * window)))

    def gather(offset: float) -> np.ndarray:
        n_places = int(sample_rate / 2 / f0_hz - offset)
        places_hz = f0_hz * (np.arange(0 if offset else 1, n_places + 1) + offset)
        bins = np.rint(places_hz * size / sample_rate).astype(int)
        around = bins[:, None] + np.arange(-_LOBE_BINS, _LOBE_BINS + 1)
        inside = (around > 0) & (around < len(power))
        return np.where(inside, power[np.clip(around, 0, len(power) - 1)], 0.0).sum(1)

    noises = np.concatenate([gather(0.25), gather(0.75)])  # twice as many as half-way
    excess = gather(0.5).sum() - noises.sum() / 2
    # of three independent sums, each of places that count `_FREE_BINS` exponential values
    spread = np.sqrt(np.square(noises).sum() / 2 / _FREE_BINS * 1.5)
    return float(gather(0.0).sum()), float(excess) if excess > _SIGMAS * spread else 0.0
