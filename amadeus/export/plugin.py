"""What Magenta's DDSP-VST plugin takes: the shape of a voice, the tensors of its file and what is said beside them.

Names, sizes and checks: magenta/ddsp-vst 1.1.0, src/util/Constants.h and src/audio/tflite/ModelLibrary.cpp;
metadata: magenta/ddsp 3.7.0, ddsp/training/ddsp_export.py and postprocessing.py.
"""

import datetime
from collections.abc import Sequence
from typing import Any

import numpy as np

import amadeus
from amadeus.errors import ConfigError
from amadeus.features.loudness import RANGE_DB, power_frame_size
from amadeus.features.notes import hz_to_midi
from amadeus.v1 import personality_pb2, profiles_pb2

N_STATE = 512
INPUTS = {"call_f0_scaled:0": 1, "call_pw_scaled:0": 1, "call_state:0": N_STATE}
OUTPUTS = {
    "StatefulPartitionedCall:0": 1,  # amplitude
    "StatefulPartitionedCall:1": 60,  # harmonic distribution
    "StatefulPartitionedCall:2": 65,  # noise magnitudes
    "StatefulPartitionedCall:3": N_STATE,
}

_NEEDS = {
    "sample_rate": 16_000,
    "frame_rate": 50,
    "harmonic_count": 60,
    "noise_band_count": 65,
    "recurrent_unit_count": N_STATE,
    "loudness_weighting": profiles_pb2.LOUDNESS_WEIGHTING_NONE,
}
# Where ddsp's means of lowest and highest lie among the frames of notes. 95 phrases of cello, flute and saxophone,
# ddsp's way with windows of 4 s: 33 to 40 % and 72 to 79 % for pitch, 3 to 10 % and 91 to 97 % for power.
_PITCH_SHARES = (0.35, 0.76)
_POWER_SHARES = (0.07, 0.95)


def check_shape(profile: profiles_pb2.LearnerProfile) -> None:
    """Refuses a voice that the plugin would not load, or would play at a wrong loudness.

    Args:
      profile: Complete.

    Raises:
      ConfigError: Naming the first thing that differs.
    """
    for name, needed in _NEEDS.items():
        given = getattr(profile, name)
        if given != needed:
            raise ConfigError(
                f"this voice has {name}={_say(name, given)}, and DDSP-VST plays only {name}={_say(name, needed)}: "
                "practise one for it with `--learner preset=vst`, then export that."
            )


def metadata(
    profile: profiles_pb2.LearnerProfile,
    statistics: personality_pb2.Statistics,
    *,
    time: datetime.datetime,
) -> dict[str, Any]:
    """Gathers what ddsp's own export writes beside a model.

    ddsp takes the lowest and the highest pitch and power in the notes of each window of 4 s, and their means over
    all windows: the range of a phrase, not of the instrument. A personality keeps no windows but quantiles over
    all frames of notes; those nearest to ddsp's means stand for them. Without notes, the range is all that could
    have been found.

    Args:
      profile: Complete.
      statistics: Of the recordings; loudness is the plain power.
      time: Of the export, to the microsecond: by it a host's project finds its voice again, so that no two files
        may share it.
    """
    f0_range = np.array([profile.f0_min_hz, profile.f0_max_hz])
    low_midi, high_midi = _range(
        statistics.pitch_quantiles_midi or hz_to_midi(f0_range), _PITCH_SHARES
    )
    low_db, high_db = _range(
        statistics.loudness_quantiles_db or [-RANGE_DB, 0.0], _POWER_SHARES
    )
    return {
        "mean_min_pitch_note": low_midi,
        "mean_max_pitch_note": high_midi,
        "mean_min_pitch_note_hz": _to_hz(low_midi),
        "mean_max_pitch_note_hz": _to_hz(high_midi),
        "mean_min_power_note": low_db,
        "mean_max_power_note": high_db,
        "version": amadeus.__version__,
        "export_time": time.isoformat(timespec="microseconds"),
        "num_harmonics": profile.harmonic_count,
        "num_noise_amps": profile.noise_band_count,
        "frame_rate": profile.frame_rate,
        "frame_size": power_frame_size(profile.sample_rate),
        "sample_rate": profile.sample_rate,
    }


def _range(
    quantiles: Sequence[float] | np.ndarray, shares: tuple[float, float]
) -> tuple[float, float]:
    """The values below which two shares lie, of evenly spaced quantiles."""
    low, high = np.interp(shares, np.linspace(0, 1, len(quantiles)), quantiles)
    return float(low), float(high)


def _say(name: str, value: int) -> str:
    if name != "loudness_weighting":
        return str(value)
    full_name = profiles_pb2.LoudnessWeighting.Name(value)
    return full_name.removeprefix("LOUDNESS_WEIGHTING_").lower()


def _to_hz(midi: float) -> float:
    return 440.0 * 2.0 ** ((midi - 69.0) / 12.0)
