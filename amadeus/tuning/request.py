"""The folder of a tuning: what was asked for, and with which recordings the network was taught."""

import json
from collections.abc import Sequence
from pathlib import Path

from google.protobuf import json_format

from amadeus.audio.recordings import to_path
from amadeus.datasets.choice import is_dataset
from amadeus.errors import PracticeError, RecordingError, VoiceError
from amadeus.home import Deu, explain_os_errors, write_atomically
from amadeus.v1 import personality_pb2, practice_pb2

REQUEST_NAME = "request.json"
MAX_TUNINGS = 10_000  # of one network; a chain that is longer goes in circles


def is_tuning(text: str) -> bool:
    """Tells the request of a tuning from others: it names the knobs that change."""
    try:
        fields = json.loads(text)
    except ValueError:
        return False
    return isinstance(fields, dict) and bool(fields.get("changes"))


def read_tuning(practice_path: Path) -> practice_pb2.TuningRequest | None:
    """Reads what a tuning was asked for; None for another practice, and where there is nothing to read."""
    try:
        text = (practice_path / REQUEST_NAME).read_text()
        if not is_tuning(text):
            return None
        return json_format.Parse(
            text, practice_pb2.TuningRequest(), ignore_unknown_fields=True
        )
    except (OSError, ValueError, json_format.ParseError):
        return None


def is_feedback(practice_path: Path) -> bool:
    """Whether the knobs of a practice were turned by what was heard, not by hand."""
    try:
        return "regions" in json.loads((practice_path / REQUEST_NAME).read_text())
    except (OSError, ValueError, TypeError):
        return False


def write_tuning(deu: Deu, practice: str, tuning: practice_pb2.TuningRequest) -> Path:
    """Makes the folder of a tuning with its request, and returns it.

    Raises:
      HomeError: The folder cannot be written.
    """
    practice_path = deu.practices_path / practice
    tuning.deu, tuning.practice = deu.name, practice
    text = json_format.MessageToJson(tuning, preserving_proto_field_name=True)
    with explain_os_errors(practice_path):
        practice_path.mkdir(parents=True)
        write_atomically(practice_path / REQUEST_NAME, text)
    return practice_path


def untuned(
    deu: Deu, personality: personality_pb2.Personality
) -> personality_pb2.Personality:
    """Finds the generation that a network came with, before its player was tuned; as far back as there are traces."""
    from amadeus.personality import content  # numpy

    for _ in range(MAX_TUNINGS):
        tuning = read_tuning(deu.practices_path / (personality.practice or "-"))
        if tuning is None or not is_of_player(tuning.changes):
            break
        try:
            path = deu.voices_path / str(tuning.parent_generation)
            personality = content.read_personality(path)
        except VoiceError:
            break
    return personality


def is_of_player(changes: Sequence[practice_pb2.KnobChange]) -> bool:
    """Whether only knobs of the player change."""
    return all(change.profile == "player" for change in changes)


def find_recordings(
    deu: Deu, personality: personality_pb2.Personality
) -> practice_pb2.Recordings:
    """Finds which recordings a generation's network was taught with; they may be gone.

    Raises:
      PracticeError: The practice that taught it is not here.
    """
    path = deu.practices_path / (personality.practice or "-") / REQUEST_NAME
    try:
        earlier = json_format.Parse(
            path.read_text(),
            practice_pb2.ImitationRequest(),
            ignore_unknown_fields=True,
        )
    except (OSError, ValueError, json_format.ParseError):
        earlier = practice_pb2.ImitationRequest()
    if not earlier.recordings.uri:
        raise PracticeError(
            f"generation {personality.generation} of {deu.name} was not taught here, or what it was taught with was "
            f"not kept: knobs of the learner need recordings; teach it with `amadeus practice imitate {deu.name} "
            "RECORDINGS`, which takes --learner too, or have the studio that taught it tune it with --studio."
        )
    return earlier.recordings


def check_recordings(
    deu: Deu, generation: int, recordings: practice_pb2.Recordings
) -> None:
    """Makes sure that recordings are still where they were.

    Raises:
      RecordingError: Some are gone.
    """
    gone = [uri for uri in recordings.uri if not _is_there(uri)]
    if not gone:
        return
    others = f" and {len(gone) - 1} more" if gone[1:] else ""
    raise RecordingError(
        f"generation {generation} of {deu.name} learned from {gone[0]}{others}, which {'are' if others else 'is'} not "
        "there any more: put them back, or name where they are now with `amadeus practice imitate "
        f"{deu.name} RECORDINGS`, which takes --learner too."
    )


def _is_there(uri: str) -> bool:
    # A data set that is gone says so itself, with what it was asked for.
    return is_dataset(uri) or to_path(uri).is_file()
