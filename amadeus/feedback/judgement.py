"""What follows from marked takes: what is known of each trait, which knobs are turned, and why others are not."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from amadeus.feedback import calibration, evidence, steps
from amadeus.feedback.calibration import Answer
from amadeus.feedback.evidence import Evidence
from amadeus.feedback.regions import Region, say_region
from amadeus.feedback.steps import Memory, Turn
from amadeus.feedback.takes import Take
from amadeus.feedback.traits import TRAITS
from amadeus.play.perform import Voice
from amadeus.v1 import profiles_pb2

Outcome = Literal[
    "turned",
    "there",
    "unsure",
    "contradiction",
    "played",
    "inaudible",
    "no knob",
    "comes along",
    "deaf knob",
    "held",
    "waits",
    "one-sided",
]


_MOST = (
    0.5  # of a difference; what is explained by more than that has no cause of its own
)
_OF_LIMIT: dict[str, Outcome] = {
    "reach": "held",
    "range": "held",
    "earlier": "waits",
}


class Finding(NamedTuple):
    """What is known of one trait and what was done about it.

    Attributes:
      trait: Its name.
      evidence: How the good regions differ from the bad.
      outcome: What follows.
      turn: Of a knob; None where none was turned.
      sensitivity: How the trait answered to the knob, for one step of its scale; NaN where it was not measured.
    """

    trait: str
    evidence: Evidence
    outcome: Outcome
    turn: Turn | None = None
    sensitivity: float = float("nan")


class Judgement(NamedTuple):
    """What follows from marked takes.

    Attributes:
      findings: Of each trait that could be told, the surest first.
      remarks: What can and cannot be concluded, a sentence each.
      player_profile: How it will play; as before where nothing follows.
      memories: What later feedback needs to know of each knob.
      compared_with_rest: Whether one side is not marked at all, so that the rest of the take stood in for it.
    """

    findings: list[Finding]
    remarks: list[str]
    player_profile: profiles_pb2.PlayerProfile
    memories: dict[str, Memory]
    compared_with_rest: bool

    @property
    def turns(self) -> list[Turn]:
        """The knobs that are turned."""
        return [
            f.turn for f in self.findings if f.turn and f.turn.after != f.turn.before
        ]


def judge(
    takes: Sequence[Take],
    regions: Sequence[Region],
    *,
    voice: Voice,
    player_profile: profiles_pb2.PlayerProfile,
    memories: Mapping[str, Memory] | None = None,
) -> Judgement:
    """Finds what the good regions have and the bad ones lack, and turns the knobs that it supports.

    Args:
      takes: At least one.
      regions: Within them, not overlapping.
      voice: Who plays now; it is played to learn how it answers to its knobs.
      player_profile: How it plays now, complete.
      memories: Of earlier feedback.
    """
    remarks, sounding = _hear_regions(takes, regions)
    sides = {region.is_good for region in sounding}
    one_sided = len(sides) == 1
    compared = [*sounding, *_rest(takes, regions)] if one_sided else sounding
    weighed = evidence.weigh([take.blocks for take in takes], compared)
    remarks += _say_sides(sounding, weighed)
    changed: dict[str, Memory] = dict(memories or {})
    findings = []
    explained: list[tuple[Answer, float]] = []
    for trait, known in sorted(weighed.items(), key=_plainness, reverse=True):
        if one_sided:
            findings.append(Finding(trait, known, "one-sided"))
            continue
        if not known.is_supported:
            findings.append(Finding(trait, known, _why_not(known)))
            continue
        left = _left_over(trait, known.shift, explained)
        if not left:
            findings.append(Finding(trait, known, "comes along"))
            continue
        finding, answer = _follow(
            trait, known, left, takes, sounding, voice, player_profile, changed
        )
        if finding.turn is not None:
            changed[finding.turn.knob] = finding.turn.memory
            explained.append((answer, known.shift * left / finding.sensitivity))
        findings.append(finding)
    findings.sort(key=lambda f: (-f.evidence.is_supported, -f.evidence.confidence))
    turned = {
        f.turn.knob: f.turn.after
        for f in findings
        if f.turn and f.turn.after != f.turn.before
    }
    profile = steps.with_values(player_profile, turned)
    return Judgement(findings, remarks, profile, changed, one_sided)


def _hear_regions(
    takes: Sequence[Take], regions: Sequence[Region]
) -> tuple[list[str], list[Region]]:
    remarks, sounding = [], []
    for region in regions:
        inside = takes[region.take].blocks.inside(region.start_s, region.end_s)
        if inside.any():
            sounding.append(region)
            continue
        remarks.append(
            f"{say_region(region, n_takes=len(takes))} holds no note that can be told (silence, noise or several notes "
            "at once): it says nothing"
        )
    return remarks, sounding


def _rest(takes: Sequence[Take], regions: Sequence[Region]) -> list[Region]:
    """What is not marked, as regions of the other side."""
    if not regions:
        return []
    other = not regions[0].is_good
    rest = []
    for number, take in enumerate(takes):
        start_s = 0.0
        marked = sorted(r[1:3] for r in regions if r.take == number)
        for begin_s, end_s in [*marked, (take.duration_s, take.duration_s)]:
            if begin_s - start_s > 0.1:
                rest.append(Region(number, start_s, begin_s, other))
            start_s = end_s
    return rest


def _say_sides(
    sounding: Sequence[Region], weighed: Mapping[str, Evidence]
) -> list[str]:
    n_good = sum(region.is_good for region in sounding)
    n_bad = len(sounding) - n_good
    if not sounding:
        return ["no marked region can be judged: nothing is concluded"]
    if not n_good or not n_bad:
        has, lacks = ("good", "bad") if n_good else ("bad", "good")
        return [
            f"only {has} regions can be judged: they say how they differ from the rest of the take, not what should "
            f"change; mark a {lacks} one too"
        ]
    if n_good == n_bad == 1 and not any(e.is_supported for e in weighed.values()):
        return [
            "one good and one bad region: only a large difference can be told from chance; mark more of both, a few "
            "notes each"
        ]
    return []


def _plainness(item: tuple[str, Evidence]) -> tuple[bool, float]:
    """How plainly a difference is heard: the plainest that a knob turns is explained first, and explains others."""
    trait, known = item
    return bool(TRAITS[trait].knob), abs(known.shift) / TRAITS[trait].audible


def _left_over(
    trait: str, shift: float, explained: Sequence[tuple[Answer, float]]
) -> float:
    """Share of a difference that knobs turned for plainer ones do not bring along; 0 where nothing is left to hear.

    Args:
      trait: Its name.
      shift: The difference.
      explained: How the voice answers to each knob that is turned, and how far apart good and bad are on its scale.
    """
    left = shift - sum(
        answer.sensitivities.get(trait, 0.0) * way for answer, way in explained
    )
    least = max(TRAITS[trait].audible, _MOST * abs(shift))
    if left * shift <= 0 or abs(left) < least:
        return 0.0
    return min(left / shift, 1.0)


def _follow(
    trait: str,
    known: Evidence,
    left: float,
    takes: Sequence[Take],
    regions: Sequence[Region],
    voice: Voice,
    profile: profiles_pb2.PlayerProfile,
    memories: Mapping[str, Memory],
) -> tuple[Finding, Answer]:
    """Turns the knob of a trait, for the share of the difference that is left, and says how the voice answers."""
    statistics = voice.personality.statistics
    knob = calibration.choose_knob(trait, profile, statistics)
    if not knob:
        return Finding(trait, known, "no knob"), Answer("", {})
    answer = calibration.measure(voice, profile, knob)
    if not answer.moves(trait):
        return Finding(trait, known, "deaf knob"), answer
    sensitivity = answer.sensitivities[trait]
    value = calibration.knob_value(knob, profile, statistics)
    wanted = left * _wanted(known, knob, value, sensitivity, takes, regions, voice)
    turned = steps.turn(
        knob, value, wanted=wanted, sensitivity=sensitivity, memory=memories.get(knob)
    )
    outcome: Outcome = "turned"
    if turned.after == turned.before:
        outcome = _OF_LIMIT.get(turned.limit, "there")
    return Finding(trait, known, outcome, turned, sensitivity), answer


def _why_not(known: Evidence) -> Outcome:
    if known.contradicts:
        return "contradiction"
    if known.goes_with_playing:
        return "played"
    if not known.is_audible and known.confidence >= 1 - evidence.DOUBT:
        return "inaudible"
    return "unsure"


def _wanted(
    known: Evidence,
    knob: str,
    value: float,
    sensitivity: float,
    takes: Sequence[Take],
    regions: Sequence[Region],
    voice: Voice,
) -> float:
    """How far the voice as it plays now is from the good, in the unit of the trait; never away from it.

    A take that was played with the knob elsewhere would sound otherwise today: by its sensitivity, for all we know.
    """
    here = steps.place(knob, value)

    def moved(is_good: bool) -> float:
        places, weights = [], []
        for region in regions:
            if region.is_good != is_good:
                continue
            played = takes[region.take].player_profile
            if played is None:
                there = here
            else:
                there = steps.place(
                    knob,
                    calibration.knob_value(knob, played, voice.personality.statistics),
                )
            blocks = takes[region.take].blocks
            n_notes = int(blocks.inside(region.start_s, region.end_s).sum())
            places.append(here - there)
            weights.append(region.weight * evidence.votes(n_notes))
        return sensitivity * float(np.average(places, weights=weights))

    now = (known.good + moved(True) + known.bad + moved(False)) / 2
    wanted = known.good - now
    return wanted if wanted * known.shift > 0 else 0.0
