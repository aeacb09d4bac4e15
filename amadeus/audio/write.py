"""Sound files out: wav for the ama, mp3 for the report.

Nothing here limits or scales: who makes sound keeps it in [-1, 1] (`amadeus.play` does), and a sample
beyond is refused rather than clipped in silence.
"""

import contextlib
import io
import os
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import soundfile
import soxr

from amadeus.audio import riff
from amadeus.errors import ConfigError, HomeError

Subtype = Literal["PCM_16", "PCM_24", "FLOAT"]

MP3_SAMPLE_RATES = (
    8_000,
    11_025,
    12_000,
    16_000,
    22_050,
    24_000,
    32_000,
    44_100,
    48_000,
)


def write_wav(
    path: Path | str,
    audio: np.ndarray,
    *,
    sample_rate: int,
    subtype: Subtype = "PCM_16",
    record: bytes = b"",
) -> None:
    """Writes a wav file that appears whole or not at all.

    Args:
      path: Where; an existing file is replaced.
      audio: In [-1, 1]; the caller sees to that. Shape [n_samples] or [n_samples, n_channels].
      sample_rate: In Hz.
      subtype: Encoding of the samples.
      record: What was played, for a chunk of its own (`riff`); left out where the format has no room for it.

    Raises:
      ConfigError: A sample is beyond [-1, 1] or no number, or the subtype is unknown.
      HomeError: The file cannot be written: no rights, no space, no folder.
    """
    if subtype not in get_args(Subtype):
        raise ConfigError(
            f"subtype={subtype!r} is not known: choose one of {', '.join(get_args(Subtype))}."
        )
    _check_range(audio)
    path = Path(path)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        scratch.touch()  # the system says why not; libsndfile does not
        soundfile.write(scratch, audio, sample_rate, format="WAV", subtype=subtype)
        if record:
            riff.append(scratch, record)
        scratch.replace(path)
    except (OSError, soundfile.SoundFileError) as error:
        raise HomeError(_cannot_write(path, error)) from error
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink()


def encode_mp3(audio: np.ndarray, *, sample_rate: int) -> bytes:
    """Encodes mono sound in [-1, 1] as mp3, at the nearest rate above that mp3 has.

    Raises:
      ConfigError: A sample is beyond [-1, 1] or no number.
    """
    _check_range(audio)
    rate = next((r for r in MP3_SAMPLE_RATES if r >= sample_rate), MP3_SAMPLE_RATES[-1])
    if rate != sample_rate:
        audio = np.clip(resample(audio, from_rate=sample_rate, to_rate=rate), -1, 1)
    target = io.BytesIO()
    soundfile.write(target, audio, rate, format="MP3", subtype="MPEG_LAYER_III")
    return target.getvalue()


def resample(audio: np.ndarray, *, from_rate: int, to_rate: int) -> np.ndarray:
    """Changes the rate of sound with soxr's high quality.

    A sound at full scale may overshoot it by a little afterwards.

    Args:
      audio: Shape [n_samples] or [n_samples, n_channels].
      from_rate: Rate of `audio` in Hz.
      to_rate: Rate of the result in Hz.

    Returns:
      Float32, round(n_samples * to_rate / from_rate) samples long.
    """
    return soxr.resample(np.asarray(audio, np.float32), from_rate, to_rate)


def _check_range(audio: np.ndarray) -> None:
    peak = float(np.max(np.abs(audio), initial=0.0))
    if not peak <= 1.0:  # NaN is not below 1 either
        raise ConfigError(
            f"audio reaches {peak:g} where only [-1, 1] can be written: limit or scale it first."
        )


def _cannot_write(path: Path, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or "the disk may be full"
    return f"cannot write {path}: {reason}; free space, give rights there, or choose another place."
