"""The whole road: recordings, a practice by the real worker, a voice, a tune, a report.

One practice is taught once and looked at by every test here.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile as sf

from amadeus.home import Home
from amadeus.journal import read_journal
from tests.e2e.sounds import RATE, take, write_takes

TINY = [
    "harmonic_count=12",
    "noise_band_count=9",
    "recurrent_unit_count=16",
    "dense_unit_count=16",
    "reverb_duration_s=0.05",
    "crop_duration_s=0.5",
    "batch_size=4",
]
TUNE = Path(__file__).parents[2] / "examples" / "ode.mid"


class Lesson(NamedTuple):
    home: Path
    recordings: Path
    out: Path
    practice: subprocess.CompletedProcess


def amadeus(home, *arguments):
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "amadeus.cli.main",
            "--home",
            str(home),
            *map(str, arguments),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def imitate(home, recordings, *, steps=40, seed=7):
    settings = [part for setting in TINY for part in ("--learner", setting)]
    return amadeus(
        home,
        "practice",
        "imitate",
        "cello",
        recordings,
        "--steps",
        steps,
        "--seed",
        seed,
        *settings,
    )


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    root = tmp_path_factory.mktemp("lesson")
    recordings = write_takes(root / "recordings", np.random.default_rng(440))
    assert amadeus(root / "home", "deu", "create", "cello").returncode == 0
    practice = imitate(root / "home", recordings)
    assert practice.returncode == 0, practice.stdout + practice.stderr
    return Lesson(root / "home", recordings, root, practice)


def _personality(home, generation=1):
    deu = Home(home).deu("cello")
    path = deu.voice_path(generation) / "assets.extra" / "personality.json"
    return json.loads(path.read_text())


def test_a_practice_makes_the_first_generation(lesson):
    personality = _personality(lesson.home)
    assert personality["generation"] == 1
    assert personality["digest"].startswith("sha256:")
    assert "generation 1" in lesson.practice.stdout


def test_the_journal_tells_every_component_and_the_end(lesson):
    practice = Home(lesson.home).deu("cello").practices()[0]
    events = read_journal(practice / "journal.jsonl")
    finished = [
        e.component_finished.component
        for e in events
        if e.HasField("component_finished")
    ]
    for name in (
        "AudioExampleGen",
        "DdspTransform",
        "Trainer",
        "Evaluator",
        "Pusher",
        "PersonalityWriter",
    ):
        assert any(name in component for component in finished), name
    assert events[-1].finished.generation == 1
    assert events[-1].finished.is_new


def test_the_voice_plays_a_tune(lesson):
    out = lesson.out / "tune.wav"
    ran = amadeus(lesson.home, "perform", "cello", TUNE, "-o", out, "--rate", 44_100)
    assert ran.returncode == 0, ran.stderr
    audio, rate = sf.read(out)
    assert rate == 44_100
    assert 15 < len(audio) / rate < 60
    assert 0.01 < np.abs(audio).max() <= 1


def test_the_voice_takes_over_another_sound(lesson, rng):
    humming, out = lesson.out / "humming.wav", lesson.out / "transfer.wav"
    sf.write(humming, take([62, 64, 65], rng=rng), RATE)
    ran = amadeus(lesson.home, "perform", "cello", humming, "-o", out)
    assert ran.returncode == 0, ran.stderr
    audio, rate = sf.read(out)
    assert rate == RATE
    assert abs(len(audio) / rate - sf.info(humming).duration) < 2
    assert np.abs(audio).max() > 0.001


def test_the_report_is_one_page_that_needs_no_network(lesson):
    out = lesson.out / "report.html"
    ran = amadeus(lesson.home, "report", "cello", "-o", out)
    assert ran.returncode == 0, ran.stderr
    page = out.read_text()
    assert 50_000 < len(page) < 15_000_000
    assert "<audio" in page
    for attribute in ('src="http', "src='http", 'href="http', "url(http"):
        assert attribute not in page


def test_the_lineage_names_the_recordings_and_the_digest(lesson):
    ran = amadeus(lesson.home, "lineage", "cello")
    assert ran.returncode == 0, ran.stderr
    assert "take 2.wav" in ran.stdout
    assert _personality(lesson.home)["digest"].removeprefix("sha256:")[:8] in ran.stdout


def test_same_recordings_steps_and_seed_give_the_same_digest(lesson, tmp_path):
    assert amadeus(tmp_path / "home", "deu", "create", "cello").returncode == 0
    again = imitate(tmp_path / "home", lesson.recordings)
    assert again.returncode == 0, again.stdout + again.stderr
    assert (
        _personality(tmp_path / "home")["digest"] == _personality(lesson.home)["digest"]
    )


def test_a_second_practice_grows_from_the_first(lesson):
    again = imitate(lesson.home, lesson.recordings, steps=20, seed=8)
    assert again.returncode == 0, again.stdout + again.stderr
    generations = Home(lesson.home).deu("cello").generations()
    if "not blessed" in again.stdout:
        assert generations == [1]
    else:
        assert generations == [1, 2]
        assert (
            _personality(lesson.home, 2)["parent_digest"]
            == _personality(lesson.home)["digest"]
        )
