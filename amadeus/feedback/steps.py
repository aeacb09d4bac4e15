"""From a difference to a turn of a knob: bounded, wary of contradiction, and never far from where feedback began.

A knob is turned toward the level of the good regions, as the voice itself was measured to answer, and not beyond:
who marks the same again finds nothing left to change. One session sees but one contrast, in which much differs that
nobody meant; so a first turn goes little more than half of the way, one that earlier feedback leans to more of it, and
one that it leans against less, until the ama has said so again. Each change of direction shortens all turns to come,
so that contradicting feedback comes to rest. No turn is longer than `stride`, and all together stay within `reach` of
where the knob stood before the first feedback (or where the ama set it since).
"""

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from amadeus.personality.profiles import PLAYER_KNOBS
from amadeus.v1 import profiles_pb2

PULL = 0.8  # share of the way to the good that a turn goes at most
FIRST_SHARE = 0.6  # of it while nothing is known of before
RECALL = 0.7  # what a leaning keeps from session to session
LEAST_TURN = 0.02  # of a stride; less is not worth a generation
CALMER, BOLDER = 0.7, 1.2

Limit = Literal["", "stride", "reach", "range", "earlier"]


class Way(NamedTuple):
    """How a knob may be turned.

    Attributes:
      stride: The longest turn, in steps of the scale: octaves where it is a factor, else its own unit.
      reach: Farthest from where feedback began, likewise.
      probe: How far it is turned to see what it does, likewise.
      is_factor: Whether twice and half are equally far.
    """

    stride: float
    reach: float
    probe: float
    is_factor: bool = False


WAYS: dict[str, Way] = {
    "loudness_offset_db": Way(3.0, 9.0, 3.0),
    "brightness": Way(0.3, 1.0, 0.3),
    "noise_gain_db": Way(4.0, 16.0, 4.0),
    "attack_scale": Way(0.6, 2.0, 0.5, is_factor=True),
    "vibrato_scale": Way(0.4, 1.5, 0.4),
    "vibrato_depth_cents": Way(10.0, 40.0, 12.0),
    "vibrato_rate_hz": Way(0.6, 2.0, 0.5),
}


class Memory(NamedTuple):
    """What earlier feedback leaves to a knob.

    Attributes:
      anchor: Where it stood before the first.
      value: Where the last left it.
      leaning: Which way it went so far, from -1, always down, to 1, always up.
      boldness: Share of a turn that is allowed, in (0, 1].
    """

    anchor: float
    value: float
    leaning: float = 0.0
    boldness: float = 1.0


class Turn(NamedTuple):
    """A turn of a knob.

    Attributes:
      knob: Of the player profile.
      before: Its value.
      after: Its new value.
      limit: What held it back; empty where nothing did.
      memory: To be remembered.
    """

    knob: str
    before: float
    after: float
    limit: Limit
    memory: Memory


def turn(
    knob: str,
    value: float,
    *,
    wanted: float,
    sensitivity: float,
    memory: Memory | None = None,
) -> Turn:
    """Turns a knob so that a trait changes as wanted, as far as is allowed.

    Args:
      knob: One of `WAYS`.
      value: Where it stands.
      wanted: Change of the trait, in its unit.
      sensitivity: How the trait answers to the knob, in units of the trait for each step of the scale; not 0.
      memory: Of earlier feedback; forgotten where the ama has set the knob since.
    """
    way = WAYS[knob]
    here = place(knob, value)
    if memory is None or not math.isclose(memory.value, value, abs_tol=1e-4):
        memory = Memory(anchor=value, value=value)
    wish = wanted / sensitivity
    direction = float(np.sign(wish))
    memory = _learn(memory, direction)
    allowance = _allowance(memory, direction)
    asked = PULL * allowance * memory.boldness * wish
    limit: Limit = "earlier" if wish and allowance < FIRST_SHARE / 2 else ""
    if abs(asked) > way.stride:
        asked, limit = math.copysign(way.stride, asked), "stride"
    anchor = place(knob, memory.anchor)
    there = _clip(here + asked, anchor - way.reach, anchor + way.reach)
    if abs(there - here - asked) > 1e-9:
        limit = "reach"
    held = _clip(there, *knob_range(knob))
    if abs(held - there) > 1e-9:
        limit = "range"
    if abs(held - here) < LEAST_TURN * way.stride or (held - here) * asked < 0:
        return Turn(knob, value, value, limit, memory._replace(value=value))
    after = round(value_at(knob, held), 4)
    return Turn(knob, value, after, limit, memory._replace(value=after))


def _learn(memory: Memory, direction: float) -> Memory:
    """What is remembered once this session was heard."""
    against = memory.leaning * direction
    change = CALMER if against < 0 else BOLDER if against > 0 else 1.0
    return memory._replace(
        leaning=RECALL * memory.leaning + (1 - RECALL) * direction,
        boldness=min(1.0, memory.boldness * change),
    )


def _allowance(memory: Memory, direction: float) -> float:
    """Share of a turn: by what was said before this session, which is in the leaning already."""
    before = (memory.leaning - (1 - RECALL) * direction) / RECALL
    return _clip(FIRST_SHARE + (1 - FIRST_SHARE) * before * direction, 0.0, 1.0)


def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def place(knob: str, value: float) -> float:
    """Where a value lies on the scale of its knob."""
    return math.log2(max(value, 1e-3)) if WAYS[knob].is_factor else value


def value_at(knob: str, place_: float) -> float:
    """The value at a place of the knob's scale."""
    return 2.0**place_ if WAYS[knob].is_factor else place_


def knob_range(knob: str) -> tuple[float, float]:
    """Lowest and highest place that a profile may hold."""
    low, high = PLAYER_KNOBS[knob].low, PLAYER_KNOBS[knob].high
    if knob == "vibrato_rate_hz":
        low, high = 3.5, 9.0  # 0 would mean the learned one, and faster is a trill
    assert low is not None
    assert high is not None
    return place(knob, low), place(knob, high)


def with_values(
    profile: profiles_pb2.PlayerProfile, values: Mapping[str, float]
) -> profiles_pb2.PlayerProfile:
    """A copy of a profile with some knobs at other values."""
    changed = profiles_pb2.PlayerProfile()
    changed.CopyFrom(profile)
    for knob, value in values.items():
        setattr(changed, knob, value)
    return changed


def remember(memories: Mapping[str, Memory]) -> dict[str, Any]:
    """Memories as JSON has them."""
    return {knob: memory._asdict() for knob, memory in memories.items()}


def recall(written: Any) -> dict[str, Memory]:
    """Reads what `remember` wrote; what is damaged is forgotten."""
    memories = {}
    for knob, fields in (written if isinstance(written, dict) else {}).items():
        try:
            values = [float(fields[key]) for key in Memory._fields]
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
        memory = Memory._make(values)
        is_sound = (
            all(map(math.isfinite, values))
            and 0 < memory.boldness <= 1
            and abs(memory.leaning) <= 1
        )
        if knob in WAYS and is_sound:
            memories[knob] = memory
    return memories
