"""Knobs of the learner turned: the earlier practice again, with its recordings."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from amadeus.home import Deu
from amadeus.personality import profiles
from amadeus.tuning import cost, network, request
from amadeus.tuning.plan import Plan
from amadeus.v1 import practice_pb2


def make_request(
    deu: Deu, plan: Plan, beam_args: Sequence[str] = ()
) -> practice_pb2.TuningRequest:
    """Describes the practice that a plan needs, having looked whether it can be.

    Raises:
      PracticeError: What the voice was taught with was not kept here.
      RecordingError: Its recordings are gone.
      VoiceError: The voice is damaged.
    """
    recordings = request.find_recordings(deu, plan.parent)
    request.check_recordings(deu, plan.parent.generation, recordings)
    network.digest_tuned(plan.parent_path, plan.parent, plan.player_profile)
    return practice_pb2.TuningRequest(
        recordings=recordings,
        learner_profile=plan.learner_profile,
        player_profile=profiles.complete_player_profile(plan.player_profile),
        beam_arg=beam_args,
        parent_generation=plan.parent.generation,
        changes=plan.changes,
    )


def write_request(
    deu: Deu, tuning: practice_pb2.TuningRequest, *, practice: str
) -> Path:
    """Makes the folder of the practice, and returns it."""
    return request.write_tuning(deu, practice, tuning)


def say_outlook(plan: Plan) -> Iterator[str]:
    """Says what will run anew, and whether training goes on from the parent or begins from nothing."""
    turned = [c.knob for c in plan.changes if c.profile == "learner"]
    since = cost.cost_of_all(turned).since
    kept = cost.COMPONENTS[: cost.COMPONENTS.index(since)]
    if kept:
        yield f"{since} and what follows it run anew; {' and '.join(kept)} should come from the cache"
    else:
        yield "all of its practice runs anew"
    before = profiles.complete_learner_profile(plan.parent.learner_profile)
    in_the_way = cost.obstacles(before, plan.learner_profile)
    if not in_the_way:
        yield f"training starts warm, from generation {plan.parent.generation}"
        return
    first, *others = in_the_way
    also = f", as do {', '.join(others)}" if others[1:] else ""
    also = f", as does {others[0]}" if len(others) == 1 else also
    has, wants = (
        profiles.spell(profile, first, getattr(profile, first))
        for profile in (before, plan.learner_profile)
    )
    yield (
        f"training starts from nothing: {first}={wants} makes another network than generation "
        f"{plan.parent.generation} has with {first}={has}{also}"
    )
