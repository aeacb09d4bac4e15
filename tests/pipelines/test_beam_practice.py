"""A practice on two worker processes: the same voice and the same judgement as in one."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from amadeus.personality import profiles
from amadeus.voice import evaluation
from amadeus.voice.player import Voice
from amadeus.voice.sampler import read_passages
from components import records
from tests.pipelines.beam_steps import TWO
from tests.pipelines.conftest import Studio, profile_with

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

    # a child on another clock is compared with its parent by both, too
    other = profile_with(tiny_profile, frame_rate=125)
    child = one.practise("2", all_takes, other, parent=1)
    again = two.run(two.request("2", all_takes, other, parent=1, beam_arg=TWO))
    assert child.result["reason"] == again.result["reason"]
    assert "own clock" in again.result["reason"]


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
