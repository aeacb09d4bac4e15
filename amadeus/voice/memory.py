"""How many crops a training step can hold in the memory that is free."""

from collections.abc import Callable
from pathlib import Path

from amadeus.errors import PracticeError
from amadeus.v1 import profiles_pb2

USABLE_SHARE = (
    0.7  # of what is free; the rest is for recordings, graphs and other programs
)

# Floats alive at once, fitted to the peak of a process that took two steps (tiny to solo, 16 and 48 kHz) and
# rounded up: it held 4 to 24 MB a second of crop where this says 6 to 39.
_FLOATS_PER_SAMPLE = 64
_FLOATS_PER_DENSE_UNIT, _FLOATS_PER_RECURRENT_UNIT, _FLOATS_PER_CONTROL = 8, 16, 8
_FLOAT_BYTES = 4


def crop_bytes(profile: profiles_pb2.LearnerProfile) -> int:
    """Estimates what one crop of a step takes, from a complete profile."""
    frame = (
        _FLOATS_PER_DENSE_UNIT
        * 2
        * profile.dense_layer_count
        * profile.dense_unit_count
        + _FLOATS_PER_RECURRENT_UNIT * profile.recurrent_unit_count
        + _FLOATS_PER_CONTROL * (profile.harmonic_count + profile.noise_band_count)
    )
    second = _FLOATS_PER_SAMPLE * profile.sample_rate + profile.frame_rate * frame
    return round(_FLOAT_BYTES * second * profile.crop_duration_s)


def free_bytes() -> int | None:
    """Asks the system for the memory that new work can have; None where it does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    values = dict(line.split(":") for line in lines if ":" in line)
    try:
        return int(values["MemAvailable"].split()[0]) * 1024
    except (KeyError, IndexError, ValueError):
        return None


def affordable_batch_size(
    profile: profiles_pb2.LearnerProfile, *, available_bytes: int | None
) -> int:
    """Finds the largest batch, up to the profile's own, that fits.

    Args:
      profile: Complete.
      available_bytes: Free memory; None takes the profile's word.

    Raises:
      PracticeError: Not even one crop fits.
    """
    if available_bytes is None:
        return profile.batch_size
    n_crops = int(USABLE_SHARE * available_bytes) // crop_bytes(profile)
    if not n_crops:
        raise PracticeError(
            f"a crop of {profile.crop_duration_s:g} s needs about {crop_bytes(profile) / 2**30:.1f} GiB to learn from "
            f"but {available_bytes / 2**30:.1f} GiB are free: close other programs or lower crop_duration_s."
        )
    return min(profile.batch_size, n_crops)


def fit_batch(
    profile: profiles_pb2.LearnerProfile, *, warn: Callable[[str], None]
) -> profiles_pb2.LearnerProfile:
    """Makes the batch of a complete profile smaller where memory is short, and says so; see `affordable_batch_size`."""
    available_bytes = free_bytes()
    n_crops = affordable_batch_size(profile, available_bytes=available_bytes)
    if available_bytes is None or n_crops == profile.batch_size:
        return profile
    warn(
        f"batch_size={profile.batch_size} needs about {profile.batch_size * crop_bytes(profile) / 2**30:.1f} GiB but "
        f"{available_bytes / 2**30:.1f} GiB are free: learning goes on with batch_size={n_crops}."
    )
    fitting = profiles_pb2.LearnerProfile()
    fitting.CopyFrom(profile)
    fitting.batch_size = n_crops
    return fitting
