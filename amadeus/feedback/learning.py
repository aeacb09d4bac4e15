"""What feedback asks of the learner: a short practice with its recordings, hearing more often what is liked."""

from collections.abc import Mapping
from pathlib import Path

from google.protobuf import json_format

from amadeus.feedback.judgement import Judgement
from amadeus.feedback.likeness import frame_taste
from amadeus.home import Deu, explain_os_errors, write_atomically
from amadeus.personality import profiles
from amadeus.tuning import request
from amadeus.v1 import personality_pb2, practice_pb2, profiles_pb2

RATE_SHARE = 0.3  # of the usual learning rate: a voice is bent, not taught anew
MINUTES = 1.0


def find_taste(judgement: Judgement) -> dict[str, float]:
    """What the evidence says of the timbre, from -1 to 1 by trait; only what is supported."""
    if judgement.compared_with_rest:
        return {}
    return frame_taste(
        {
            finding.trait: finding.evidence.confidence
            * (1 if finding.evidence.shift > 0 else -1)
            for finding in judgement.findings
            if finding.evidence.is_supported and finding.outcome != "comes along"
        }
    )


def make_request(
    deu: Deu,
    parent: personality_pb2.Personality,
    taste: Mapping[str, float],
    *,
    practice: str,
    minutes: float | None = None,
    step_count: int | None = None,
    note: str = "",
) -> practice_pb2.FeedbackRequest:
    """Describes the practice.

    Raises:
      PracticeError: What the voice was taught with was not kept here.
      RecordingError: Its recordings are gone.
      ConfigError: So many minutes or steps cannot be.
    """
    recordings = request.find_recordings(deu, parent)
    request.check_recordings(deu, parent.generation, recordings)
    return practice_pb2.FeedbackRequest(
        deu=deu.name,
        practice=practice,
        recordings=recordings,
        learner_profile=_settle(parent.learner_profile, minutes, step_count),
        parent_generation=parent.generation,
        taste=make_taste(taste),
        note=note,
    )


def make_taste(taste: Mapping[str, float]) -> practice_pb2.Taste:
    """Writes what is liked, from -1 to 1 by trait, as a message."""
    return practice_pb2.Taste(
        traits=[
            practice_pb2.TraitTaste(trait=trait, preference=preference)
            for trait, preference in taste.items()
        ]
    )


def write_request(deu: Deu, asked: practice_pb2.FeedbackRequest) -> Path:
    """Makes the folder of the practice, and returns it.

    Raises:
      HomeError: The folder cannot be written.
    """
    practice_path = deu.practices_path / asked.practice
    text = json_format.MessageToJson(asked, preserving_proto_field_name=True)
    with explain_os_errors(practice_path):
        practice_path.mkdir(parents=True)
        write_atomically(practice_path / request.REQUEST_NAME, text)
    return practice_path


def _settle(
    learned: profiles_pb2.LearnerProfile,
    minutes: float | None,
    step_count: int | None,
) -> profiles_pb2.LearnerProfile:
    usual = profiles.complete_learner_profile(
        profiles_pb2.LearnerProfile(
            preset=learned.preset, sample_rate=learned.sample_rate
        )
    )
    profile = profiles_pb2.LearnerProfile()
    profile.CopyFrom(learned)
    profile.learning_rate = RATE_SHARE * usual.learning_rate
    profile.training_minutes = MINUTES if minutes is None else minutes
    profile.step_count = step_count or 0
    return profiles.complete_learner_profile(profile)
