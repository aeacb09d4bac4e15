"""AudioExampleGen and DdspTransform on their own, run for real: Beam, SQLite, cache."""

import os
import shutil

import numpy as np
import pytest
from google.protobuf import json_format
from ml_metadata.proto import metadata_store_pb2
from numpy.testing import assert_array_equal
from tfx.orchestration import metadata, pipeline

from amadeus.audio import decode
from amadeus.errors import RecordingError
from amadeus.features.extract import extract
from amadeus.journal import Journal, read_journal
from amadeus.personality import profiles
from amadeus.v1 import personality_pb2, practice_pb2, profiles_pb2
from components import records
from components.audio_example_gen import driver
from components.audio_example_gen.component import AudioExampleGen
from components.ddsp_transform.component import DdspTransform
from pipelines.blame import find_reason
from pipelines.runner import PracticeRunner, beam_args
from tests.components import sounds

COMPLETE = metadata_store_pb2.Execution.COMPLETE


class Workshop:
    """A pipeline root of its own to run the two components in."""

    def __init__(self, path):
        self.path = path
        self.n_runs = 0
        self.connection = metadata.sqlite_metadata_connection_config(
            str(path / "metadata.sqlite")
        )

    def run(self, recordings, profile=None, *, code=None):
        """Runs both; says which were cached."""
        self.n_runs += 1
        uris = [str(path) for path in sorted(recordings.glob("*.wav"))]
        example_gen = AudioExampleGen(practice_pb2.Recordings(uri=uris), profile)
        transform = DdspTransform(example_gen.outputs["examples"], profile)
        if code:
            transform.exec_properties["code_digest"] = code
        built = pipeline.Pipeline(
            "examples",
            pipeline_root=str(self.path / "root"),
            metadata_connection_config=self.connection,
            components=[example_gen, transform],
            enable_cache=True,
            beam_pipeline_args=beam_args([]),
        )
        self.results = PracticeRunner(f"run {self.n_runs}").run(built)
        return tuple(result.cached for result in self.results.values())

    def output(self, component, key):
        """The artifact that the last run put out."""
        with metadata.Metadata(self.connection) as handle:
            execution = self.results[component].execution_id
            events = handle.store.get_events_by_execution_ids([execution])
            ids = [
                event.artifact_id
                for event in events
                if event.type == metadata_store_pb2.Event.OUTPUT
                and event.path.steps[0].key == key
            ]
            (artifact,) = handle.store.get_artifacts_by_id(ids)
        return artifact

    def examples(self, split):
        uri = self.output("DdspTransform", "transformed_examples").uri
        return [
            example
            for path in records.list_files(f"{uri}/Split-{split}")
            for example in records.read_records(path)
        ]


@pytest.fixture
def workshop(tmp_path):
    return Workshop(tmp_path / "workshop")


@pytest.fixture
def recordings(takes_path, tmp_path):
    """A copy to touch and to change."""
    return shutil.copytree(takes_path, tmp_path / "recordings")


def names(examples):
    return {e.features.feature["name"].bytes_list.value[0].decode() for e in examples}


def test_records_hold_the_take_and_its_features_and_every_take_is_in_one_split(
    workshop, takes_path
):
    assert workshop.run(takes_path) == (False, False)
    train, held_out = workshop.examples("train"), workshop.examples("eval")
    assert names(train) | names(held_out) == {f"take-{i}.wav" for i in range(4)}
    assert not names(train) & names(held_out)
    profile = profiles.complete_learner_profile()
    for example in [train[0], held_out[0]]:
        feature = example.features.feature
        audio = records.floats(feature["audio"])
        name = feature["name"].bytes_list.value[0].decode()
        whole = decode.read(takes_path / name, sample_rate=profile.sample_rate)
        offset = feature["offset_samples"].int64_list.value[0]
        assert_array_equal(audio, whole[offset : offset + len(audio)])
        expected = extract(audio, profile=profile)
        for key, frames in expected._asdict().items():
            np.testing.assert_allclose(
                records.floats(feature[key]), frames, rtol=1e-4, atol=1e-3
            )
        assert feature["frame_rate"].int64_list.value == [profile.frame_rate]

    uri = workshop.output("DdspTransform", "statistics").uri
    with open(f"{uri}/statistics.json") as file:
        statistics = json_format.Parse(file.read(), personality_pb2.Statistics())
    assert statistics.take_count == {
        "train": len(names(train)),
        "eval": len(names(held_out)),
    }
    assert 0 < statistics.voiced_duration_s <= 2.0 * len(names(train)) + 0.1
    assert 52 < np.median(statistics.pitch_quantiles_midi) < 72

    artifact = workshop.output("DdspTransform", "transformed_examples")
    assert artifact.properties["split_names"].string_value == '["train", "eval"]'
    payload = artifact.custom_properties["payload_format"].string_value
    assert payload == "FORMAT_TF_EXAMPLE"


def test_the_cache_follows_content_settings_and_code(workshop, recordings, rng):
    take = recordings / "take-0.wav"
    before = take.stat()
    assert workshop.run(recordings) == (False, False)
    assert workshop.run(recordings) == (True, True)
    os.utime(take)
    assert workshop.run(recordings) == (True, True), "a touched file is the same"

    other_knob = profiles_pb2.LearnerProfile(step_count=7, harmonic_count=9)
    assert workshop.run(recordings, other_knob) == (True, True), "not their knobs"
    other_pitch = profiles_pb2.LearnerProfile(f0_min_hz=60.0)
    assert workshop.run(recordings, other_pitch) == (True, False)
    assert workshop.run(recordings, code="changed") == (True, False)

    sounds.write(take, sounds.notes(rng, seconds=2.0, f0_hz=330.0))
    os.utime(take, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert take.stat().st_size == before.st_size
    assert workshop.run(recordings) == (False, False), "same size and time, other sound"


def test_what_changes_before_it_is_decoded_is_not_kept_for_what_it_was(
    workshop, recordings, rng, monkeypatch
):
    run = driver.Driver.run

    def run_and_change(self, info):
        output = run(self, info)
        sounds.write(recordings / "take-0.wav", sounds.notes(rng, seconds=1.0))
        return output

    monkeypatch.setattr(driver.Driver, "run", run_and_change)
    with pytest.raises(RecordingError, match="changed while the practice began"):
        workshop.run(recordings)


def test_a_take_given_twice_is_learned_from_once_with_a_warning(
    workshop, recordings, tmp_path
):
    shutil.copy(recordings / "take-0.wav", recordings / "take-9.wav")
    journal = tmp_path / "journal.jsonl"
    with Journal(journal).activated():
        workshop.run(recordings)
    examples = workshop.examples("train") + workshop.examples("eval")
    assert names(examples) == {f"take-{i}.wav" for i in range(4)}
    warnings = [
        event.warning.text
        for event in read_journal(journal)
        if event.WhichOneof("event") == "warning"
    ]
    assert len(warnings) == 1
    assert "take-9.wav holds the same bytes as take-0.wav" in warnings[0]


def test_what_cannot_be_decoded_fails_with_its_sentence_and_leaves_no_artifact(
    workshop, recordings
):
    (recordings / "take-1.wav").write_text("do re mi")
    with pytest.raises(Exception, match=r"take-1\.wav") as caught:
        workshop.run(recordings)
    reason = find_reason(caught.value, place="home")
    assert isinstance(reason, RecordingError)
    assert "take-1.wav" in str(reason)
    assert "while running" not in str(reason)
    with metadata.Metadata(workshop.connection) as handle:
        assert not handle.store.get_artifacts()
        states = [e.last_known_state for e in handle.store.get_executions()]
    assert states == [metadata_store_pb2.Execution.FAILED]
