"""Presets: voices of four sizes, for four uses. A preset decides what a learner profile leaves open.

Counts of harmonics and noise bands are those at 16 kHz; they follow the sample rate, so that a voice of
48 kHz has content up to its own Nyquist frequency.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from amadeus.errors import ConfigError
from amadeus.v1 import profiles_pb2

DEFAULT = profiles_pb2.PRESET_LIVE
REFERENCE_RATE = 16_000  # Hz
_MAX_HARMONICS, _MAX_NOISE_BANDS = 512, 1_025  # the knobs' own limits


class Preset(NamedTuple):
    """A named set of defaults.

    Attributes:
      number: Of `profiles_pb2.Preset`.
      settings: Fields of LearnerProfile that differ from the knobs' defaults.
      purpose: For whom it is.
    """

    number: int
    settings: Mapping[str, Any]
    purpose: str

    @property
    def name(self) -> str:
        """As it is written in settings."""
        return profiles_pb2.Preset.Name(self.number).removeprefix("PRESET_").lower()


PRESETS = (
    Preset(
        profiles_pb2.PRESET_TINY,
        {"recurrent_unit_count": 32, "dense_unit_count": 32, "harmonic_count": 40},
        "small computers, many voices at once, a first sketch in a minute",
    ),
    Preset(profiles_pb2.PRESET_LIVE, {}, "playing live; learns in minutes"),
    Preset(
        profiles_pb2.PRESET_SOLO,
        {
            "frame_rate": 250,
            "recurrent_unit_count": 512,
            "dense_unit_count": 512,
            "dense_layer_count": 3,
            "crop_duration_s": 2.0,
            "learning_rate": 1e-3,
            "training_minutes": 60.0,
        },
        "rendering; the network of DDSP's solo_instrument, for much material and an hour of practice",
    ),
    Preset(
        profiles_pb2.PRESET_VST,
        {
            "frame_rate": 50,
            "recurrent_unit_count": 512,
            "dense_unit_count": 256,
            "learning_rate": 1e-3,
            "training_minutes": 15.0,
            "loudness_weighting": profiles_pb2.LOUDNESS_WEIGHTING_NONE,
        },
        "Magenta's DDSP-VST plugin, which takes this one shape of voice only",
    ),
)


def find(number: int) -> Preset:
    """Finds a preset by its number in `profiles_pb2.Preset`.

    Raises:
      ConfigError: There is none.
    """
    for preset in PRESETS:
        if preset.number == number:
            return preset
    names = ", ".join(preset.name for preset in PRESETS)
    raise ConfigError(f"preset={number} is not known: choose one of {names}.")


def fit_frame_rate(frame_rate: int, sample_rate: int) -> int:
    """Finds the frame rate nearest to a preset's that divides a sample rate; its own where none is within 10 %."""
    reach = frame_rate // 10
    near = sorted(range(-reach, reach + 1), key=abs)
    fitting = (
        frame_rate + step for step in near if sample_rate % (frame_rate + step) == 0
    )
    return next(fitting, frame_rate)


def scale_count(name: str, count: int, sample_rate: int) -> int:
    """Makes a count at 16 kHz one at `sample_rate` Hz, with the same spacing of bands and reach of harmonics."""
    if name == "harmonic_count":
        return min(_MAX_HARMONICS, max(1, round(count * sample_rate / REFERENCE_RATE)))
    bands = 1 + round((count - 1) * sample_rate / REFERENCE_RATE)
    return min(_MAX_NOISE_BANDS, max(2, bands))
