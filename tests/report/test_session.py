import math

import pytest

from amadeus.report import wording
from amadeus.report.session import Session, TrainingPoint, read_session
from amadeus.report.tables import metric_rows, recording_names
from amadeus.v1 import practice_pb2, profiles_pb2
from tests.report.practices import Scribe, make_practice, write_end, write_training


@pytest.fixture
def path(home):
    return make_practice(home.create_deu("cello"))


def test_a_session_is_read_back_from_its_folder(path):
    journal = Scribe(path)
    write_training(journal, n_points=8)
    write_end(journal)
    session = read_session(path)
    assert session.request.deu == "cello"
    assert [c.name for c in session.components] == [
        "AudioExampleGen",
        "DdspTransform",
        "Trainer",
    ]
    assert [p.step for p in session.training] == list(range(25, 201, 25))
    assert [p.step for p in session.training if math.isfinite(p.eval_loss)] == [
        100,
        200,
    ]
    assert session.is_over
    assert session.finished.generation == 2


def test_a_half_written_last_line_is_not_read(path):
    journal = Scribe(path)
    write_training(journal, n_points=2)
    with (path / "journal.jsonl").open("a") as file:
        file.write('{"elapsed_s": 99.0, "finished": {"gener')
    session = read_session(path)
    assert len(session.training) == 2
    assert not session.is_over


def test_a_folder_with_damaged_files_is_a_session_that_knows_little(path):
    (path / "request.json").write_text("{")
    (path / "result.json").write_text("[1]")
    session = read_session(path)
    assert session.request is None
    assert session.result == {}


def test_training_time_counts_from_the_first_step(path):
    journal = Scribe(path)
    write_training(journal, n_points=60)
    assert read_session(path).training_s == pytest.approx(60 * 25 / 6.4)


def test_training_time_of_a_resumed_practice_leaves_out_what_was_trained_before(path):
    session = Session(path, started_s={"Trainer": 30.0})
    for elapsed_s, step in ((35.0, 5_025), (40.0, 5_050)):
        session.training.append(TrainingPoint(elapsed_s, step, 5.0, math.nan, 5.0))
    assert session.training_s == pytest.approx(10.0)


def test_costs_add_up_to_the_whole(path):
    journal = Scribe(path)
    write_training(journal)
    write_end(journal)
    session = read_session(path)
    costs = session.costs(400.0)
    assert sum(cost.duration_s for cost in costs) == pytest.approx(400.0)
    assert costs[0].name == "training"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1:00 min"),
        (187, "3:07 min"),
        (3599.6, "1:00:00 h"),
        (3723, "1:02:03 h"),
    ],
)
def test_durations(seconds, text):
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("spectral_loss", 5.5234, "5.52"),
        ("f0_error_semitones", 0.1234, "0.12 semitones"),
        ("f0_error_semitones", 0.0527, "0.053 semitones"),
        ("f0_outlier_ratio", 0.031, "3.1 %"),
        ("loudness_error_db", math.nan, "—"),
        ("something_new", 1.0, "1.00"),
    ],
)
def test_metrics_have_units(name, value, text):
    assert wording.metric_value(name, value) == text


def test_settings_are_all_knobs_with_what_differs_marked():
    profile = profiles_pb2.LearnerProfile(
        f0_tracker=profiles_pb2.F0_TRACKER_CREPE_TINY,
        f0_viterbi=False,
        sample_rate=16_000,
    )
    settings = {setting.name: setting for setting in wording.settings(profile)}
    assert set(settings) == set(profiles_pb2.LearnerProfile.DESCRIPTOR.fields_by_name)
    assert settings["f0_tracker"][1:4] == ("crepe_tiny", "", "auto")
    assert settings["f0_viterbi"].value == "no"
    assert not settings["f0_viterbi"].is_default
    assert settings["sample_rate"].is_default
    assert settings["learning_rate"].value == "0.003"


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (
            {"finished": practice_pb2.PracticeFinished(generation=2, is_new=True)},
            "made generation 2",
        ),
        (
            {"finished": practice_pb2.PracticeFinished(generation=2)},
            "made no new generation",
        ),
        ({"failed": practice_pb2.PracticeFailed(text="no.", exit_status=2)}, "no."),
        (
            {"failed": practice_pb2.PracticeFailed(text="x.", exit_status=130)},
            "stopped: x.",
        ),
        ({}, "has no end: it is running, or it was killed"),
    ],
)
def test_outcomes(path, event, text):
    Scribe(path).write(**event)
    assert wording.outcome(read_session(path)) == text


@pytest.mark.parametrize(
    ("values", "share", "value"),
    [
        ([7.0], 0.02, 7.0),
        ([0.0, 10.0], 0.98, 9.8),
        ([0.0, 4.0, 6.0], 0.75, 5.0),
        ([1.0, 2.0], 1.0, 2.0),
    ],
)
def test_quantiles_are_read_between_their_marks(values, share, value):
    assert wording.quantile(values, share) == pytest.approx(value)


def test_a_change_of_level_is_told_in_decibels_and_any_other_in_percent(path):
    journal = Scribe(path)
    evaluated = practice_pb2.Evaluated(
        metrics={"silence_level_dbfs": -80.0, "spectral_loss": 5.4},
        parent_metrics={"silence_level_dbfs": -60.0, "spectral_loss": 6.0},
    )
    journal.write(evaluated=evaluated)
    rows = {row.label: row.change for row in metric_rows(read_session(path))}
    assert rows == {
        "level in silence": "20.0 dB lower",
        "spectral loss": "10.0 % lower",
    }


def test_recordings_are_called_as_they_were_given(home):
    path = make_practice(
        home.create_deu("cello"), recordings=("/s/ab12.wav", "/s/cd34.flac")
    )
    session = read_session(path)
    assert recording_names(session) == ["ab12.wav", "cd34.flac"]
    session.request.recordings.name.extend(["élégie.wav", "fuga.flac"])
    assert recording_names(session) == ["élégie.wav", "fuga.flac"]
