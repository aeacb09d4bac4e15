"""Feedback judged by a worker: takes are heard, knobs of the player turned, and it is said what the network may learn.

No pipeline is run for it, and no TFX imported. What the network is to practise is told by the journal's `Judged`; it is
a practice of its own, for whoever asked for this one.
"""

import logging
import time
from pathlib import Path
from typing import NamedTuple

from google.protobuf import json_format

from amadeus import interruption
from amadeus.errors import ConfigError, PracticeError, RecordingError
from amadeus.feedback import learning, session, words
from amadeus.feedback.history import FEEDBACK_NAME
from amadeus.feedback.judgement import Judgement
from amadeus.feedback.regions import Region
from amadeus.feedback.writing import describe, make_request
from amadeus.home import Deu
from amadeus.journal import emit
from amadeus.personality import content
from amadeus.report.session import read_message, read_session
from amadeus.v1 import personality_pb2, practice_pb2
from pipelines.place import REQUEST_NAME, Place

STEP = "Judgement"  # as the journal calls it

_log = logging.getLogger(__name__)


class _Judged(NamedTuple):
    heard: session.Heard
    judgement: Judgement


def is_asked(place: Place) -> bool:
    """Whether takes are to be judged, rather than a network taught."""
    request = read_message(place.path / REQUEST_NAME, practice_pb2.FeedbackRequest())
    return request is not None and bool(request.regions) and not request.changes


def run(place: Place) -> practice_pb2.PracticeFinished:
    """Judges takes and does what follows for the player.

    The caller holds the deu's lock.

    Raises:
      AmadeusError: A take or a region cannot be, or something cannot be written; nothing was changed.
    """
    request = _read_request(place)
    made = _made_before(place.deu, place.path, request)
    if made is not None:
        return _adopt(place, made)
    emit(component_started=practice_pb2.ComponentStarted(component=STEP))
    began_s = time.monotonic()
    judged = _judge(place, request)
    interruption.check()  # from here on it is carried out
    act = _carry_out if judged.judgement.turns else _leave
    finished = act(place, request, judged)
    duration_s = time.monotonic() - began_s
    done = practice_pb2.ComponentFinished(component=STEP, duration_s=duration_s)
    emit(component_finished=done)
    _tell(place.deu, request, judged, finished)
    return finished


def regions_of(request: practice_pb2.FeedbackRequest) -> list[Region]:
    """Reads what was marked."""
    return [
        Region(r.take_index, r.start_s, r.end_s, r.good, r.weight)
        for r in request.regions
    ]


def _read_request(place: Place) -> practice_pb2.FeedbackRequest:
    path = place.path / REQUEST_NAME
    try:
        return json_format.Parse(path.read_text(), practice_pb2.FeedbackRequest())
    except (ValueError, json_format.ParseError) as error:
        raise ConfigError(
            f"{path} is no request ({error}): give the feedback again."
        ) from error


def _judge(place: Place, request: practice_pb2.FeedbackRequest) -> _Judged:
    paths = [Path(take.uri) for take in request.takes]
    names = [take.name for take in request.takes]
    remarks = session.check_players(place.deu, paths, names)
    heard = session.hear(place.deu, paths, regions_of(request), remarks, names)
    from amadeus.voice.player import Voice  # TensorFlow

    with interruption.held_back():
        voice = Voice.load(heard.parent_path)
    interruption.check()
    judgement = session.judge_heard(place.deu, heard, voice)
    if judgement.turns:
        session.play_again(place.path, heard, judgement, voice)
    return _Judged(heard, judgement)


def _carry_out(
    place: Place, request: practice_pb2.FeedbackRequest, judged: _Judged
) -> practice_pb2.PracticeFinished:
    heard, judgement = judged
    complete = make_request(
        place.deu, heard, judgement, place.path.name, note=request.note
    )
    complete.player_only = request.player_only
    with interruption.held_back():
        placed = session.carry_out(
            place.home, place.deu, heard, judgement, place.path, note=request.note
        )
        # Last, for by its `changes` a request is told from one that waits to be carried out.
        session.write_request(place.path, complete)
        return session.write_result(place.path, placed, heard)


def _leave(
    place: Place, request: practice_pb2.FeedbackRequest, judged: _Judged
) -> practice_pb2.PracticeFinished:
    """Writes down what was found where nothing follows for the player."""
    heard, judgement = judged
    written = describe(heard, judgement, "", request.note)
    session.write_json(place.path / FEEDBACK_NAME, written)
    parent = heard.parent
    return practice_pb2.PracticeFinished(
        generation=parent.generation, digest=parent.digest
    )


def _tell(
    deu: Deu,
    request: practice_pb2.FeedbackRequest,
    judged: _Judged,
    finished: practice_pb2.PracticeFinished,
) -> None:
    heard, judgement = judged
    lines = list(words.say_judgement(judgement))
    lines += words.say_given(
        deu.name, finished, heard.parent.generation, is_new=finished.is_new
    )
    taste = {} if request.player_only else learning.find_taste(judgement)
    if taste and (reason := _why_not(deu, taste)):
        lines.append(f"the network stays as it is: {reason}")
        taste = {}
    told = practice_pb2.Judged(lines=lines, generation=finished.generation)
    told.changes.extend(
        make_request(deu, heard, judgement, practice="", note="").changes
    )
    if taste:
        told.taste.CopyFrom(learning.make_taste(taste))
    emit(judged=told)


def _why_not(deu: Deu, taste: dict[str, float]) -> str:
    """Says why the network cannot practise; empty: it can."""
    parent = content.read_personality(deu.voice_path())
    try:
        learning.make_request(deu, parent, taste, practice="")
    except (PracticeError, RecordingError) as error:
        return str(error)
    return ""


def _made_before(
    deu: Deu, path: Path, request: practice_pb2.FeedbackRequest
) -> personality_pb2.Personality | None:
    """Finds what the same feedback has made already in a practice that was killed before its last word.

    Only while it plays, or its parent does: where the deu has gone on since, the same feedback is given anew.
    """
    playing = content.read_personality(deu.voice_path()).digest
    for practice_path in reversed(deu.practices()):
        if practice_path == path or read_session(practice_path).is_over:
            continue
        other = read_message(
            practice_path / REQUEST_NAME, practice_pb2.FeedbackRequest()
        )
        if other is None or _key(other) != _key(request):
            continue
        for generation in reversed(deu.generations()):
            who = content.read_personality(deu.voices_path / str(generation))
            is_recent = playing in (who.digest, who.parent_digest)
            if is_recent and who.practice == practice_path.name:
                return who
    return None


def _key(request: practice_pb2.FeedbackRequest) -> tuple[object, ...]:
    takes = tuple(take.digest for take in request.takes)
    marked = tuple(r.SerializeToString(deterministic=True) for r in request.regions)
    return takes, marked, request.note


def _adopt(
    place: Place, made: personality_pb2.Personality
) -> practice_pb2.PracticeFinished:
    from amadeus import lineage  # ML Metadata

    _log.info("generation %s was made before the worker was killed", made.generation)
    lineage.repair(place.home, place.deu)
    place.deu.point_to(made.generation)
    line = f"generation {made.generation}, which was made of this feedback before an interruption, plays now"
    emit(judged=practice_pb2.Judged(lines=[line], generation=made.generation))
    return practice_pb2.PracticeFinished(
        generation=made.generation, digest=made.digest, is_new=True
    )
