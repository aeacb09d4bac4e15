"""The learned reverb as a WAV file, for any convolver.

The first sample is the dry sound at full level, what follows is the reverb: the file alone makes of the dry
voice what `render` makes with a reverb_mix of 1.
"""

import io
from pathlib import Path

import numpy as np
import soundfile

from amadeus.audio.write import resample
from amadeus.errors import ConfigError
from amadeus.export.place import put_file
from amadeus.export.taught import take_apart


def export(voice_path: Path, path: Path, *, sample_rate: int | None = None) -> int:
    """Writes the impulse response as float32 samples, mono.

    Args:
      voice_path: SavedModel folder of the voice.
      path: The file.
      sample_rate: In Hz; by default the voice's own.

    Returns:
      The sample rate of the file in Hz.

    Raises:
      ConfigError: The voice has no reverb.
      VoiceError: The voice is missing, damaged or foreign.
      HomeError: The file cannot be written.
    """
    taught = take_apart(voice_path)
    own_rate = taught.profile.sample_rate
    taps = taught.model.impulse_response.numpy()
    if len(taps) < 2:
        raise ConfigError(
            "this voice has no reverb to export: it was taught with reverb_duration_s=0; practise with "
            "`--learner reverb_duration_s=1` to learn one."
        )
    rate = sample_rate or own_rate
    response = impulse_response(taps, from_rate=own_rate, to_rate=rate)
    file = io.BytesIO()
    soundfile.write(file, response, rate, format="WAV", subtype="FLOAT")
    put_file(path, file.getvalue())
    return rate


def impulse_response(taps: np.ndarray, *, from_rate: int, to_rate: int) -> np.ndarray:
    """Puts the dry sound before a reverb, at another rate if need be.

    Args:
      taps: Learned taps, of which the first is not heard. Shape [n_taps].
      from_rate: Rate of the taps in Hz.
      to_rate: Rate of the result in Hz.

    Returns:
      1, then the reverb. Float32, shape [round(n_taps * to_rate / from_rate)].
    """
    reverb = np.concatenate([[0.0], taps[1:]])
    if to_rate != from_rate:
        # A convolution sums over samples: where there are more of them, each has to weigh less.
        reverb = resample(reverb, from_rate=from_rate, to_rate=to_rate)
        reverb = reverb * (from_rate / to_rate)
    response = np.asarray(reverb, np.float32)
    response[0] = 1.0
    return response
