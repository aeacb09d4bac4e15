"""A feedback session: takes are judged, and where something follows, the deu gets a generation that plays otherwise."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf import json_format

import amadeus
from amadeus.errors import AmadeusError, ConfigError
from amadeus.feedback import history, regions, replay
from amadeus.feedback.history import FEEDBACK_NAME
from amadeus.feedback.judgement import Judgement, judge
from amadeus.feedback.regions import Region
from amadeus.feedback.takes import Take, read_take
from amadeus.feedback.writing import describe, describe_properties, make_request
from amadeus.home import Deu, Home, explain_os_errors, write_atomically
from amadeus.journal import JOURNAL_NAME, Journal
from amadeus.personality import content, generations, profiles
from amadeus.play.perform import Voice
from amadeus.play.record import read_record
from amadeus.tuning import network
from amadeus.v1 import personality_pb2, practice_pb2

EXECUTION_TYPE = "amadeus.Feedback"
REQUEST_NAME, RESULT_NAME = "request.json", "result.json"


class Heard(NamedTuple):
    """Takes and regions that belong together, and the voice they are about.

    Attributes:
      parent: The personality that plays now.
      parent_path: Its SavedModel.
      paths: Files of the takes.
      takes: Listened to.
      regions: Within the takes.
      remarks: What the ama should know, a sentence each.
    """

    parent: personality_pb2.Personality
    parent_path: Path
    paths: list[Path]
    takes: list[Take]
    regions: list[Region]
    remarks: list[str]


class Given(NamedTuple):
    """What a session came to.

    Attributes:
      personality: Who plays now.
      is_new: Whether this session made it.
      practice_path: Folder of the session; None where nothing was changed.
    """

    personality: personality_pb2.Personality
    is_new: bool
    practice_path: Path | None = None


def check_players(
    deu: Deu, paths: Sequence[Path], names: Sequence[str] = ()
) -> list[str]:
    """Makes sure that the takes are this deu's; cheap, before anything is loaded.

    Args:
      deu: Whose feedback it is.
      paths: Files of the takes.
      names: What to call them, one for each; none means by their file names.

    Returns:
      What the ama should know of where they come from, a sentence each.

    Raises:
      ConfigError: A take is another deu's, or of a generation that is not known here.
      RecordingError: What a take says of itself is damaged.
    """
    remarks = []
    current = deu.current_generation()
    for path, name in _named(paths, names):
        record = read_record(path)
        if record is None:
            remarks.append(
                f"{name} does not say who played it: it is judged by its sound alone, as if generation {current} "
                f"of {deu.name} had played it as it plays now"
            )
            continue
        generation = history.find_generation(deu, record.digest)
        if not generation:
            raise ConfigError(_stranger(deu, name, record.deu, record.generation))
        if generation != current:
            remarks.append(
                f"{name} was played by generation {generation}: what it says is held against generation "
                f"{current}, which plays now"
            )
        if not record.is_untouched:
            remarks.append(
                f"{name} was edited since it was played: its pitch is found by ear"
            )
        elif not record.lines:
            remarks.append(
                f"{name} says who played it but not what each frame was told: its pitch is found by ear"
            )
    return remarks


def hear(
    deu: Deu,
    paths: Sequence[Path],
    marked: Sequence[Region],
    remarks: Sequence[str],
    names: Sequence[str] = (),
) -> Heard:
    """Listens to takes of a deu; `names` as in `check_players`.

    Raises:
      ConfigError: A region cannot be.
      RecordingError: A take cannot be read, or is silent.
    """
    parent_path = deu.voice_path()
    parent = content.read_personality(parent_path)
    takes = [read_take(path, parent, name=name) for path, name in _named(paths, names)]
    fitted = regions.fit_regions(
        marked, [take.duration_s for take in takes], [take.name for take in takes]
    )
    return Heard(
        parent,
        parent_path,
        list(paths),
        takes,
        fitted.regions,
        [*remarks, *fitted.remarks],
    )


def judge_heard(deu: Deu, heard: Heard, voice: Voice) -> Judgement:
    """Judges takes in the light of earlier feedback."""
    profile = profiles.settle_player_profile(heard.parent.player_profile)
    judgement = judge(
        heard.takes,
        heard.regions,
        voice=voice,
        player_profile=profile,
        memories=history.find_memories(deu, heard.parent),
    )
    return judgement._replace(remarks=[*heard.remarks, *judgement.remarks])


def give(
    home: Home,
    deu: Deu,
    heard: Heard,
    judgement: Judgement,
    *,
    practice: str,
    note: str = "",
    voice: Voice | None = None,
) -> Given:
    """Makes the generation that a judgement asks for and lets it play; without one nothing is written.

    The caller holds the deu's lock. With a voice, the marked regions are played again for the report.

    Raises:
      VoiceError: The parent is damaged.
      HomeError: Something cannot be written.
    """
    if not judgement.turns:
        return Given(heard.parent, is_new=False)
    practice_path = deu.practices_path / practice
    with explain_os_errors(practice_path):
        practice_path.mkdir(parents=True)
    write_request(practice_path, make_request(deu, heard, judgement, practice, note))
    journal = Journal(practice_path / JOURNAL_NAME)
    try:
        placed = carry_out(home, deu, heard, judgement, practice_path, note=note)
    except AmadeusError as error:
        failed = practice_pb2.PracticeFailed(text=str(error), exit_status=2)
        journal.write(failed=failed)
        raise
    finished = write_result(practice_path, placed, heard)
    with explain_os_errors(practice_path):
        journal.write(finished=finished)
    if voice is not None:
        play_again(practice_path, heard, judgement, voice)
    return Given(placed, is_new=True, practice_path=practice_path)


def carry_out(
    home: Home,
    deu: Deu,
    heard: Heard,
    judgement: Judgement,
    practice_path: Path,
    *,
    note: str = "",
) -> personality_pb2.Personality:
    """Makes the generation that a judgement asks for, records it and lets it play.

    The caller holds the deu's lock.

    Raises:
      VoiceError: The parent is damaged.
      HomeError: Something cannot be written.
    """
    digest = network.digest_tuned(
        heard.parent_path, heard.parent, judgement.player_profile
    )
    placed = _place(deu, heard, judgement, digest, practice_path.name)
    write_json(practice_path / FEEDBACK_NAME, describe(heard, judgement, digest, note))
    _record(home, deu, heard, judgement, placed, note)
    deu.point_to(placed.generation)
    return placed


def write_request(practice_path: Path, asked: practice_pb2.FeedbackRequest) -> None:
    """Writes a request into the folder of its practice.

    Raises:
      HomeError: It cannot be written.
    """
    text = json_format.MessageToJson(asked, preserving_proto_field_name=True)
    with explain_os_errors(practice_path):
        write_atomically(practice_path / REQUEST_NAME, text)


def write_result(
    practice_path: Path, placed: personality_pb2.Personality, heard: Heard
) -> practice_pb2.PracticeFinished:
    """Writes what came out of a session that made a generation, and returns its last word.

    Raises:
      HomeError: It cannot be written.
    """
    result = {
        "generation": placed.generation,
        "pushed_generation": placed.generation,
        "digest": placed.digest,
        "is_new": True,
        "metrics": dict(heard.parent.metrics),
    }
    write_json(practice_path / RESULT_NAME, result)
    return practice_pb2.PracticeFinished(
        generation=placed.generation, digest=placed.digest, is_new=True
    )


def play_again(
    practice_path: Path, heard: Heard, judgement: Judgement, voice: Voice
) -> None:
    """Plays the marked regions as they will sound, for the report.

    Raises:
      HomeError: They cannot be written.
    """
    pairs = replay.replay(heard.takes, heard.regions, voice, judgement.player_profile)
    replay.write_pairs(pairs, practice_path, sample_rate=voice.spec.sample_rate)


def _named(paths: Sequence[Path], names: Sequence[str]) -> list[tuple[Path, str]]:
    return list(zip(paths, names or [path.name for path in paths], strict=True))


def _stranger(deu: Deu, take: str, name: str, generation: int) -> str:
    if name != deu.name:
        return (
            f"{take} was played by {name or 'a deu without a name'}, not by {deu.name}: give feedback on it with "
            f"`amadeus practice feedback {name or 'NAME'}`."
        )
    known = ", ".join(map(str, deu.generations())) or "none"
    return (
        f"{take} was played by a generation {generation} of {name} that is not here (here are {known}): perform "
        "again with one that is, or import that one."
    )


def _place(
    deu: Deu, heard: Heard, judgement: Judgement, digest: str, practice: str
) -> personality_pb2.Personality:
    child = personality_pb2.Personality()
    child.CopyFrom(heard.parent)
    child.player_profile.CopyFrom(judgement.player_profile)
    child.digest, child.parent_digest = digest, heard.parent.digest
    child.practice, child.amadeus_version = practice, amadeus.__version__
    with (
        explain_os_errors(deu.voices_path),
        generations.staged(deu.voices_path) as staging,
    ):
        prepared = staging / "voice"
        network.share_network(heard.parent_path, prepared)
        return generations.place(prepared, deu.voices_path, child).personality


def _record(
    home: Home,
    deu: Deu,
    heard: Heard,
    judgement: Judgement,
    placed: personality_pb2.Personality,
    note: str,
) -> None:
    from amadeus.lineage import sessions  # loads ML Metadata

    made = sessions.Made(
        placed, deu.voices_path / str(placed.generation), heard.parent.generation
    )
    sessions.record_session(
        home,
        deu,
        made,
        kind=EXECUTION_TYPE,
        properties=describe_properties(heard, judgement, note),
    )


def write_json(path: Path, written: dict[str, Any]) -> None:
    """Writes a file of a practice.

    Raises:
      HomeError: It cannot be written.
    """
    with explain_os_errors(path.parent):
        write_atomically(path, json.dumps(written, indent=2))
