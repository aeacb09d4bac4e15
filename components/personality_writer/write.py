"""A personality as custom properties of its artifact."""

import math
from pathlib import Path

from tfx import types

from amadeus.personality import content
from amadeus.personality.generations import mlmd_uuid
from amadeus.v1 import personality_pb2

METRIC_PREFIX = "metric_"


def describe(
    artifact: types.Artifact, voice_path: Path, kind: str | None = None
) -> None:
    """Makes an artifact stand for the voice in a folder; `kind` says what made it, if it is no imitation.

    Raises:
      VoiceError: The folder holds no voice.
    """
    personality = content.read_personality(voice_path)
    artifact.uri = str(voice_path)
    for key, number in identity(personality).items():
        if isinstance(number, int):
            artifact.set_int_custom_property(key, number)
        else:
            artifact.set_string_custom_property(key, number)
    artifact.set_string_custom_property("parent_digest", personality.parent_digest)
    artifact.set_string_custom_property("practice", personality.practice)
    artifact.set_string_custom_property("mlmd_uuid", mlmd_uuid(personality))
    if kind:
        artifact.set_string_custom_property("kind", kind)
    for name, metric in personality.metrics.items():
        if math.isfinite(metric):
            artifact.set_float_custom_property(METRIC_PREFIX + name, metric)


def identity(personality: personality_pb2.Personality) -> dict[str, str | int]:
    """The custom properties that tell one personality from all others."""
    return {
        "deu": personality.deu,
        "generation": personality.generation,
        "digest": personality.digest,
    }
