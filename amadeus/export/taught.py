"""A voice taken apart again: its network, and who it is."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import amadeus
from amadeus.errors import VoiceError
from amadeus.personality import content, profiles
from amadeus.v1 import personality_pb2, profiles_pb2
from amadeus.voice.export import read_weights
from amadeus.voice.model import VoiceModel


class Taught(NamedTuple):
    """A personality in parts.

    Attributes:
      model: The network, with its weights.
      personality: Who it is.
      profile: How it learned; complete.
    """

    model: VoiceModel
    personality: personality_pb2.Personality
    profile: profiles_pb2.LearnerProfile


def read_checked(
    voice_path: Path,
) -> tuple[personality_pb2.Personality, dict[str, np.ndarray]]:
    """Reads who a voice is and its weights, and makes sure that it is the one its digest names.

    Raises:
      VoiceError: It is missing, damaged or changed.
    """
    personality = content.read_personality(voice_path)
    weights = read_weights(voice_path)
    digest = content.digest(
        weights,
        personality.learner_profile,
        personality.player_profile,
        personality.statistics,
    )
    if digest != personality.digest:
        raise VoiceError(
            f"the voice in {voice_path} is not the one its digest names: it is damaged, was changed, or comes from "
            "another version of Amadeus; name another generation, or practise again."
        )
    return personality, weights


def take_apart(voice_path: Path) -> Taught:
    """Reads a voice from its SavedModel folder and makes sure that it is the one its digest names.

    Raises:
      VoiceError: It is missing, damaged or foreign.
    """
    personality, weights = read_checked(voice_path)
    profile = profiles.complete_learner_profile(personality.learner_profile)
    model = VoiceModel(profile)
    try:
        model.assign(weights)
    except (KeyError, ValueError) as error:
        raise VoiceError(
            f"the voice in {voice_path} is foreign: its weights do not fit its profile; practise again with this "
            "version of Amadeus."
        ) from error
    return Taught(model, personality, profile)


def describe(taught: Taught) -> dict[str, Any]:
    """Says what a player must know of a voice, and which voice it is; for a file's metadata."""
    profile, personality = taught.profile, taught.personality
    weighting = profiles_pb2.LoudnessWeighting.Name(profile.loudness_weighting)
    return {
        "deu": personality.deu,
        "generation": personality.generation,
        "digest": personality.digest,
        "amadeus_version": amadeus.__version__,
        "sample_rate": profile.sample_rate,
        "frame_rate": profile.frame_rate,
        "loudness_weighting": weighting.removeprefix("LOUDNESS_WEIGHTING_").lower(),
        "n_harmonics": profile.harmonic_count,
        "n_noise_bands": profile.noise_band_count,
    }
