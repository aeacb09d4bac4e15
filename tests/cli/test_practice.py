import json
import re

import pytest
from google.protobuf import json_format

from amadeus.cli.practice import gather_settings, write_request
from amadeus.errors import ConfigError
from amadeus.personality.profiles import complete_learner_profile
from amadeus.v1 import practice_pb2
from tests.cli.terminal import amadeus

NONE = {"minutes": None, "steps": None, "seed": None}


def test_short_options_become_learner_settings():
    settings = gather_settings(["batch_size=4"], minutes=None, steps=100, seed=7)
    assert settings == ["step_count=100", "seed=7", "batch_size=4"]


@pytest.mark.parametrize(
    ("learner", "short"),
    [
        ([], {"minutes": 4.0, "steps": 10}),
        (["step_count=10"], {"minutes": 4.0}),
        (["step_count=10", "training_minutes=3"], {}),
    ],
)
def test_minutes_and_steps_exclude_each_other(learner, short):
    with pytest.raises(ConfigError, match="both minutes and steps"):
        gather_settings(learner, **(NONE | short))


def test_a_setting_is_said_once():
    with pytest.raises(ConfigError, match="seed was given twice"):
        gather_settings(["seed=1"], **(NONE | {"seed": 2}))


def test_the_request_says_all_that_was_asked(home, tmp_path):
    deu = home.create_deu("cello")
    (deu.voices_path / "2").mkdir(parents=True)
    profile = complete_learner_profile()
    paths = [tmp_path / "b.wav", tmp_path / "a.wav"]
    path = write_request(deu, paths, profile, ["--direct_num_workers=2"])
    text = (path / "request.json").read_text()
    request = json_format.Parse(text, practice_pb2.ImitationRequest())
    assert list(request.recordings.uri) == [str(p) for p in paths]
    assert request.learner_profile == profile
    assert list(request.beam_arg) == ["--direct_num_workers=2"]
    assert request.parent_generation == 2
    assert request.practice == path.name
    assert "sample_rate" in json.loads(text)["learner_profile"]


def test_practices_sort_by_time_and_never_meet(home):
    deu = home.create_deu("cello")
    paths = [write_request(deu, [], complete_learner_profile(), []) for _ in range(9)]
    assert len({path.name for path in paths}) == 9
    assert all(re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{4}", path.name) for path in paths)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["viola", "x.wav"], "there is no deu 'viola'"),
        (["../cello", "x.wav"], "cannot name a deu"),
        (["cello", "nowhere.wav"], "nowhere.wav"),
        (["cello", "x.wav", "--learner", "loudness=3"], "does not exist"),
        (["cello", "x.wav", "--learner", "frame_rate=300"], "does not divide"),
        (["cello", "x.wav", "--minutes", "nan"], "out of range"),
        (["cello", "x.wav", "--minutes", "0"], "out of range"),
        (["cello", "x.wav", "--steps", "-1"], "out of range"),
        (
            ["cello", "x.wav", "--steps", "1", "--minutes", "1"],
            "both minutes and steps",
        ),
        (["cello", "x.wav", "--steps", "many"], "not a valid integer"),
        (["cello"], "Missing argument"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(
    home, tmp_path, arguments, sentence
):
    deu = home.create_deu("cello")
    (tmp_path / "x.wav").write_bytes(b"RIFF, but no more")
    done = amadeus("practice", "imitate", *arguments, home=home, cwd=tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert deu.practices() == []


def test_a_deu_practises_one_lesson_at_a_time(home, tmp_path):
    deu = home.create_deu("cello")
    with deu.locked():
        done = amadeus("practice", "imitate", "cello", "x.wav", home=home, cwd=tmp_path)
    assert done.returncode == 2
    assert "is in another practice" in done.stderr


def test_no_room_is_said_before_anything_starts(home, monkeypatch, tmp_path):
    import shutil

    from amadeus.cli import main, practice

    home.create_deu("cello")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(practice, "MIN_FREE_BYTES", usage.free + 1e9)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Exception, match="MB are free in"):
        main.cli.main(["practice", "imitate", "cello", "x.wav"], standalone_mode=False)
