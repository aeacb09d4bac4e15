"""Loudness, A-weighted as `ddsp.spectral_ops.compute_loudness` has it, or plain as `compute_power` has it.

Frames are centred. For the A-weighted loudness they are windowed with a periodic Hann window, and their
power spectrum is weighted with the A curve and averaged over bins; the spectrum is not divided by the
window's length, so a full-scale tone lies above 0 dB. The plain power is the mean square of a frame, which
puts a full-scale tone at -3 dB. What matters is that everything about one voice measures alike: training,
evaluation, timbre transfer, and for the plain power the DDSP-VST plugin too. Frames know nothing of each
other: a sound pushed in blocks has the same loudness, to the last bit, as the sound measured at once.

References: Engel et al., "DDSP", ICLR 2020; IEC 61672-1 for the A curve.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.errors import ConfigError
from amadeus.v1 import profiles_pb2

RANGE_DB = 80.0

_WINDOW_S = 512 / 16_000  # DDSP's window of 512 samples at 16 kHz
_POWER_FRAME_S = 1_024 / 16_000  # the frame of DDSP-VST, 1024 samples at 16 kHz
_FRAMES_PER_CHUNK = 4_096  # bounds memory to tens of MB however long the audio

# From frames [n_frames, frame_size] to their power [n_frames].
_Meter = Callable[[np.ndarray], np.ndarray]


def measure_loudness(
    audio: np.ndarray, *, spec: AudioSpec, weighting: int
) -> np.ndarray:
    """Measures the loudness of each frame as a profile wants it.

    Args:
      audio: In [-1, 1]. Shape [n_samples].
      spec: The clock.
      weighting: Of `profiles_pb2.LoudnessWeighting`: A, or NONE for the plain power.

    Returns:
      Loudness in dB, at least -80. Float32, shape [n_frames].

    Raises:
      ConfigError: The weighting is unknown.
    """
    size, meter = _choose_meter(spec.sample_rate, weighting)
    return _measure(audio, size, spec.hop_size, meter)


class LoudnessStream:
    """Measures the loudness of one sound while it goes on.

    A frame is answered as soon as `latency_samples` from its centre on have been pushed.
    """

    def __init__(self, *, spec: AudioSpec, weighting: int) -> None:
        """Prepares for one sound.

        Args:
          spec: The clock.
          weighting: Of `profiles_pb2.LoudnessWeighting`: A, or NONE for the plain power.

        Raises:
          ConfigError: The weighting is unknown.
        """
        self._spec = spec
        self._size, self._meter = _choose_meter(spec.sample_rate, weighting)
        self._span = max(self._size, spec.hop_size)  # so that no sample is skipped
        # What the frames to come still need; the first is centred on the first sample.
        self._kept = np.zeros(self._size // 2, np.float32)
        self._n_pushed = 0
        self._n_answered = 0

    @property
    def latency_samples(self) -> int:
        """Samples from its centre on that a frame waits for."""
        return self._span - self._size // 2

    def push(self, block: np.ndarray) -> np.ndarray:
        """Takes the next samples.

        Args:
          block: In [-1, 1]. Shape [n_samples], any number.

        Returns:
          Loudness in dB of the frames that became complete. Float32, shape [n_frames], perhaps of none.
        """
        self._n_pushed += len(block)
        return self._answer(np.asarray(block, np.float32))

    def finish(self) -> np.ndarray:
        """Ends the sound and answers the frames that still wait, as if silence followed.

        Nothing may be pushed afterwards.
        """
        n_waiting = self._spec.n_frames(self._n_pushed) - self._n_answered
        end = (n_waiting - 1) * self._spec.hop_size + self._span
        return self._answer(np.zeros(max(0, end - len(self._kept)), np.float32))

    def _answer(self, block: np.ndarray) -> np.ndarray:
        hop = self._spec.hop_size
        sound = np.concatenate([self._kept, block])
        n_frames = max(0, (len(sound) - self._span) // hop + 1)
        if not n_frames:  # the usual case where blocks are short
            self._kept = sound
            return np.zeros(0, np.float32)
        self._n_answered += n_frames
        self._kept = sound[n_frames * hop :]
        needed = (n_frames - 1) * hop + self._size
        return _measure_frames(sound[:needed], self._size, hop, self._meter)


def window_size(sample_rate: int) -> int:
    """Chooses the window in samples: the power of two nearest to 32 ms (512 at 16 kHz)."""
    return 1 << round(math.log2(_WINDOW_S * sample_rate))


def power_frame_size(sample_rate: int) -> int:
    """Chooses the frame of the plain power: the power of two nearest to 64 ms (1024 at 16 kHz)."""
    return 1 << round(math.log2(_POWER_FRAME_S * sample_rate))


def compute_loudness(
    audio: np.ndarray,
    *,
    sample_rate: int,
    frame_rate: int,
    n_fft: int | None = None,
    range_db: float = RANGE_DB,
    ref_db: float = 0.0,
) -> np.ndarray:
    """Computes the loudness of each frame.

    Args:
      audio: In [-1, 1]. Shape [n_samples].
      sample_rate: Samples per second.
      frame_rate: Frames per second; divides `sample_rate`.
      n_fft: Window in samples; by default `window_size(sample_rate)`.
      range_db: Distance from 0 dB to the floor.
      ref_db: Subtracted from every loudness above the floor.

    Returns:
      Loudness in dB, at least -range_db. Float32, shape [n_frames].
    """
    size = n_fft or window_size(sample_rate)
    meter = _a_weighted_meter(sample_rate, size)
    hop = sample_rate // frame_rate
    return _measure(audio, size, hop, meter, range_db=range_db, ref_db=ref_db)


def compute_power(
    audio: np.ndarray,
    *,
    sample_rate: int,
    frame_rate: int,
    frame_size: int | None = None,
    range_db: float = RANGE_DB,
    ref_db: float = 0.0,
) -> np.ndarray:
    """Computes the plain power of each frame: nothing is weighted, nothing windowed.

    Args:
      audio: In [-1, 1]. Shape [n_samples].
      sample_rate: Samples per second.
      frame_rate: Frames per second; divides `sample_rate`.
      frame_size: In samples; by default `power_frame_size(sample_rate)`.
      range_db: Distance from 0 dB to the floor.
      ref_db: Subtracted from every power above the floor.

    Returns:
      Power in dB, at least -range_db. Float32, shape [n_frames].
    """
    size = frame_size or power_frame_size(sample_rate)
    hop = sample_rate // frame_rate
    return _measure(audio, size, hop, _plain_power, range_db=range_db, ref_db=ref_db)


def a_weighting_power(sample_rate: int, n_fft: int) -> np.ndarray:
    """Computes the A curve as a factor of power for each bin of a real FFT.

    Returns:
      Factors, 1 at 1 kHz, never below -80 dB. Shape [n_fft // 2 + 1].
    """
    square = np.fft.rfftfreq(n_fft, 1 / sample_rate) ** 2
    poles = np.array([12194.217, 20.598997, 107.65265, 737.86223]) ** 2  # IEC 61672-1
    gain = (poles[0] * square**2) / (
        (square + poles[0])
        * (square + poles[1])
        * np.sqrt((square + poles[2]) * (square + poles[3]))
    )
    decibels = 2.0 + 20 * np.log10(np.maximum(gain, 1e-10))
    floored: np.ndarray = np.maximum(decibels, -80.0)  # the floor is DDSP's
    return np.power(10.0, floored / 10)


def _choose_meter(sample_rate: int, weighting: int) -> tuple[int, _Meter]:
    """The size of a frame in samples, and what measures its power."""
    if weighting == profiles_pb2.LOUDNESS_WEIGHTING_A:
        size = window_size(sample_rate)
        return size, _a_weighted_meter(sample_rate, size)
    if weighting == profiles_pb2.LOUDNESS_WEIGHTING_NONE:
        return power_frame_size(sample_rate), _plain_power
    raise ConfigError(f"loudness_weighting={weighting} is not known: choose a or none.")


def _measure(
    audio: np.ndarray,
    size: int,
    hop_size: int,
    meter: _Meter,
    *,
    range_db: float = RANGE_DB,
    ref_db: float = 0.0,
) -> np.ndarray:
    """Measures centred frames. Float32, shape [n_frames]."""
    padded = np.pad(np.asarray(audio, np.float32), size // 2)
    return _measure_frames(
        padded, size, hop_size, meter, range_db=range_db, ref_db=ref_db
    )


def _measure_frames(
    padded: np.ndarray,
    size: int,
    hop_size: int,
    meter: _Meter,
    *,
    range_db: float = RANGE_DB,
    ref_db: float = 0.0,
) -> np.ndarray:
    """Measures all whole frames from the first sample on. Float32, shape [n_frames]."""
    powers = [meter(frames) for frames in _frames(padded, size, hop_size)]
    power = np.concatenate(powers) if powers else np.zeros(0, np.float32)
    return _to_db(power, range_db=range_db, ref_db=ref_db)


def _frames(padded: np.ndarray, size: int, hop_size: int) -> Iterator[np.ndarray]:
    """Cuts frames, a chunk of them at a time. Shape [at most _FRAMES_PER_CHUNK, size]."""
    if len(padded) < size:
        return
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop_size]
    for start in range(0, len(frames), _FRAMES_PER_CHUNK):
        yield frames[start : start + _FRAMES_PER_CHUNK]


def _to_db(power: np.ndarray, *, range_db: float, ref_db: float) -> np.ndarray:
    level_db = 10 * np.log10(np.maximum(power, 10 ** (-range_db / 10))) - ref_db
    return np.asarray(np.maximum(level_db, -range_db), np.float32)


def _plain_power(frames: np.ndarray) -> np.ndarray:
    return np.asarray(np.einsum("fi,fi->f", frames, frames) / frames.shape[-1])


def _a_weighted_meter(sample_rate: int, size: int) -> _Meter:
    weights = a_weighting_power(sample_rate, size) / (size // 2 + 1)
    doubled = np.repeat(weights, 2).astype(np.float32)
    window = np.hanning(size + 1)[:-1].astype(np.float32)  # periodic

    def power(frames: np.ndarray) -> np.ndarray:
        spectrum = np.fft.rfft(frames * window)
        parts = np.square(spectrum.view(np.float32))  # real and imaginary side by side
        # Not by BLAS: for so little work its threads cost more than they bring.
        return np.asarray(np.einsum("fb,b->f", parts, doubled))

    return power
