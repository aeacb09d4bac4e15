"""A voice that is tuned, from one end to the other: one lesson, then knobs of the player and of the learner."""

import json

import numpy as np
import pytest
import soundfile as sf

from amadeus.home import Home
from amadeus.report.session import read_session
from tests.e2e.sounds import write_takes
from tests.e2e.test_first_lesson import TUNE, amadeus, imitate


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    root = tmp_path_factory.mktemp("tuning")
    recordings = write_takes(root / "recordings", np.random.default_rng(440))
    assert amadeus(root / "home", "deu", "create", "cello").returncode == 0
    lesson = imitate(root / "home", recordings, steps=20)
    assert lesson.returncode == 0, lesson.stdout + lesson.stderr
    return root / "home"


def tune(home, *arguments):
    ran = amadeus(home, "practice", "tune", "cello", *arguments)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def who(home):
    path = Home(home).deu("cello").voice_path()
    return json.loads((path / "assets.extra" / "personality.json").read_text())


def last_session(home):
    return read_session(Home(home).deu("cello").practices()[-1])


def brightness_of(home, out):
    """The centroid of a performance's spectrum in Hz."""
    ran = amadeus(home, "perform", "cello", TUNE, "-o", out)
    assert ran.returncode == 0, ran.stderr
    audio, rate = sf.read(out)
    spectrum = np.abs(np.fft.rfft(audio)) ** 2
    return float(
        (spectrum * np.fft.rfftfreq(len(audio), 1 / rate)).sum() / spectrum.sum()
    )


def test_a_tuned_voice_performs_as_tuned_and_back_again(home, tmp_path):
    first = who(home)
    plain = brightness_of(home, tmp_path / "plain.wav")
    tune(home, "--player", "brightness=1")
    bright = brightness_of(home, tmp_path / "bright.wav")
    tune(home, "--player", "brightness=default")
    assert bright > 1.15 * plain
    assert who(home)["digest"] == first["digest"]
    assert brightness_of(home, tmp_path / "again.wav") == plain


def test_learner_knobs_use_the_cache_and_start_warm(home):
    before = who(home)
    said = tune(
        home,
        *("--learner", "learning_rate=0.001", "--steps", 4),
        *("--player", "noise_gain_db=-3", "--learner", "blessing_tolerance=9"),
    )
    assert "AudioExampleGen and DdspTransform should come from the cache" in said
    assert "AudioExampleGen taken from the cache" in said
    assert "DdspTransform taken from the cache" in said
    assert "training starts warm, from generation" in said
    assert "starts from nothing" not in said
    session = last_session(home)
    cached = {c.name for c in session.components if c.cached}
    assert cached == {"AudioExampleGen", "DdspTransform", "Parent"}
    now = who(home)
    assert now["parent_digest"] == before["digest"]
    assert now["trained_step_count"] == 4
    assert now["player_profile"]["noise_gain_db"] == -3
    assert session.evaluated.parent_metrics, "judged beside its parent"


def test_another_clock_starts_from_nothing_and_is_compared_all_the_same(home):
    before = who(home)
    said = tune(
        home,
        *("--learner", "frame_rate=50", "--learner", "blessing_tolerance=9"),
        *("--steps", 3),
    )
    assert "AudioExampleGen should come from the cache" in said
    assert "DdspTransform taken from the cache" not in said
    assert "training starts from nothing: frame_rate=50" in said
    assert "the voice starts from nothing, not from its parent" in said
    assert "each on its own clock and compared at 16000 Hz" in said
    now = who(home)
    assert now["learner_profile"]["frame_rate"] == 50
    assert now["player_profile"]["noise_gain_db"] == -3, "the player stays tuned"
    assert now["digest"] != before["digest"]


def test_recordings_that_are_gone_are_said_and_nothing_changes(home):
    deu = Home(home).deu("cello")
    before = deu.generations()
    recordings = home.parent / "recordings"
    recordings.rename(home.parent / "elsewhere")
    ran = amadeus(home, "practice", "tune", "cello", "--learner", "seed=99")
    assert ran.returncode == 2
    assert "not there any more: put them back" in ran.stderr
    assert deu.generations() == before
