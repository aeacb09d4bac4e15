"""Settings on their way into and out of a component's parameters.

A component is handed only the fields that matter to it, so that turning a knob re-runs what the
knob turns and nothing else.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

from google.protobuf.message import Message

from amadeus.personality import profiles
from amadeus.v1 import practice_pb2, profiles_pb2

LEARNER_PROFILE_KEY = "learner_profile"
PLAYER_PROFILE_KEY = "player_profile"
TASTE_KEY = "taste"

M = TypeVar("M", bound=Message)


def narrow(
    profile: profiles_pb2.LearnerProfile, fields: Iterable[str]
) -> profiles_pb2.LearnerProfile:
    """Keeps these fields of a completed learner profile and leaves the others open."""
    complete = profiles.complete_learner_profile(profile)
    return profiles_pb2.LearnerProfile(
        **{field: getattr(complete, field) for field in fields}
    )


def learner_profile(exec_properties: dict[str, Any]) -> profiles_pb2.LearnerProfile:
    """Reads a component's learner profile, fields it does not care for at their defaults."""
    given = message(exec_properties, LEARNER_PROFILE_KEY, profiles_pb2.LearnerProfile)
    return profiles.complete_learner_profile(given)


def player_profile(
    exec_properties: dict[str, Any],
) -> profiles_pb2.PlayerProfile | None:
    """Reads a component's player profile as it is; None where it was given none."""
    if exec_properties.get(PLAYER_PROFILE_KEY) is None:
        return None
    return message(exec_properties, PLAYER_PROFILE_KEY, profiles_pb2.PlayerProfile)


def taste(exec_properties: dict[str, Any]) -> dict[str, float]:
    """Reads what an ama likes, by trait; empty where nothing was said."""
    if exec_properties.get(TASTE_KEY) is None:
        return {}
    given = message(exec_properties, TASTE_KEY, practice_pb2.Taste)
    return {one.trait: one.preference for one in given.traits}


def message(exec_properties: dict[str, Any], key: str, kind: type[M]) -> M:
    """Reads a proto parameter: TFX hands it out in a descriptor pool of its own."""
    return kind.FromString(exec_properties[key].SerializeToString())
