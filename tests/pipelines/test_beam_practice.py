"""A practice on two worker processes: the same voice and the same judgement as in one."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from apache_beam import Pipeline

from amadeus.personality import profiles
from amadeus.voice import comparison, evaluation
from amadeus.voice.player import Voice
from amadeus.voice.sampler import read_passages
from components import records
from components.beam_engine import local_args
from components.evaluator import measuring
from tests.pipelines.beam_steps import TWO
from tests.pipelines.conftest import Studio

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


def test_two_processes_make_the_voice_that_one_makes(
    tmp_path, all_takes, tiny_profile, monkeypatch
):
    monkeypatch.setattr("components.evaluator.executor.PROCESSES_FROM_BYTES", 0)
    one, two = Studio(tmp_path / "one"), Studio(tmp_path / "two")
    alone = one.practise("1", all_takes, tiny_profile)
    together = two.run(two.request("1", all_takes, tiny_profile, beam_arg=TWO))
    assert (alone.status, together.status) == (0, 0)
    assert alone.result["digest"] == together.result["digest"]
    assert alone.result["metrics"] == together.result["metrics"]
    files = [outcome_files(outcome) for outcome in (alone, together)]
    assert files[0] == files[1]

    # and both measure what measuring in a row measures, to the last bit
    profile = profiles.complete_learner_profile(tiny_profile)
    passages = read_passages(f"{alone.result['examples_uri']}/Split-eval/*.gz")
    held_out = [evaluation.HeldOut(p.name, p.audio, p.features) for p in passages]
    voice = Voice.load(one.deu.voice_path(1))
    expected = evaluation.evaluate(voice, held_out, profile=profile)
    found = json.loads(
        (Path(together.result["evaluation_uri"]) / "metrics.json").read_text()
    )
    assert found["metrics"] == expected.metrics
    kept = sorted((Path(together.result["evaluation_uri"]) / "examples").iterdir())
    assert len(kept) == len(expected.examples)
    for path, example in zip(kept, expected.examples, strict=True):
        with np.load(path) as stored:
            np.testing.assert_array_equal(stored["resynthesis"], example.resynthesis)

    # as do losses of voices on clocks of their own
    path = str(one.deu.voice_path(1))
    files = records.list_files(f"{alone.result['examples_uri']}/Split-eval")
    assert compare(files, path, profile, tmp_path) == comparison.compare(
        comparison.Contestant(voice, profile),
        comparison.Contestant(voice, profile),
        [passage.audio for passage in passages],
        sample_rate=profile.sample_rate,
    )


def compare(files, path, profile, folder):
    """Compares a voice with itself as the evaluator does where clocks differ."""
    asked = {"voice": path, "parent": path}
    with Pipeline(argv=local_args()) as pipeline:
        measuring.run(
            files, asked, "losses", profile=profile, folder=folder, pipeline=pipeline
        )
    losses = [
        [
            (loss, size)
            for _, line in measuring.read(folder, files, role, "losses")
            for loss, size in line.found
        ]
        for role in asked
    ]
    return comparison.sum_up(*losses, profile.sample_rate)


def test_what_a_worker_process_finds_damaged_is_one_sentence(
    tmp_path, all_takes, tiny_profile
):
    takes = [shutil.copy(take, tmp_path) for take in all_takes]
    with open(takes[0], "wb") as file:
        file.write(b"do re mi")
    studio = Studio(tmp_path / "home")
    outcome = studio.run(studio.request("1", takes, tiny_profile, beam_arg=TWO))
    assert outcome.status == 2
    (failed,) = outcome.all("failed")
    assert "take-0.wav" in failed.text
    assert "Traceback" not in failed.text
    assert "while running" not in failed.text


def outcome_files(outcome):
    """The records of a practice, byte for byte."""
    uri = outcome.result["examples_uri"]
    return {
        (split, Path(path).name): Path(path).read_bytes()
        for split in ("train", "eval")
        for path in records.list_files(f"{uri}/Split-{split}")
    }
