"""Feedback in words: what was heard, how sure, what was turned, and what could not be concluded."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from amadeus.feedback.judgement import Finding, Judgement
from amadeus.feedback.steps import Turn
from amadeus.feedback.traits import TITLES, TRAITS

_UNITS = {
    "loudness_offset_db": " dB",
    "noise_gain_db": " dB",
    "vibrato_depth_cents": " cents",
    "vibrato_rate_hz": " Hz",
}
_LIMITS: Mapping[str, str] = {
    "": "",
    "stride": ", as far as one session may",
    "reach": ", where feedback may go no farther",
    "range": ", the end of its range",
    "earlier": ", a little, for earlier feedback said otherwise",
}


class HasIdentity(Protocol):
    """A personality, or what a practice says of one."""

    generation: int
    digest: str


def say_judgement(judgement: Judgement) -> Iterator[str]:
    """Words a judgement, line by line: conclusions first, then what was not concluded, and why."""
    supported = [f for f in judgement.findings if f.evidence.is_supported]
    others = [f for f in judgement.findings if not f.evidence.is_supported]
    rest = " (against the rest of the take)" if judgement.compared_with_rest else ""
    if supported:
        yield f"the {_side(judgement)} regions are{rest}"
    for finding in supported:
        yield f"  {say_difference(finding)}: {say_consequence(finding)}"
    if others:
        yield "nothing is concluded about"
    for finding in others:
        yield f"  {TITLES[finding.trait]}: {say_reason(finding)}"
    for remark in judgement.remarks:
        yield f"note: {remark}."


def say_given(deu: str, given: HasIdentity, parent: int, *, is_new: bool) -> list[str]:
    """Words what became of a deu: who plays now, and how to go back.

    Args:
      deu: Name.
      given: Who plays now.
      parent: Number of the generation that was judged.
      is_new: Whether the feedback made who plays now.
    """
    if not is_new:
        return [f"nothing is changed: generation {given.generation} of {deu} plays on"]
    return [
        f"{deu} plays generation {given.generation} now: the same network, played otherwise",
        f"  digest  {given.digest}",
        f"  back    amadeus deu checkout {deu}@{parent}",
    ]


def say_liked(traits: Iterable[str]) -> str:
    """Names what the network is to practise."""
    return ", ".join(TITLES.get(trait, trait) for trait in traits)


def say_difference(finding: Finding) -> str:
    """Words how the good differs, such as `darker by 0.31 octaves (sure by 98 %)`."""
    trait, known = TRAITS[finding.trait], finding.evidence
    word = trait.more if known.shift > 0 else trait.less
    return (
        f"{word} by {abs(known.shift):.3g} {trait.unit} (+-{known.error:.2g}, {say_sure(known.confidence)}, "
        f"{(1 + abs(known.overlap)) / 2:.0%} of pairs)"
    )


def say_sure(confidence: float) -> str:
    """Words a confidence, never as certainty."""
    return f"sure by {min(100 * confidence, 99.9):.3g} %"


def say_consequence(finding: Finding) -> str:
    """Words what follows from a difference."""
    turn = finding.turn
    if finding.outcome == "turned" and turn is not None:
        return f"{say_turn(turn)}{_LIMITS[turn.limit]}"
    if finding.outcome == "there":
        return "the voice is there already; nothing is turned"
    if finding.outcome == "held" and turn is not None:
        where = _LIMITS[turn.limit].removeprefix(", ")
        return f"{turn.knob} stays at {say_value(turn.knob, turn.before)}, {where}"
    if finding.outcome == "waits" and turn is not None:
        return f"earlier feedback said otherwise; {turn.knob} is turned when it is said again"
    if finding.outcome == "deaf knob":
        return "the knob for it does nothing to this voice; nothing is turned"
    if finding.outcome == "comes along":
        return "which comes with what is turned for the others"
    if finding.outcome == "one-sided":
        return "which is no reason to change anything"
    return "no knob of the player turns this"


def say_turn(turn: Turn) -> str:
    """Words a turn of a knob, such as `brightness 0 -> -0.3`."""
    before, after = (say_value(turn.knob, v) for v in (turn.before, turn.after))
    return f"{turn.knob} {before} -> {after}"


def say_value(knob: str, value: float) -> str:
    """Words the value of a knob."""
    return f"{value:.4g}{_UNITS.get(knob, '')}"


def say_reason(finding: Finding) -> str:
    """Words why nothing follows."""
    known, trait = finding.evidence, TRAITS[finding.trait]
    size = f"{known.shift:+.2g} {trait.unit}"
    if finding.outcome == "contradiction":
        return f"the regions contradict each other ({size} on the whole, {say_sure(known.confidence)})"
    if finding.outcome == "played":
        return (
            f"{known.raw_shift:+.2g} {trait.unit}, but so it is wherever this is played as loud and as high; what is "
            f"left is {size} ({say_sure(known.confidence)})"
        )
    if finding.outcome == "inaudible":
        return f"{size}, less than can be heard"
    votes = known.n_good + known.n_bad
    few = ", for there are few notes" if math.isfinite(votes) and votes < 4 else ""
    return f"{size} could be chance ({say_sure(known.confidence)}{few})"


def _side(judgement: Judgement) -> str:
    return "marked" if judgement.compared_with_rest else "good"
