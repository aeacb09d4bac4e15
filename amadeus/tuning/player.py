"""Knobs of the player turned: a new generation with the same network, at once."""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import amadeus
from amadeus.errors import AmadeusError, VoiceError
from amadeus.home import Deu, Home, explain_os_errors, write_atomically
from amadeus.journal import JOURNAL_NAME, Journal
from amadeus.personality import content, generations
from amadeus.tuning import network, request
from amadeus.tuning.plan import Plan
from amadeus.v1 import personality_pb2, practice_pb2

RESULT_NAME = "result.json"


class Tuned(NamedTuple):
    """What a tuning came to.

    Attributes:
      personality: Who plays now.
      path: Its SavedModel.
      is_new: Whether this tuning made it; false where the same tuning of the same parent was there already.
      same_as: An older generation that is the very same by its digest; 0 where there is none.
    """

    personality: personality_pb2.Personality
    path: Path
    is_new: bool
    same_as: int


def tune_player(
    home: Home, deu: Deu, plan: Plan, *, name_practice: Callable[[], str]
) -> Tuned:
    """Makes the generation that a plan describes and lets it play; nothing is changed where it cannot.

    The caller holds the deu's lock.

    Args:
      home: Where everything is kept.
      deu: Who is tuned.
      plan: Of changes of the player only, at least one.
      name_practice: Names the session; asked only if there is something to make.

    Raises:
      VoiceError: The parent is damaged.
      HomeError: Something cannot be written.
    """
    digest = network.digest_tuned(plan.parent_path, plan.parent, plan.player_profile)
    found = find_tuned(deu, plan.parent, digest)
    if found is not None:
        record(home, deu, found, plan.parent.generation, plan.changes)
        deu.point_to(found.generation)
        path = deu.voice_path(found.generation)
        return Tuned(found, path, False, 0)
    from amadeus.lineage.sessions import check_writable  # loads ML Metadata

    check_writable(home, deu)
    same_as = _find(deu, digest)
    practice = name_practice()
    practice_path = request.write_tuning(deu, practice, _request(deu, plan))
    journal = Journal(practice_path / JOURNAL_NAME)
    try:
        placed = _place(deu, plan, digest, practice)
        with _withdrawn_if_it_fails(deu, placed.generation):
            record(home, deu, placed, plan.parent.generation, plan.changes)
        deu.point_to(placed.generation)
    except AmadeusError as error:
        journal.write(
            failed=practice_pb2.PracticeFailed(text=str(error), exit_status=2)
        )
        raise
    _conclude(practice_path, journal, placed, plan)
    return Tuned(placed, deu.voice_path(placed.generation), True, same_as)


def find_tuned(
    deu: Deu, parent: personality_pb2.Personality, digest: str
) -> personality_pb2.Personality | None:
    """Finds the same tuning of the same parent: one that was killed at its end, or that a checkout has left."""
    for generation in reversed(deu.generations()):
        if generation <= parent.generation:
            break
        found = _read(deu, generation, digest)
        if found is not None and found.parent_digest == parent.digest:
            tuning = request.read_tuning(deu.practices_path / (found.practice or "-"))
            if tuning and tuning.parent_generation == parent.generation:
                return found
    return None


def record(
    home: Home,
    deu: Deu,
    personality: personality_pb2.Personality,
    parent_generation: int,
    changes: list[practice_pb2.KnobChange],
) -> None:
    """Enters a tuning into the lineage; again changes nothing.

    Raises:
      HomeError: The metadata cannot be written.
    """
    from amadeus.lineage import sessions  # loads ML Metadata

    made = sessions.Made(
        personality,
        deu.voices_path / str(personality.generation),
        parent_generation,
    )
    words = {"changes": ", ".join(say_change(change) for change in changes)}
    sessions.record_session(home, deu, made, properties=words)


def mend_record(home: Home, deu: Deu, personality: personality_pb2.Personality) -> None:
    """Enters a tuning into the lineage that was killed before it could; nothing for other generations.

    Raises:
      HomeError: The metadata cannot be written.
    """
    path = deu.practices_path / (personality.practice or "-")
    tuning = request.read_tuning(path)
    if tuning is None or request.is_feedback(path):
        return
    if request.is_of_player(tuning.changes):
        record(home, deu, personality, tuning.parent_generation, list(tuning.changes))


def say_change(change: practice_pb2.KnobChange) -> str:
    """Words a change, such as `brightness 0 -> 0.3`."""
    return f"{change.knob} {change.before} -> {change.after}"


def _place(
    deu: Deu, plan: Plan, digest: str, practice: str
) -> personality_pb2.Personality:
    child = personality_pb2.Personality()
    child.CopyFrom(plan.parent)
    child.player_profile.CopyFrom(plan.player_profile)
    child.digest, child.parent_digest = digest, plan.parent.digest
    child.practice, child.amadeus_version = practice, amadeus.__version__
    with (
        explain_os_errors(deu.voices_path),
        generations.staged(deu.voices_path) as staging,
    ):
        prepared = staging / "voice"
        network.share_network(plan.parent_path, prepared)
        return generations.place(prepared, deu.voices_path, child).personality


@contextlib.contextmanager
def _withdrawn_if_it_fails(deu: Deu, generation: int) -> Iterator[None]:
    """Takes a generation away again that the lineage could not take in: nobody was pointed to it yet."""
    try:
        yield
    except AmadeusError:
        path = deu.voices_path / str(generation)
        doomed = path.with_name(f"{generations.STAGING_PREFIX}{generation}")
        path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
        raise


def _request(deu: Deu, plan: Plan) -> practice_pb2.TuningRequest:
    try:
        recordings = request.find_recordings(deu, plan.parent)
    except AmadeusError:  # of no matter here: nobody listens to them
        recordings = practice_pb2.Recordings()
    return practice_pb2.TuningRequest(
        recordings=recordings,
        learner_profile=plan.learner_profile,
        player_profile=plan.player_profile,
        parent_generation=plan.parent.generation,
        changes=plan.changes,
    )


def _conclude(
    practice_path: Path,
    journal: Journal,
    placed: personality_pb2.Personality,
    plan: Plan,
) -> None:
    result = {
        "generation": placed.generation,
        "pushed_generation": placed.generation,
        "digest": placed.digest,
        "is_new": True,
        "metrics": dict(plan.parent.metrics),
    }
    with explain_os_errors(practice_path):
        write_atomically(practice_path / RESULT_NAME, json.dumps(result, indent=2))
        finished = practice_pb2.PracticeFinished(
            generation=placed.generation, digest=placed.digest, is_new=True
        )
        journal.write(finished=finished)


def _find(deu: Deu, digest: str) -> int:
    """Finds the oldest generation of a digest; 0 where there is none."""
    for generation in deu.generations():
        if _read(deu, generation, digest) is not None:
            return generation
    return 0


def _read(deu: Deu, generation: int, digest: str) -> personality_pb2.Personality | None:
    """Reads a generation if it has this digest; among thousands of others, which are not parsed."""
    path = deu.voices_path / str(generation)
    try:
        file = path / content.EXTRAS_FOLDER / content.PERSONALITY_NAME
        if digest.encode() not in file.read_bytes():
            return None
        found = content.read_personality(path)
    except (OSError, VoiceError):  # what is damaged is nobody's double
        return None
    found.generation = generation
    return found if found.digest == digest else None
