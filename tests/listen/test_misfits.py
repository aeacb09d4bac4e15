"""What a profile asks for and the recordings do not hold, said before minutes of training."""

import numpy as np
import pytest
import soundfile
import soxr

from amadeus.cli.practice import listen_first
from amadeus.listen.report import Warning
from amadeus.listen.warnings import say_warnings
from amadeus.personality import profiles

RATE = 16_000


def find(report, kind):
    return [warning for warning in report.warnings if warning.kind == kind]


def test_a_voice_of_48_khz_from_16_khz_is_told_what_there_is(tune, hear):
    wide = soxr.resample(tune(1), RATE, 48_000)
    (warning,) = find(
        hear(wide, sample_rate=48_000, settings=["sample_rate=48000"]), "bandwidth"
    )
    assert warning.numbers["bandwidth_hz"] == pytest.approx(7_600, abs=500)
    assert warning.numbers["nyquist_hz"] == 24_000
    assert "sample_rate=16000 holds all there is" in warning.text


def test_a_file_of_16_khz_says_the_same(tune, hear):
    assert find(hear(tune(1), settings=["sample_rate=48000"]), "bandwidth")
    assert not find(hear(tune(1)), "bandwidth")


def test_a_bright_recording_is_enough_for_48_khz(note, hear):
    bright = note(220, 4, sample_rate=48_000)
    report = hear(bright, sample_rate=48_000, settings=["sample_rate=48000"])
    assert not find(report, "bandwidth")


def test_notes_below_the_f0_range_are_told_with_the_setting_that_lets_them_in(
    note, hear
):
    takes = np.concatenate([note(110, 3), note(220, 3)])
    report = hear(takes, settings=["f0_min_hz=150"])
    (warning,) = find(report, "f0_range")
    assert warning.numbers["outside_s"] == pytest.approx(3, abs=0.2)
    assert warning.numbers["lowest_hz"] == pytest.approx(110, rel=0.02)
    assert "A2 (110 Hz)" in warning.text
    assert "set f0_min_hz=103" in warning.text
    assert report.usable_duration_s == pytest.approx(3, abs=0.2)


def test_notes_above_the_f0_range_are_told(note, hear):
    report = hear(
        np.concatenate([note(220, 3), note(880, 3)]), settings=["f0_max_hz=500"]
    )
    (warning,) = find(report, "f0_range")
    assert "set f0_max_hz=9" in warning.text


@pytest.mark.parametrize(("f0_hz", "name"), [(41.2, "E1"), (2_300.0, "D7")])
def test_notes_that_no_tracker_hears_are_told(note, hear, f0_hz, name):
    report = hear(np.concatenate([note(220, 3), np.zeros(RATE), note(f0_hz, 3)]))
    (warning,) = find(report, "f0_range")
    assert warning.numbers["outside_s"] == pytest.approx(3, abs=0.5)
    assert name in warning.text


@pytest.mark.parametrize("name", ["rain", "sax-phrase", "speech-female"])
def test_rain_and_melodies_are_not_outside_of_the_range(recording, hear, name):
    assert not find(hear(recording(name)), "f0_range")


def test_warnings_come_before_the_training(tune, tmp_path, capsys):
    path = tmp_path / "take.wav"
    soundfile.write(path, np.tile(tune(1), 8), RATE)
    profile = profiles.complete_learner_profile(
        profiles.parse_learner_settings(["sample_rate=48000", "f0_min_hz=300"])
    )
    listen_first([path], profile)
    said = capsys.readouterr().out
    assert "warning: take.wav: nothing above 7" in said
    assert "lie outside of f0_min_hz=300" in said


def test_what_many_takes_share_is_said_once_at_its_worst():
    warnings = [
        Warning("noise", f"{snr} dB", {"snr_db": float(snr)}, f"{snr}.wav")
        for snr in (15, 3, 12, 18)
    ]
    assert say_warnings(warnings) == ["4 takes: noise; the worst is 3.wav: 3 dB."]
    assert say_warnings(warnings[:2]) == ["15.wav: 15 dB.", "3.wav: 3 dB."]
