"""What a client asks to practise, checked at the door."""

import contextlib
import re
import shutil
from collections.abc import Sequence

import grpc

from amadeus.cli.practice import MIN_FREE_BYTES
from amadeus.errors import NotHeldError
from amadeus.home import Home
from amadeus.personality.profiles import complete_learner_profile
from amadeus.v1 import profiles_pb2, session_pb2
from serving.studio import feedbacks, tunings
from serving.studio.practice_limits import PracticeLimits
from serving.studio.recordings import RecordingStore, check_recordings
from serving.studio.sessions import SESSION_ID_PATTERN, Session, State, new_session_id
from serving.studio.status import StatusError

REASON_NOT_HELD = "SESSION_NOT_HELD"
REASON_FULL = "SESSIONS_FULL"  # try again later

_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
_WAITING = {State.UPLOADING, State.LISTENING, State.QUEUED}


def check_session_id(session_id: str) -> None:
    """Refuses what cannot name a session.

    Raises:
      StatusError: It is too long or has other signs.
    """
    if not SESSION_ID_PATTERN.fullmatch(session_id):
        raise StatusError(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"{session_id[:80]!r} cannot name a session: use up to 64 of a-z, 0-9 and -, or leave it empty.",
        )


def not_held(session_id: str) -> StatusError:
    """Says that there is no such session."""
    return StatusError(
        grpc.StatusCode.NOT_FOUND,
        f"this studio holds no session {session_id!r}: begin one with a deu and recordings, or list those there are.",
        REASON_NOT_HELD,
        {"session_id": session_id},
    )


def complete(
    asked: session_pb2.PracticeConfiguration, home: Home, limits: PracticeLimits
) -> session_pb2.PracticeConfiguration:
    """Checks what is asked of a new session, and fills what was left open.

    Raises:
      StatusError: Something is missing, or beyond a limit.
      ConfigError: The deu's name or the learner profile cannot work.
      AmadeusError: A tuning or a feedback cannot be; see `tunings.check` and `feedbacks.check`.
    """
    if tunings.is_tuning(asked):
        return _complete_tuning(asked, home, limits)
    if feedbacks.is_feedback(asked):
        return _complete_feedback(asked, home, limits)
    if not asked.deu and not asked.recordings:
        if asked.session_id:
            raise not_held(asked.session_id)
        raise StatusError(
            grpc.StatusCode.INVALID_ARGUMENT,
            "the configuration is empty: name a session to attach to, or a deu and recordings to begin one.",
        )
    with contextlib.suppress(NotHeldError):  # it is made when its turn comes
        home.deu(asked.deu)
    profile = complete_learner_profile(asked.learner_profile)
    _check_effort(profile, limits)
    return session_pb2.PracticeConfiguration(
        session_id=asked.session_id or new_session_id(),
        deu=asked.deu,
        learner_profile=profile,
        recordings=check_recordings(asked.recordings, limits),
    )


def _complete_tuning(
    asked: session_pb2.PracticeConfiguration, home: Home, limits: PracticeLimits
) -> session_pb2.PracticeConfiguration:
    plan, recordings = tunings.check(asked, home)
    if plan.learns:
        _check_effort(plan.learner_profile, limits)
    return session_pb2.PracticeConfiguration(
        session_id=asked.session_id or new_session_id(),
        deu=asked.deu,
        recordings=recordings,
        tuning=asked.tuning,
    )


def _complete_feedback(
    asked: session_pb2.PracticeConfiguration, home: Home, limits: PracticeLimits
) -> session_pb2.PracticeConfiguration:
    recordings = check_recordings(asked.recordings, limits)
    feedback = feedbacks.check(asked, recordings, home)
    _check_effort(feedbacks.effort_of(feedback), limits)
    return session_pb2.PracticeConfiguration(
        session_id=asked.session_id or new_session_id(),
        deu=asked.deu,
        recordings=recordings,
        feedback=feedback,
    )


def check_same(
    known: Session, asked: session_pb2.PracticeConfiguration, limits: PracticeLimits
) -> None:
    """Refuses to attach to a session that was made with other settings; what is left empty is not compared.

    Raises:
      StatusError: They differ.
      ConfigError: The learner profile cannot work.
    """
    held = known.configuration
    others = []
    if asked.deu and asked.deu != held.deu:
        others.append(f"is of deu {held.deu!r}")
    if tunings.is_tuning(asked) and asked.tuning != held.tuning:
        others.append("turns other knobs")
    if (
        feedbacks.is_feedback(asked)
        and feedbacks.settle(asked.feedback) != held.feedback
    ):
        others.append("judges otherwise")
    if asked.HasField("learner_profile"):
        profile = complete_learner_profile(asked.learner_profile)
        others += _differences(profile, held.learner_profile)
    if asked.recordings:
        recordings = check_recordings(asked.recordings, limits)
        if recordings != list(held.recordings):
            others.append("has other recordings")
    if others:
        raise StatusError(
            grpc.StatusCode.ALREADY_EXISTS,
            f"session {known.session_id!r} {others[0]}: choose another session_id, or send only this one to attach.",
        )


def check_room(
    asked: session_pb2.PracticeConfiguration,
    sessions: Sequence[Session],
    *,
    home: Home,
    recordings: RecordingStore,
    limits: PracticeLimits,
) -> None:
    """Refuses a session for which there is no room now.

    Raises:
      StatusError: As many as allowed are open, or the disk is too full.
    """
    live = [session for session in sessions if not session.state.is_over]
    n_deu = sum(session.configuration.deu == asked.deu for session in live)
    n_waiting = sum(session.state in _WAITING for session in live)
    for count, limit, what in (
        (n_deu, limits.sessions_per_deu, f"sessions of deu {asked.deu!r} are open"),
        (n_waiting, limits.queued, "sessions send recordings or wait for their turn"),
        (len(live), limits.sessions, "sessions are open"),
    ):
        if count >= limit:
            text = f"{count} {what}, and this studio allows {limit}: wait until one is over, or cancel one."
            raise StatusError(_EXHAUSTED, text, REASON_FULL)
    missing = sum(i.byte_size for i in asked.recordings if not recordings.holds(i))
    free = shutil.disk_usage(home.path).free
    if missing + MIN_FREE_BYTES > free:
        raise StatusError(
            _EXHAUSTED,
            f"the recordings have {missing / 1e6:.0f} MB and a practice needs {MIN_FREE_BYTES / 1e6:.0f} MB more, but "
            f"the studio's disk has only {free / 1e6:.0f} MB left: free some space there.",
        )


def _check_effort(profile: profiles_pb2.LearnerProfile, limits: PracticeLimits) -> None:
    if profile.step_count > limits.training_steps:
        raise StatusError(
            _EXHAUSTED,
            f"step_count={profile.step_count} is more than allowed here: ask for {limits.training_steps} or less.",
        )
    if not profile.step_count and profile.training_minutes > limits.training_minutes:
        raise StatusError(
            _EXHAUSTED,
            f"training_minutes={profile.training_minutes:g} is more than this studio allows: ask for "
            f"{limits.training_minutes:g} or less.",
        )


def _differences(
    asked: profiles_pb2.LearnerProfile, held: profiles_pb2.LearnerProfile
) -> list[str]:
    names = [field.name for field in held.DESCRIPTOR.fields]
    return [
        f"has another {re.sub('_', ' ', name)}"
        for name in names
        if getattr(asked, name) != getattr(held, name)
    ]
