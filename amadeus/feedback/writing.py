"""What a feedback session leaves in writing: its request, its findings, and what ML Metadata is told of it."""

from typing import TYPE_CHECKING, Any

from amadeus.errors import AmadeusError
from amadeus.feedback import regions, steps
from amadeus.feedback.judgement import Finding, Judgement
from amadeus.feedback.words import say_judgement, say_turn
from amadeus.home import Deu
from amadeus.tuning import request
from amadeus.v1 import personality_pb2, practice_pb2

if TYPE_CHECKING:
    from amadeus.feedback.session import Heard


def make_request(
    deu: Deu, heard: "Heard", judgement: Judgement, practice: str, note: str
) -> practice_pb2.FeedbackRequest:
    """What was asked, and which knobs follow from it."""
    return practice_pb2.FeedbackRequest(
        deu=deu.name,
        practice=practice,
        recordings=recordings_of(deu, heard.parent),
        learner_profile=heard.parent.learner_profile,
        parent_generation=heard.parent.generation,
        player_profile=judgement.player_profile,
        changes=[
            practice_pb2.KnobChange(
                profile="player",
                knob=turn.knob,
                before=f"{turn.before:g}",
                after=f"{turn.after:g}",
            )
            for turn in judgement.turns
        ],
        takes=[
            practice_pb2.JudgedTake(
                name=take.name,
                uri=str(path),
                digest=take.digest,
                personality_digest=take.record.digest if take.record else "",
                generation=take.record.generation if take.record else 0,
            )
            for path, take in zip(heard.paths, heard.takes, strict=True)
        ],
        regions=[
            practice_pb2.JudgedRegion(
                take_index=region.take,
                start_s=region.start_s,
                end_s=region.end_s,
                good=region.is_good,
                weight=region.weight,
            )
            for region in heard.regions
        ],
        note=note,
    )


def describe(
    heard: "Heard", judgement: Judgement, digest: str, note: str = ""
) -> dict[str, Any]:
    """What a session heard and concluded, as JSON has it.

    Args:
      heard: What was heard.
      judgement: What follows.
      digest: Of the generation that came of it; empty without one.
      note: What the ama said.
    """
    return {
        "digest": digest,
        "parent_digest": heard.parent.digest,
        "note": note,
        "takes": [
            {"name": take.name, "sha256": take.digest, "duration_s": take.duration_s}
            for take in heard.takes
        ],
        "regions": [region._asdict() for region in heard.regions],
        "findings": [_describe_finding(finding) for finding in judgement.findings],
        "remarks": judgement.remarks,
        "text": list(say_judgement(judgement)),
        "memories": steps.remember(judgement.memories),
    }


def describe_properties(
    heard: "Heard", judgement: Judgement, note: str
) -> dict[str, str]:
    """What ML Metadata is told of a session: takes by content, regions, conclusions, changes."""
    n_takes = len(heard.takes)
    return {
        "takes": ", ".join(f"{t.name} sha256:{t.digest}" for t in heard.takes),
        "regions": ", ".join(
            f"{regions.say_region(region, n_takes=n_takes)} x {region.weight:g}"
            for region in heard.regions
        ),
        "conclusions": "\n".join(say_judgement(judgement)),
        "changes": ", ".join(say_turn(turn) for turn in judgement.turns),
        "note": note,
    }


def _describe_finding(finding: Finding) -> dict[str, Any]:
    known = {
        key: value if isinstance(value, bool) else round(value, 6)
        for key, value in finding.evidence._asdict().items()
    }
    turn = finding.turn
    return {
        "trait": finding.trait,
        "outcome": finding.outcome,
        **known,
        "turn": turn
        and {
            "knob": turn.knob,
            "before": turn.before,
            "after": turn.after,
            "limit": turn.limit,
            "sensitivity": finding.sensitivity,
        },
    }


def recordings_of(
    deu: Deu, parent: personality_pb2.Personality
) -> practice_pb2.Recordings:
    """Finds what a generation learned from; nothing where that is not known any more."""
    try:
        return request.find_recordings(deu, parent)
    except AmadeusError:  # the player alone does not need them
        return practice_pb2.Recordings()
