"""Which frames of the recordings are like what an ama likes: these are heard more often in a fine-tune.

A frame is held against the other frames as loud and as high as it: what playing louder changes by itself is no taste.
Its weight is between 1 / `MAX_WEIGHT` and `MAX_WEIGHT`; frames without a pitch weigh 1.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from amadeus.audio import AudioSpec
from amadeus.features.types import Features
from amadeus.features.voicing import voiced_mask
from amadeus.feedback.descriptors import Frames, Pitch, describe_frames
from amadeus.feedback.traits import TRAITS

MAX_WEIGHT = 4.0
FRAME_TRAITS = (
    "brightness_octaves",
    "tilt_db",
    "odd_even_db",
    "noise_db",
    "roughness_db",
)

_STEEPNESS = 1.0  # of the weight's logarithm, for one typical deviation of a trait


def frame_weights(
    sounds: Sequence[tuple[np.ndarray, Features]],
    taste: Mapping[str, float],
    *,
    spec: AudioSpec,
    threshold: float,
) -> list[np.ndarray]:
    """Weighs the frames of recordings.

    Args:
      sounds: Audio and features of each passage.
      taste: From -1 to 1 by trait; traits that are not of a frame are left out.
      spec: The clock of all.
      threshold: Confidence from which a frame is voiced.

    Returns:
      Weights of each passage. Shapes [n_frames].
    """
    described = [
        _describe(audio, features, spec, threshold) for audio, features in sounds
    ]
    counts = [len(frames.loudness_db) for frames in described]
    joined = Frames._make(
        np.concatenate([getattr(frames, name) for frames in described])
        for name in Frames._fields
    )
    liking = np.zeros(sum(counts))
    for trait in FRAME_TRAITS:
        if taste.get(trait):
            liking += taste[trait] * _standing(getattr(joined, trait), joined)
    limit = np.log(MAX_WEIGHT)
    weights = np.exp(np.clip(_STEEPNESS * liking, -limit, limit))
    return np.split(weights, np.cumsum(counts)[:-1])


def frame_taste(preferences: Mapping[str, float]) -> dict[str, float]:
    """Of preferences by trait those that frames can be held against."""
    return {
        trait: float(np.clip(value, -1, 1))
        for trait, value in preferences.items()
        if trait in FRAME_TRAITS and value
    }


def _describe(
    audio: np.ndarray, features: Features, spec: AudioSpec, threshold: float
) -> Frames:
    is_voiced = voiced_mask(features, threshold=threshold)
    pitch = Pitch(np.asarray(features.f0_hz, np.float64), is_voiced)
    return describe_frames(audio, pitch, spec=spec)


def _standing(values: np.ndarray, frames: Frames) -> np.ndarray:
    """How much of a trait a frame has, against others played alike, in typical deviations; 0 where unknown."""
    played = np.stack([frames.loudness_db, frames.pitch_midi], axis=1)
    known = np.isfinite(values) & np.isfinite(played).all(axis=1)
    standing = np.zeros(len(values))
    if known.sum() < 10:
        return standing
    x = np.column_stack([np.ones(known.sum()), played[known]])
    x[:, 1:] -= x[:, 1:].mean(axis=0)
    slopes, *_ = np.linalg.lstsq(x, values[known], rcond=None)
    rest = values[known] - x @ slopes
    rest -= np.median(rest)
    typical = 1.4826 * float(np.median(np.abs(rest)))
    standing[known] = np.clip(rest / max(typical, 1e-6), -2.0, 2.0)
    return standing


def check_taste(preferences: Mapping[str, float]) -> bool:
    """Whether every trait is known and every preference within [-1, 1]."""
    return all(
        trait in TRAITS and -1 <= value <= 1 for trait, value in preferences.items()
    )
