"""Feedback in a studio: checked at the door, listened to, judged by a worker, and learned from by another.

The first practice of a session judges its takes and turns knobs of the player; where something is liked that the
network can learn, a second one follows in the same session, in the queue like any other. Cancelling takes back what the
first one did.
"""

from collections.abc import Sequence
from pathlib import Path

import grpc

from amadeus.cli.practice import new_practice_id
from amadeus.errors import ConfigError
from amadeus.feedback import regions
from amadeus.feedback.regions import Region
from amadeus.home import Deu, Home
from amadeus.journal import JOURNAL_NAME, read_journal
from amadeus.personality import content
from amadeus.report.session import read_message
from amadeus.tuning.request import REQUEST_NAME
from amadeus.v1 import practice_pb2, profiles_pb2, session_pb2
from serving.studio.sessions import Session
from serving.studio.status import StatusError

MAX_REGIONS = 1_000
MAX_NOTE_CHARACTERS = 500
MINUTES = 1.0  # of practice where nobody says how many


def is_feedback(configuration: session_pb2.PracticeConfiguration) -> bool:
    """Whether takes are to be judged."""
    return configuration.WhichOneof("kind") == "feedback"


def check(
    asked: session_pb2.PracticeConfiguration,
    takes: Sequence[session_pb2.RecordingInfo],
    home: Home,
) -> session_pb2.FeedbackConfiguration:
    """Checks feedback at the door, as far as can be known before its takes are there.

    Returns:
      The feedback with nothing left open.

    Raises:
      StatusError: It declares what only an imitation has, or too much.
      ConfigError: A region cannot be, or a take is named twice.
      NotHeldError: There is no such deu, or it has no voice.
    """
    if asked.HasField("learner_profile"):
        raise _invalid(
            "feedback was sent with a learner_profile: say training_minutes or step_count in `feedback`, and leave the "
            "profile to imitations."
        )
    home.deu(asked.deu).voice_path()
    feedback = settle(asked.feedback)
    _check_marks(feedback, takes)
    if len(feedback.note) > MAX_NOTE_CHARACTERS:
        raise _invalid(
            f"the note has {len(feedback.note)} characters: say it in {MAX_NOTE_CHARACTERS}."
        )
    if not 0 <= feedback.training_minutes < float("inf") or feedback.step_count < 0:
        raise _invalid(
            f"training_minutes={feedback.training_minutes:g} and step_count={feedback.step_count} cannot be: give one "
            "of them, above 0."
        )
    return feedback


def settle(
    asked: session_pb2.FeedbackConfiguration,
) -> session_pb2.FeedbackConfiguration:
    """Fills what is left open."""
    settled = session_pb2.FeedbackConfiguration()
    settled.CopyFrom(asked)
    settled.training_minutes = asked.training_minutes or MINUTES
    for region in settled.regions:
        region.weight = region.weight or 1.0
    return settled


def effort_of(
    feedback: session_pb2.FeedbackConfiguration,
) -> profiles_pb2.LearnerProfile:
    """Says how long the network is to practise, for a studio that allows so much."""
    if feedback.player_only:
        return profiles_pb2.LearnerProfile()
    return profiles_pb2.LearnerProfile(
        training_minutes=feedback.training_minutes, step_count=feedback.step_count
    )


def listen(session: Session, home: Home, paths: Sequence[Path]) -> None:
    """Listens to takes before they are judged; for the coach's process.

    Raises:
      AmadeusError: A take or a region cannot be judged.
    """
    from amadeus.feedback import session as sessions  # numpy and the decoders

    configuration = session.configuration
    deu = home.deu(configuration.deu)
    names = [info.name for info in configuration.recordings]
    sessions.check_players(deu, paths, names)
    marked = [_region(region) for region in configuration.feedback.regions]
    sessions.hear(deu, paths, marked, [], names)


def write_request(
    session: Session, deu: Deu, home: Home, paths: Sequence[Path], beam_args: list[str]
) -> Path:
    """Makes the next practice of a session: of its takes, or of its network once these are judged.

    Raises:
      AmadeusError: It cannot be.
    """
    taste = _find_taste(session.practice_paths(home))
    asked = (
        _judging(session, deu, paths)
        if taste is None
        else _learning(session, deu, taste, beam_args)
    )
    from amadeus.feedback import learning

    return learning.write_request(deu, asked)


def goes_on(session: Session, practice_path: Path) -> bool:
    """Whether the network is to practise now that a practice of a session is over."""
    return is_feedback(session.configuration) and _read_taste(practice_path) is not None


def take_back(session: Session, home: Home) -> None:
    """Lets play again who played before a feedback that is cancelled: all of it is done, or nothing.

    The knobs may have been turned already while the network had yet to practise. That generation stays, as any does
    that nobody plays, and can be checked out; where somebody chose another meanwhile, his choice stands.
    """
    deu = session.deu_in(home)
    if not is_feedback(session.configuration) or not deu.current_generation():
        return
    playing = content.read_personality(deu.voice_path())
    if playing.practice not in session.standing.practices:
        return
    path = deu.practices_path / playing.practice / REQUEST_NAME
    request = read_message(path, practice_pb2.FeedbackRequest())
    if request is not None and request.parent_generation in deu.generations():
        deu.point_to(request.parent_generation)


def say_failure(session: Session, text: str) -> str:
    """Says why a session failed, and what it has done nonetheless."""
    n_practices = len(session.standing.practices)
    if not is_feedback(session.configuration) or n_practices < 2:
        return text
    return f"the knobs are as the feedback wants them, but the network stays as it is: {text}"


def _judging(
    session: Session, deu: Deu, paths: Sequence[Path]
) -> practice_pb2.FeedbackRequest:
    configuration = session.configuration
    from amadeus.feedback.writing import recordings_of

    who = content.read_personality(deu.voice_path())
    takes = [
        practice_pb2.JudgedTake(name=info.name, uri=str(path), digest=info.sha256)
        for info, path in zip(configuration.recordings, paths, strict=True)
    ]
    return practice_pb2.FeedbackRequest(
        deu=deu.name,
        practice=new_practice_id(),
        recordings=recordings_of(deu, who),
        learner_profile=who.learner_profile,
        parent_generation=who.generation,
        takes=takes,
        regions=configuration.feedback.regions,
        note=configuration.feedback.note,
        player_only=configuration.feedback.player_only,
    )


def _learning(
    session: Session, deu: Deu, taste: practice_pb2.Taste, beam_args: list[str]
) -> practice_pb2.FeedbackRequest:
    from amadeus.feedback import learning

    feedback = session.configuration.feedback
    asked = learning.make_request(
        deu,
        content.read_personality(deu.voice_path()),
        {liked.trait: liked.preference for liked in taste.traits},
        practice=new_practice_id(),
        minutes=feedback.training_minutes,
        step_count=feedback.step_count,
        note=feedback.note,
    )
    asked.beam_arg.extend(beam_args)
    return asked


def _find_taste(practice_paths: Sequence[Path]) -> practice_pb2.Taste | None:
    found = (_read_taste(path) for path in reversed(practice_paths))
    return next((taste for taste in found if taste is not None), None)


def _read_taste(practice_path: Path) -> practice_pb2.Taste | None:
    """Reads what the network is to practise; None where a practice did not end with that."""
    events = read_journal(practice_path / JOURNAL_NAME)
    if not events or events[-1].WhichOneof("event") != "finished":
        return None
    told = [event.judged for event in events if event.HasField("judged")]
    return told[-1].taste if told and told[-1].HasField("taste") else None


def _check_marks(
    feedback: session_pb2.FeedbackConfiguration,
    takes: Sequence[session_pb2.RecordingInfo],
) -> None:
    if not feedback.regions:
        raise _invalid(
            "nothing is marked: name regions that were good and regions that were bad."
        )
    if len(feedback.regions) > MAX_REGIONS:
        raise _invalid(
            f"{len(feedback.regions)} regions are marked, and at most {MAX_REGIONS} are taken: mark what matters most."
        )
    digests = [info.sha256 for info in takes]
    twice = [info.name for info in takes if digests.count(info.sha256) > 1]
    if twice:
        raise ConfigError(f"{twice[0]} is sent twice: send each take once.")
    for asked in feedback.regions:
        region = _region(asked)
        regions.check_region(region)
        if region.take >= len(takes):
            raise ConfigError(
                f"a region names take {region.take + 1} and {len(takes)} are declared: declare each as a recording."
            )


def _region(region: practice_pb2.JudgedRegion) -> Region:
    return Region(
        region.take_index, region.start_s, region.end_s, region.good, region.weight
    )


def _invalid(text: str) -> StatusError:
    return StatusError(grpc.StatusCode.INVALID_ARGUMENT, text)
