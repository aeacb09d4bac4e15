"""What earlier feedback to a voice has left: followed from a generation to its parents, as far as there are traces."""

import json
from pathlib import Path
from typing import Any

from amadeus.errors import VoiceError
from amadeus.feedback import steps
from amadeus.feedback.steps import Memory
from amadeus.home import Deu
from amadeus.personality import content
from amadeus.v1 import personality_pb2

FEEDBACK_NAME = "feedback.json"
MAX_GENERATIONS = 10_000


def find_memories(
    deu: Deu, personality: personality_pb2.Personality
) -> dict[str, Memory]:
    """Finds what the last feedback in the line of a generation remembered; nothing where there was none."""
    by_digest: dict[str, personality_pb2.Personality] | None = None
    for _ in range(MAX_GENERATIONS):
        written = read_feedback(deu.practices_path / (personality.practice or "-"))
        if written.get("digest") == personality.digest:
            return steps.recall(written.get("memories"))
        if not personality.parent_digest:
            break
        if by_digest is None:
            by_digest = _by_digest(deu)
        parent = by_digest.pop(personality.parent_digest, None)
        if parent is None:
            break
        personality = parent
    return {}


def read_feedback(practice_path: Path) -> dict[str, Any]:
    """Reads what a feedback concluded; empty for another practice, and where there is nothing to read."""
    try:
        written = json.loads((practice_path / FEEDBACK_NAME).read_text())
    except (OSError, ValueError):
        return {}
    return written if isinstance(written, dict) else {}


def find_generation(deu: Deu, digest: str) -> int:
    """Finds the newest generation with a digest; 0 where there is none."""
    for generation in reversed(deu.generations()):
        try:
            found = content.read_personality(deu.voices_path / str(generation))
        except VoiceError:
            continue
        if found.digest == digest:
            return generation
    return 0


def _by_digest(deu: Deu) -> dict[str, personality_pb2.Personality]:
    personalities = {}
    for generation in deu.generations():
        try:
            found = content.read_personality(deu.voices_path / str(generation))
        except VoiceError:
            continue
        personalities[found.digest] = found
    return personalities
