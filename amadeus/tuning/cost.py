"""What turning a knob costs, worked out from what depends on it."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from amadeus.v1 import profiles_pb2
from amadeus.voice.architecture import ARCHITECTURE

Kind = Literal["second", "warm", "anew"]

COMPONENTS = ("AudioExampleGen", "DdspTransform", "Trainer")  # in the order data flows

# Of each component, the first that a knob concerns; Trainer is told all of them. A test holds this to the components.
FIRST_CONCERNED: dict[str, str] = {
    "sample_rate": "AudioExampleGen",
    "eval_fraction": "AudioExampleGen",
    "max_skipped_fraction": "AudioExampleGen",
    "frame_rate": "DdspTransform",
    "f0_tracker": "DdspTransform",
    "f0_viterbi": "DdspTransform",
    "f0_min_hz": "DdspTransform",
    "f0_max_hz": "DdspTransform",
    "f0_confidence_threshold": "DdspTransform",
    "loudness_weighting": "DdspTransform",
}


class Cost(NamedTuple):
    """What turning a knob takes.

    Attributes:
      kind: `second`: a new generation at once; `warm`: a training that goes on from the parent; `anew`: a training
        from nothing.
      since: The component that runs anew first; what stands before it comes from the cache. Empty where none runs.
    """

    kind: Kind
    since: str

    def __str__(self) -> str:
        if self.kind == "second":
            return "a second"
        how = "warm" if self.kind == "warm" else "from nothing"
        return f"a rerun from {self.since}, training {how}"


def cost_of(kind: str, knob: str) -> Cost:
    """Says what turning one knob costs.

    Args:
      kind: `player` or `learner`.
      knob: Its name.
    """
    if kind == "player":
        return Cost("second", "")
    if knob == "preset":  # it turns others, and among them the shape of the network
        return Cost("anew", "Trainer")
    since = FIRST_CONCERNED.get(knob, "Trainer")
    return Cost("anew" if knob in ARCHITECTURE else "warm", since)


def obstacles(
    before: profiles_pb2.LearnerProfile, after: profiles_pb2.LearnerProfile
) -> list[str]:
    """Names the knobs that make another network, so that its training cannot go on from the parent's.

    Args:
      before: Complete.
      after: Complete.
    """
    return [
        knob for knob in ARCHITECTURE if getattr(before, knob) != getattr(after, knob)
    ]


def cost_of_all(knobs: Iterable[str]) -> Cost:
    """Says what turning several knobs of the learner together costs, each that changes named."""
    costs = [cost_of("learner", knob) for knob in knobs if knob != "preset"]
    since = min((cost.since for cost in costs), key=COMPONENTS.index, default="Trainer")
    return Cost("anew" if any(c.kind == "anew" for c in costs) else "warm", since)
