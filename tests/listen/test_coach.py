"""What the coach measures of notes that are known, and whom it refuses."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest

from amadeus.errors import RecordingError
from amadeus.listen import coach, document, text

RATE = 16_000


@pytest.fixture
def melody(note):
    """Thirty notes, half of them 20 dB softer, from A3 to A5; 60 s of sound."""
    pitches = [220.0, 330.0, 440.0, 660.0, 880.0] * 6
    levels_db = [-8.0, -28.0] * 15
    return np.concatenate(
        [note(f0_hz, 2.1, db) for f0_hz, db in zip(pitches, levels_db, strict=True)]
    )


def test_the_range_of_pitch_and_dynamics_is_told(melody, hear):
    report = hear(melody)
    assert report.lowest_midi == pytest.approx(57, abs=0.1)
    assert report.highest_midi == pytest.approx(81, abs=0.1)
    assert report.dynamics_db == pytest.approx(20, abs=4)
    assert report.usable_duration_s == pytest.approx(63, abs=2)
    assert report.warnings == []


def test_sums_are_over_all_takes(note, hear):
    report = hear(note(220, 2), note(880, 3))
    assert report.duration_s == pytest.approx(5)
    assert report.usable_duration_s == pytest.approx(5, abs=0.2)
    assert (round(report.lowest_midi), round(report.highest_midi)) == (57, 81)
    assert [warning.kind for warning in report.warnings] == ["short"]


def test_a_limit_hears_a_spread_sample_and_estimates_the_rest(melody, hear):
    whole, sample = hear(melody, melody), hear(melody, melody, limit_s=24)
    assert sample.heard_s == pytest.approx(24, abs=0.5)
    assert sample.duration_s == whole.duration_s
    assert sample.usable_duration_s == pytest.approx(whole.usable_duration_s, rel=0.1)
    assert 56.9 < sample.lowest_midi < sample.highest_midi < 81.1
    assert "estimated" in text.render(sample)


def test_a_limit_leaves_some_of_many_takes_unheard(note, hear):
    report = hear(*[note(220, 3)] * 12, limit_s=12)
    assert len(report.takes) < 12
    assert report.duration_s == pytest.approx(36)
    assert report.usable_duration_s == pytest.approx(36, abs=2)


def test_a_limit_beyond_the_material_hears_all(melody, hear):
    assert hear(melody, limit_s=100) == hear(melody)


def test_other_clocks_hear_the_same(note, hear, tmp_path):
    from amadeus.personality import profiles

    profile = profiles.complete_learner_profile(
        profiles.parse_learner_settings(["sample_rate=44100", "frame_rate=252"])
    )
    hear(note(440, 3))
    report = coach.listen([tmp_path / "take0.wav"], profile=profile)
    assert report.lowest_midi == pytest.approx(69, abs=0.1)
    assert report.usable_duration_s == pytest.approx(3, abs=0.2)


@pytest.mark.parametrize("level", [0.0, 1e-5])
def test_silence_is_refused(hear, rng, level):
    report = hear(level * rng.uniform(-1, 1, 3 * RATE))
    assert [warning.kind for warning in report.warnings] == ["silence"]
    with pytest.raises(RecordingError, match=r"silent.* in 3\.0 s"):
        coach.check_teachable(report)


def test_noise_is_refused(hear, rng):
    report = hear(0.1 * rng.normal(size=5 * RATE).clip(-3, 3))
    with pytest.raises(RecordingError, match="steady pitch"):
        coach.check_teachable(report)


@pytest.mark.parametrize("seconds", [0.01, 0.2, 0.8])
def test_less_than_a_second_of_pitch_is_refused(note, hear, seconds):
    with pytest.raises(RecordingError, match=r"0\.\d s with a steady pitch"):
        coach.check_teachable(hear(note(440, seconds)))


def test_a_second_and_a_half_is_taught(note, hear):
    coach.check_teachable(hear(note(440, 1.5)))


def test_an_unreadable_take_is_refused_by_name(tmp_path, profile):
    (tmp_path / "words.wav").write_text("not a sound\n" * 10)
    with pytest.raises(RecordingError, match=r"words\.wav is not audio"):
        coach.listen([tmp_path / "words.wav"], profile=profile)


def test_the_text_names_notes_and_hertz(note, hear):
    words = text.render(hear(note(220, 2), np.zeros(RATE)))
    assert "A3 - A3" in words
    assert "(220 to 220 Hz)" in words
    assert "take1.wav: no sound in 1.0 s" in words


def test_columns_are_aligned_whatever_the_names(melody, hear):
    header, *rows = text.render(hear(melody, melody)).split("\n\n")[0].splitlines()
    end = header.index("length") + len("length")
    assert {row[:end].rstrip()[-1] for row in rows} == {"n"}  # of `1:03 min`


def test_json_holds_every_number_and_no_nan(note, hear):
    report = json.loads(document.to_json(hear(note(440, 2), np.zeros(RATE))))
    assert report["lowest_hz"] == pytest.approx(440, rel=0.01)
    assert report["takes"][1]["lowest_midi"] is None
    assert report["takes"][1]["warnings"][0]["numbers"]["peak"] == 0.0


@pytest.mark.parametrize(
    ("pitch_midi", "name"),
    [(69, "A4"), (60.4, "C4"), (36, "C2"), (61, "C#4"), (0, "C-1")],
)
def test_notes_have_their_names(pitch_midi, name):
    assert text.note_name(pitch_midi) == name


def test_the_coach_needs_no_tensorflow():
    probe = (
        "import sys, amadeus.listen.coach, amadeus.listen.text; "
        "sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", probe], check=True)


def test_nothing_measured_is_not_a_number(hear):
    take = hear(np.zeros(RATE)).takes[0]
    assert math.isnan(take.snr_db)
    assert take.usable_s == 0


def test_a_limit_hears_takes_that_do_not_tell_their_length():
    unknown = math.nan
    plan = coach._plan([unknown, unknown, unknown], 12.0)
    assert [[excerpt.offset_s for excerpt in excerpts] for excerpts in plan] == [
        [0.0]
    ] * 3
