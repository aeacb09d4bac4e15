"""What makes two personalities the same, and the file that says who a voice is.

The digest is taken over canonical content (weights, profiles, statistics), not over file bytes,
which a SavedModel writer does not keep stable; and over profiles as they are stored, not completed
anew, so that a knob that comes later leaves the names of before as they were.
`assets.extra/personality.json` lies inside the SavedModel, so a voice that is copied takes its identity
along.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from google.protobuf import json_format
from google.protobuf.message import Message

from amadeus.errors import VoiceError
from amadeus.v1 import personality_pb2, profiles_pb2

DIGEST_PREFIX = "sha256:"
EXTRAS_FOLDER = "assets.extra"
PERSONALITY_NAME = "personality.json"


def digest(
    weights: Mapping[str, np.ndarray],
    learner_profile: profiles_pb2.LearnerProfile,
    player_profile: profiles_pb2.PlayerProfile,
    statistics: personality_pb2.Statistics,
) -> str:
    """Names a personality by its content.

    Args:
      weights: The network's variables by name; any shapes and dtypes. Order does not matter.
      learner_profile: How it learned; to name a new personality complete, to check one as stored.
      player_profile: How it plays, likewise.
      statistics: What it learned from.

    Returns:
      `sha256:` and 64 hexadecimal digits.
    """
    content = hashlib.sha256()
    for name in sorted(weights):
        _add_weight(content, name, np.asarray(weights[name]))
    for message in (learner_profile, player_profile, statistics):
        _add(content, message.DESCRIPTOR.full_name.encode())
        _add(content, canonical_json(message).encode())
    return DIGEST_PREFIX + content.hexdigest()


def canonical_json(message: Message) -> str:
    """Writes a message as JSON that is equal whenever the messages are."""
    fields = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return json.dumps(fields, sort_keys=True, separators=(",", ":"))


def read_personality(voice_path: Path) -> personality_pb2.Personality:
    """Reads who the voice in a SavedModel folder is.

    Raises:
      VoiceError: The folder holds no personality, or a damaged one.
    """
    path = _personality_path(voice_path)
    try:
        text = path.read_text()
    except OSError as error:
        raise VoiceError(
            f"{voice_path} is not a voice: {path.name} cannot be read ({error.strerror or error}); name a folder that "
            "a practice has written."
        ) from error
    try:
        return json_format.Parse(
            text, personality_pb2.Personality(), ignore_unknown_fields=True
        )
    except (json_format.ParseError, ValueError) as error:
        raise VoiceError(
            f"the voice in {voice_path} is damaged: {path.name} is not a personality ({error}); practise again."
        ) from error


def write_personality(
    voice_path: Path, personality: personality_pb2.Personality
) -> None:
    """Writes who a voice is into its SavedModel folder, replacing what stood there."""
    path = _personality_path(voice_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(
        json_format.MessageToJson(personality, preserving_proto_field_name=True)
    )
    scratch.replace(path)


def _personality_path(voice_path: Path) -> Path:
    return Path(voice_path) / EXTRAS_FOLDER / PERSONALITY_NAME


def _add_weight(content: "hashlib._Hash", name: str, weight: np.ndarray) -> None:
    little_endian = np.ascontiguousarray(
        weight, dtype=weight.dtype.newbyteorder("<")
    ).reshape(weight.shape)  # ascontiguousarray makes scalars 1-d
    _add(content, name.encode())
    _add(content, f"{little_endian.dtype.str}{little_endian.shape}".encode())
    _add(content, little_endian.tobytes())


def _add(content: "hashlib._Hash", part: bytes) -> None:
    content.update(len(part).to_bytes(8, "little"))  # so that parts cannot run together
    content.update(part)
