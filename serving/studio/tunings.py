"""Tunings in a studio: checked at the door, and when their turn comes either done at once or given to a worker.

Knobs of the player are turned by the studio itself, which takes less than a second; knobs of the learner make a
practice with the recordings that the studio has of the voice's own.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import NamedTuple

import grpc

from amadeus.cli.practice import new_practice_id
from amadeus.errors import AmadeusError, ConfigError
from amadeus.home import Deu, Home
from amadeus.journal import JOURNAL_NAME, Journal
from amadeus.personality import content
from amadeus.tuning import learner, player, request
from amadeus.tuning.plan import Plan, make_plan
from amadeus.tuning.wish import Wish, check_wish
from amadeus.v1 import practice_pb2, session_pb2
from serving.studio.outcomes import last_word
from serving.studio.sessions import Session
from serving.studio.status import StatusError

_KEPT = re.compile(r"[0-9a-f]{64}")


class Asked(NamedTuple):
    """A tuning that was found fit.

    Attributes:
      plan: What it comes to as things stand now.
      recordings: Those it will use of the studio's, so that they are kept until then.
    """

    plan: Plan
    recordings: list[session_pb2.RecordingInfo]


def is_tuning(configuration: session_pb2.PracticeConfiguration) -> bool:
    """Whether knobs are to be turned."""
    return configuration.WhichOneof("kind") == "tuning"


def check(asked: session_pb2.PracticeConfiguration, home: Home) -> Asked:
    """Checks a tuning at the door, as far as can be known before its turn.

    Raises:
      StatusError: It declares what only an imitation has.
      ConfigError: A knob is unknown or out of range, or none is named.
      NotHeldError: There is no such deu, or it has no voice.
      RecordingError: The recordings that it needs are gone.
      PracticeError: The voice was not taught here.
      VoiceError: The voice is damaged.
    """
    if asked.recordings or asked.HasField("learner_profile"):
        raise StatusError(
            grpc.StatusCode.INVALID_ARGUMENT,
            "a tuning was sent with recordings or a learner_profile of its own: put knobs into `tuning`, and leave the "
            "others to imitations.",
        )
    if asked.tuning.generation < 0:
        raise StatusError(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"generation is {asked.tuning.generation}: name one from 1, or 0 for the one that plays.",
        )
    deu = home.deu(asked.deu)
    with _told_to_strangers(deu, home):
        plan = _plan(deu, asked.tuning)
        if not plan.learns:
            return Asked(plan, [])
        recordings = learner.make_request(deu, plan).recordings
    return Asked(plan, _infos(recordings, home))


@contextlib.contextmanager
def _told_to_strangers(deu: Deu, home: Home) -> Iterator[None]:
    """Tells nothing of where things lie."""
    try:
        yield
    except AmadeusError as error:
        raise type(error)(hide_places(str(error), deu, home)) from error


def hide_places(text: str, deu: Deu, home: Home) -> str:
    """Calls recordings by their names, and the home by what it is."""
    with contextlib.suppress(AmadeusError):
        who = content.read_personality(deu.voice_path())
        recordings = request.find_recordings(deu, who)
        for uri, name in zip(recordings.uri, _names(recordings), strict=True):
            text = text.replace(uri, name)
    return text.replace(str(home.path), "the studio's home")


def turn(
    session: Session, deu: Deu, home: Home, name_practice: Callable[[], str]
) -> int:
    """Turns knobs of the player at once, and tells the session's story; hands back the generation that plays.

    The caller holds the deu's lock.

    Args:
      session: The session.
      deu: Who is tuned.
      home: Where everything is kept.
      name_practice: Names the practice, having noted it down with the session; asked only if one is made.

    Raises:
      AmadeusError: It cannot be done, and nothing was changed.
    """
    with _told_to_strangers(deu, home):
        plan = _plan(deu, session.configuration.tuning)
        if plan.changes:
            tuned = player.tune_player(home, deu, plan, name_practice=name_practice)
            who, is_told = tuned.personality, tuned.is_new
        else:
            player.mend_record(home, deu, plan.parent)
            who = plan.parent
            # Done and told, if a studio that did it has died since.
            is_told = any(last_word(path) for path in session.practice_paths(home))
        if not is_told:
            finished = practice_pb2.PracticeFinished(
                generation=who.generation, digest=who.digest
            )
            _journal(session, home).write(finished=finished)
        return who.generation


def _journal(session: Session, home: Home) -> Journal:
    """Begins the last journal of a session: of a practice that was killed before it said a word, or else its own."""
    begun = [path for path in session.practice_paths(home) if path.is_dir()]
    return Journal((begun[-1] if begun else session.path) / JOURNAL_NAME)


def write_request(session: Session, deu: Deu, home: Home, beam_args: list[str]) -> Path:
    """Makes the practice of a tuning of the learner; one that is taken up again is the same as before.

    Raises:
      AmadeusError: It cannot be.
    """
    for path in reversed(session.practice_paths(home)):
        earlier = request.read_tuning(path)
        if earlier is not None:
            return request.write_tuning(deu, new_practice_id(), earlier)
    with _told_to_strangers(deu, home):
        plan = _plan(deu, session.configuration.tuning)
        tuning = learner.make_request(deu, plan, beam_args)
    return request.write_tuning(deu, new_practice_id(), tuning)


def needs_worker(session: Session, deu: Deu, home: Home) -> bool:
    """Whether a worker has to do it.

    Raises:
      AmadeusError: It cannot be done any more.
    """
    for path in session.practice_paths(home):
        begun = request.read_tuning(path)
        if begun is not None and not request.is_of_player(begun.changes):
            return True  # a worker has begun
    with _told_to_strangers(deu, home):
        return _plan(deu, session.configuration.tuning).learns


def _plan(deu: Deu, tuning: session_pb2.TuningConfiguration) -> Plan:
    wish = Wish(
        tuning.player_profile, tuning.learner_profile, frozenset(tuning.default_knobs)
    )
    if not (wish.names_player or wish.names_learner or wish.defaults):
        raise ConfigError(
            "the tuning names no knob: give values in player_profile or learner_profile, or names in default_knobs."
        )
    check_wish(wish)
    return make_plan(deu, wish, tuning.generation or None)


def _infos(
    recordings: practice_pb2.Recordings, home: Home
) -> list[session_pb2.RecordingInfo]:
    """Declares those recordings that lie with the studio's own, which would be forgotten otherwise."""
    infos = []
    for uri, name in zip(recordings.uri, _names(recordings), strict=True):
        path = Path(uri)
        if path.parent == home.recordings_path and _KEPT.fullmatch(path.stem):
            infos.append(
                session_pb2.RecordingInfo(
                    name=name, byte_size=path.stat().st_size, sha256=path.stem
                )
            )
    return infos


def _names(recordings: practice_pb2.Recordings) -> list[str]:
    return list(recordings.name) or [PurePath(uri).name for uri in recordings.uri]
