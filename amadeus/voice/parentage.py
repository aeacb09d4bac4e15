"""What a voice has of its parent: where it starts from, and how far it may go."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from amadeus.errors import VoiceError
from amadeus.personality import profiles
from amadeus.personality.content import read_personality
from amadeus.v1 import profiles_pb2
from amadeus.voice.architecture import ARCHITECTURE
from amadeus.voice.export import read_weights
from amadeus.voice.learner import Learner, imitation_loss, resynthesise
from amadeus.voice.model import VoiceModel
from amadeus.voice.sampler import Crops

LEAST_SHARE = 0.02  # of what was learned; less is the base voice
_SHRINK = 0.7  # of that share, from one try to the next

Warn = Callable[[str], None]


class Base(NamedTuple):
    """A voice to start from; of none, both are empty.

    Attributes:
      name: Its digest, or the folder it lies in.
      weights: By name.
    """

    name: str
    weights: dict[str, np.ndarray]


def take_over(
    path: str | Path | None,
    learner: Learner,
    *,
    profile: profiles_pb2.LearnerProfile,
    warn: Warn,
) -> Base:
    """Lets a learner start from a base voice whose network is of the make that it needs; else says why not.

    Args:
      path: Folder of the voice; None: there is none.
      learner: Starts from the voice's weights.
      profile: The learner's.
      warn: Told why a voice is not taken over.
    """
    if path is None:
        return Base("", {})
    try:
        base = read_personality(Path(path))
        reason = _misfit(base.learner_profile, profile)
        if not reason:
            weights = read_weights(path)
            learner.start_from(weights)
            return Base(base.digest or str(path), weights)
    except (VoiceError, KeyError, ValueError) as error:
        reason = str(error)
    warn(f"the voice starts from nothing, not from its parent: {reason}")
    return Base("", {})


def draw_back(
    taught: VoiceModel,
    base: VoiceModel,
    groups: Sequence[Crops],
    *,
    max_distance: float,
    warn: Warn,
) -> float:
    """Draws a voice back toward its base until it is near enough, and says how near.

    Args:
      taught: Moved in place.
      base: Left as it is.
      groups: What they are compared on.
      max_distance: As `distance` measures it.
      warn: Told how far the voice went.

    Returns:
      The distance that is left.
    """
    origin, weights, share = base.weights(), taught.weights(), 1.0
    while True:
        away = distance(base, taught, groups)
        if away <= max_distance or share < LEAST_SHARE:
            break
        share *= _SHRINK
        taught.assign(
            {
                name: (1 - share) * origin[name] + share * value
                for name, value in weights.items()
            }
        )
    held = f", drawn back to {share:.0%} of its way" if share < 1 else ""
    warn(
        f"on held-out pitch and loudness the new voice is {away:.2f} times as far from its parent as that is from "
        f"the recordings, of {max_distance:g} allowed{held}."
    )
    return away


def distance(base: VoiceModel, other: VoiceModel, groups: Sequence[Crops]) -> float:
    """How far a voice is from another on the same controls, against how far that one is from the recordings.

    Both are spectral losses: 0 is the same sound, 1 as far as the base is from what it imitates.
    """
    from_base, from_recordings = [], []
    for crops in groups:
        sound = resynthesise(base, crops)
        from_base.append(float(imitation_loss(other, crops._replace(audio=sound))))
        from_recordings.append(float(imitation_loss(base, crops)))
    return float(np.mean(from_base) / max(np.mean(from_recordings), 1e-9))


def _misfit(
    base: profiles_pb2.LearnerProfile, profile: profiles_pb2.LearnerProfile
) -> str:
    """Says why a base voice cannot be taken over; empty where it can."""
    theirs = profiles.complete_learner_profile(base)
    for name in ARCHITECTURE:
        has, wants = getattr(theirs, name), getattr(profile, name)
        if has != wants:
            has, wants = (
                profiles.spell(profile, name, value) for value in (has, wants)
            )
            return f"the parent has {name}={has} but {wants} is asked for."
    return ""
