"""Whole practices through the real worker: TFX, Beam, SQLite metadata, TensorFlow."""

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from amadeus import lineage
from amadeus.home import Home
from amadeus.journal import read_journal
from amadeus.personality import content
from amadeus.voice.player import Voice
from tests import processes
from tests.pipelines.conftest import Outcome, Studio, profile_with

STEPS = {
    "AudioExampleGen",
    "DdspTransform",
    "Trainer",
    "Evaluator",
    "Pusher",
    "PersonalityWriter",
}


def states(home):
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(home.metadata_path)
    name = metadata_store_pb2.Execution.State.Name
    return [name(e.last_known_state) for e in MetadataStore(config).get_executions()]


def test_the_first_practice_makes_a_voice_that_plays_and_knows_who_it_is(practised):
    outcome = practised.first
    assert outcome.status == 0
    (finished,) = outcome.all("finished")
    assert (finished.generation, finished.is_new) == (1, True)
    assert outcome.cached == (set(), STEPS)
    started = [event.component for event in outcome.all("component_started")]
    assert set(started) == STEPS
    voice = Voice.load(practised.deu.voices_path / "1")
    who = voice.personality
    assert (who.deu, who.generation, who.practice) == ("cello", 1, "1-first")
    assert who.digest == finished.digest
    assert who.parent_digest == ""
    assert who.trained_step_count == 2
    assert who.statistics.take_count == {"train": 3, "eval": 1}
    assert who.metrics == outcome.result["metrics"]
    audio = voice.render(np.full(50, 220.0), np.full(50, -20.0))
    assert np.isfinite(audio).all()
    assert np.abs(audio).max() > 1e-4
    extras = practised.deu.voices_path / "1" / "assets.extra"
    assert len((extras / "mlmd_uuid").read_text()) == 36


def test_a_result_leads_to_everything_without_metadata(practised):
    result = practised.first.result
    assert result["blessed"] is True
    assert result["generation"] == result["pushed_generation"] == 1
    assert "spectral_loss" in result["metrics"]
    verdict = json.loads(Path(result["evaluation_uri"], "metrics.json").read_text())
    assert {key: result[key] for key in verdict} == verdict
    with np.load(f"{result['evaluation_uri']}/examples/0.npz") as example:
        assert example["original"].shape == example["resynthesis"].shape
        assert len(example["f0_hz"]) == len(example["resynthesis_f0_hz"])
        assert str(example["name"]).startswith("take-")
    assert os.listdir(result["model_run_uri"])
    assert os.path.exists(f"{result['statistics_uri']}/statistics.json")
    settings = json.loads((practised.first.path / "settings.json").read_text())
    assert settings["learner_profile"]["frame_rate"] == 100, "defaults are written out"
    assert settings["learner_profile"]["harmonic_count"] == 8


def test_the_same_practice_again_is_cached_and_nothing_new(practised):
    outcome = practised.again
    assert outcome.cached == (STEPS, set())
    (finished,) = outcome.all("finished")
    assert (finished.generation, finished.is_new) == (1, False)
    (judged,) = outcome.all("evaluated")
    assert judged == practised.first.all("evaluated")[0], "told from the cache, too"


def test_a_child_grows_from_its_parent_and_is_compared_with_it(practised):
    outcome = practised.child
    cached, made = outcome.cached
    assert {"AudioExampleGen", "DdspTransform", "Parent"} == cached
    assert made == STEPS - cached
    (finished,) = outcome.all("finished")
    assert (finished.generation, finished.is_new) == (2, True)
    who = content.read_personality(practised.deu.voices_path / "2")
    assert who.parent_digest == practised.first.all("finished")[0].digest
    (judged,) = outcome.all("evaluated")
    assert dict(judged.parent_metrics) == pytest.approx(
        practised.first.result["metrics"]
    ), "the same voice on the same takes"


def test_what_is_not_blessed_is_not_pushed_and_the_old_voice_keeps_playing(practised):
    outcome = practised.worse
    assert outcome.status == 0
    (judged,) = outcome.all("evaluated")
    assert not judged.blessed
    assert "above the limit" in judged.reason
    (finished,) = outcome.all("finished")
    assert (finished.generation, finished.is_new) == (2, False)
    assert sorted(os.listdir(practised.deu.voices_path)) == ["1", "2"]
    assert outcome.result["blessed"] is False
    assert outcome.result["pushed_generation"] == 0
    warnings = [warning.text for warning in outcome.all("warning")]
    assert any("from nothing" in text for text in warnings)


def test_the_lineage_tells_what_happened(practised):
    first, second = lineage.lineage_of(practised.home, practised.deu)
    assert (first.generation, second.generation) == (1, 2)
    assert (first.parent_generation, second.parent_generation) == (None, 1)
    assert second.parent_digest == first.digest
    assert (first.practice, second.practice) == ("1-first", "3-child")
    metrics = practised.first.result["metrics"]
    assert first.metrics == pytest.approx(metrics, abs=1e-6), "MLMD keeps six decimals"
    assert {take.name for take in first.takes} == {f"take-{i}.wav" for i in range(4)}
    assert sum(take.splits == ("eval",) for take in first.takes) == 1
    assert all(take.duration_s > 0.5 for take in first.takes)
    assert [e.component for e in first.executions if not e.cached] == [
        "AudioExampleGen", "DdspTransform", "Trainer", "Evaluator", "Pusher",
        "PersonalityWriter",
    ]  # fmt: skip
    assert {e.component for e in second.executions if e.cached} == {
        "AudioExampleGen", "DdspTransform", "Parent",
    }  # fmt: skip
    text = lineage.render_text(practised.home, practised.deu)
    assert text.index("generation 2") < text.index("generation 1")
    assert "3-child" in text
    assert "take-3.wav" in text
    assert lineage.attribute(practised.home, practised.deu) == lineage.attribute(
        practised.home, practised.deu
    )


def test_a_push_that_was_not_recorded_is_found_and_recorded(
    practised, tmp_path, all_takes, tiny_profile
):
    """Killed between the push and its record: the voice is there, its metadata are not."""
    studio = Studio(tmp_path / "home")
    shutil.copytree(practised.deu.voices_path / "1", studio.deu.voices_path / "1")
    outcome = studio.practise("1-first", all_takes, tiny_profile)
    (finished,) = outcome.all("finished")
    assert os.listdir(studio.deu.voices_path) == ["1"]
    assert (finished.generation, finished.is_new) == (1, True)
    (record,) = lineage.lineage_of(studio.home, studio.deu)
    assert record.digest == finished.digest, "the same practice, the same digest"
    assert record.practice == "1-first"


def test_bad_input_ends_with_one_sentence_and_the_deu_as_it_was(
    tmp_path, all_takes, tiny_profile
):
    studio = Studio(tmp_path / "home")
    text = tmp_path / "letter.wav"
    text.write_text("Dear Constanze")
    outcome = studio.practise("1", [*all_takes[:1], text], tiny_profile)
    assert outcome.status == 2
    (failed,) = outcome.all("failed")
    assert failed.exit_status == 2
    assert "letter.wav" in failed.text
    assert "\n" not in failed.text
    assert studio.deu.generations() == []
    assert states(studio.home) == ["FAILED"]
    gone = studio.practise("2", [tmp_path / "gone.wav"], tiny_profile)
    assert "gone.wav" in gone.all("failed")[0].text
    assert states(studio.home) == ["FAILED", "FAILED"], "none is left running"


def test_a_deu_practises_one_thing_at_a_time(tmp_path, all_takes, tiny_profile):
    studio = Studio(tmp_path / "home")
    path = studio.request("1", all_takes, tiny_profile)
    with studio.deu.locked():
        outcome = studio.run(path)
    assert outcome.status == 2
    assert "another practice" in outcome.all("failed")[0].text


def wait_for(path, kind, process, *, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if any(event.WhichOneof("event") == kind for event in read_journal(path)):
            return
        time.sleep(0.05)
    raise AssertionError(f"no {kind} in time")


@pytest.mark.slow
def test_a_practice_that_is_interrupted_goes_on_from_where_it_stopped(
    tmp_path, all_takes, tiny_profile
):
    studio = Studio(tmp_path / "home")
    n_steps = 400
    long = profile_with(tiny_profile, step_count=n_steps, early_stop=False)
    path = studio.request("1", all_takes, long)
    with (tmp_path / "log.txt").open("w") as log:
        worker = processes.start(
            [sys.executable, "-m", "pipelines.local", str(path)], stdout=log, stderr=log
        )
        try:
            wait_for(path / "journal.jsonl", "training_progress", worker)
            worker.send_signal(signal.SIGTERM)
            status = worker.wait(timeout=120)
        finally:
            worker.kill()
            worker.wait()
    assert status == 130, (tmp_path / "log.txt").read_text()
    stopped = Outcome(path, 130)
    assert stopped.all("failed")[0].exit_status == 130
    reached = stopped.all("training_progress")[-1].step
    assert reached < n_steps
    assert studio.deu.generations() == []
    assert states(Home(studio.home.path)) == ["COMPLETE", "COMPLETE", "CANCELED"]
    checkpoints = studio.deu.pipeline_path / "checkpoints"
    assert len(list(checkpoints.iterdir())) == 1

    outcome = studio.run(path)
    assert outcome.status == 0
    assert outcome.cached[0] == {"AudioExampleGen", "DdspTransform"}
    assert outcome.all("training_progress")[0].step > 1
    assert outcome.all("training_progress")[0].step >= reached
    assert (
        content.read_personality(studio.deu.voice_path(1)).trained_step_count == n_steps
    )
    assert list(checkpoints.iterdir()) == []


def test_a_practice_has_a_context_with_versions_and_host(practised):
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(practised.home.metadata_path)
    store = MetadataStore(config)
    context = store.get_context_by_type_and_name("amadeus.Practice", "cello/3-child")
    facts = {name: v.string_value for name, v in context.custom_properties.items()}
    assert {"python", "tensorflow", "tfx", "numpy", "system"} <= facts.keys()
    assert len(store.get_executions_by_context(context.id)) == 7
    (voice,) = store.get_artifacts_by_context(context.id)
    assert voice.custom_properties["generation"].int_value == 2


def test_a_lone_take_is_enough_to_grow_from_what_was_checked_out(
    practised, lone_take, tiny_profile, tmp_path
):
    studio = Studio(tmp_path / "home")
    shutil.copytree(practised.deu.voices_path, studio.deu.voices_path)
    assert lineage.repair(studio.home, studio.deu) == [1, 2]
    studio.deu.point_to(1)
    profile = profile_with(tiny_profile, step_count=3, seed=5, blessing_tolerance=10.0)
    outcome = studio.practise(
        "9", lone_take, profile, parent=studio.deu.current_generation()
    )
    assert outcome.status == 0
    assert studio.deu.current_generation() == 3
    records = lineage.generations_of(studio.home, studio.deu)
    assert records[2].parent_generation == 1
    who = content.read_personality(studio.deu.voice_path(3))
    assert who.statistics.take_count == {"train": 1, "eval": 1}
