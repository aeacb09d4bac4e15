"""The coach's verdicts on real recordings and on mixtures made of them."""

import numpy as np
import pytest
import soundfile

from amadeus.errors import RecordingError
from amadeus.listen import coach

RATE = 16_000


def kinds(report):
    # `short` is about the sum of these short files, not about their sound.
    return {warning.kind for warning in report.warnings} - {"short"}


def number(report, kind, name):
    return next(w.numbers[name] for w in report.warnings if w.kind == kind)


@pytest.mark.parametrize("name", ["sax-phrase", "singing-female"])
def test_a_clean_melody_needs_no_warning(recording, hear, name):
    report = hear(recording(name))
    assert kinds(report) == set()
    assert report.usable_duration_s > 0.9 * report.sounding_s
    coach.check_teachable(report)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rain", r"\d\.\d s with a steady pitch in \d\.\d s of sound \(\d%\)"),
        ("orchestra", r"\d\.\d s with a steady pitch in \d\.\d s of sound"),
        ("speech-female", r"sound like speech.*only \d\d% of the pitched time"),
    ],
)
def test_what_holds_no_notes_is_refused_with_numbers(recording, hear, name, words):
    report = hear(recording(name))
    assert report.usable_duration_s == 0
    with pytest.raises(RecordingError, match=words):
        coach.check_teachable(report)


def test_speech_beside_singing_is_a_warning(recording, hear):
    report = hear(recording("singing-female"), recording("speech-female"))
    assert kinds(report) == {"speech"}
    assert report.warnings[0].take == "take1.wav"
    coach.check_teachable(report)


def test_two_melodies_at_once_are_polyphony(recording, hear):
    voice, saxophone = recording("singing-female"), recording("sax-phrase")
    both = voice / voice.std() + saxophone[: len(voice)] / saxophone.std()
    report = hear(0.5 * both / np.max(np.abs(both)))
    assert "polyphony" in kinds(report)
    with pytest.raises(RecordingError, match="several notes at once"):
        coach.check_teachable(report)


@pytest.mark.parametrize("semitones", [3, 4, 7])
def test_two_notes_at_once_are_polyphony(note, hear, semitones):
    chord = note(220, 4) + note(220 * 2 ** (semitones / 12), 4)
    assert "polyphony" in kinds(hear(0.5 * chord))


@pytest.mark.parametrize("name", ["sax-phrase", "singing-female"])
@pytest.mark.parametrize("snr_db", [5, 15, 25])
def test_noise_is_measured_as_it_was_mixed(recording, hear, rng, name, snr_db):
    audio = recording(name)
    loud = audio[np.abs(audio) > 0.01]
    noise = rng.normal(0, np.sqrt(np.mean(loud**2)) * 10 ** (-snr_db / 20), len(audio))
    report = hear(np.clip(audio + noise, -1, 1))
    assert report.takes[0].snr_db == pytest.approx(snr_db, abs=2.5)
    assert ("noise" in kinds(report)) == (snr_db < 20)


def test_clipping_is_counted(recording, hear):
    audio = np.clip(4 * recording("sax-phrase"), -1, 1)
    report = hear(audio)
    assert kinds(report) == {"clipping"}
    truth = np.mean(np.abs(audio) >= 1)
    assert number(report, "clipping", "clipped_share") == pytest.approx(truth, rel=0.3)


@pytest.mark.parametrize("name", ["sax-phrase", "singing-female"])
@pytest.mark.parametrize("decay_s", [0.5, 1.0, 2.0, 4.0])
def test_the_echo_of_a_room_is_measured(recording, hear, rng, name, decay_s):
    times = np.arange(round(decay_s * RATE)) / RATE
    response = rng.normal(size=len(times)) * 10 ** (-3 * times / decay_s)
    n_fft = 1 << 19
    dry = recording(name)
    spectrum = np.fft.rfft(dry, n_fft) * np.fft.rfft(response, n_fft)
    wet = np.fft.irfft(spectrum)[: len(dry)]
    report = hear(0.5 * wet / np.max(np.abs(wet)))
    assert report.takes[0].decay_60db_s == pytest.approx(decay_s, rel=0.3)
    assert ("reverb" in kinds(report)) == (decay_s > 1.5)


def test_sound_from_a_telephone_is_dull(recording, hear):
    audio = recording("sax-phrase")
    spectrum = np.fft.rfft(audio)
    spectrum[int(len(spectrum) * 3_400 / 8_000) :] = 0
    report = hear(np.fft.irfft(spectrum))
    assert kinds(report) == {"bandwidth"}
    assert number(report, "bandwidth", "bandwidth_hz") == pytest.approx(3_400, abs=150)


def test_a_take_that_is_mostly_silent_is_told(note, hear):
    report = hear(np.concatenate([note(440, 3), np.zeros(7 * RATE)]))
    assert kinds(report) == {"silence"}
    assert number(report, "silence", "silent_share") == pytest.approx(0.67, abs=0.02)


# The thresholds were fitted on recordings; these melodies were made for the tests alone.


@pytest.mark.parametrize("seed", range(4))
def test_one_melody_of_chance_notes_needs_no_warning(tune, hear, seed):
    assert kinds(hear(tune(seed))) == set()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("level_db", [0, -6])
def test_two_melodies_of_chance_notes_are_polyphony(tune, hear, seed, level_db):
    second = 10 ** (level_db / 20) * tune(seed + 100, low=60, high=81, seconds=0.37)
    both = tune(seed)[: len(second)] + second[: 8 * RATE]
    report = hear(both)
    assert "polyphony" in kinds(report)
    assert report.usable_duration_s == 0


@pytest.mark.parametrize("snr_db", [8, 17, 23, 35])
def test_noise_is_measured_under_chance_notes(tune, hear, rng, snr_db):
    audio = tune(7)
    sounding = audio[np.abs(audio) > 0.02]
    noise_rms = np.sqrt(np.mean(sounding**2)) * 10 ** (-snr_db / 20)
    report = hear(audio + rng.normal(0, noise_rms, len(audio)))
    # Where noise is faint, the partials' own skirts are heard with it.
    tolerance_db = 2.5 if snr_db < 30 else 4.0
    assert report.snr_db == pytest.approx(snr_db, abs=tolerance_db)
    assert ("noise" in kinds(report)) == (snr_db < 20)


@pytest.mark.parametrize("notes", [(40, 52), (67, 84)])  # long crests and short ones
@pytest.mark.parametrize("share", [0.001, 0.01, 0.05])
def test_a_known_share_of_clipped_samples_is_counted(tune, hear, share, notes):
    audio = tune(3, low=notes[0], high=notes[1])
    ceiling = np.quantile(np.abs(audio), 1 - share)
    report = hear(np.clip(audio, -ceiling, ceiling) * 0.9 / ceiling)
    assert "clipping" in kinds(report)
    assert report.clipped_share == pytest.approx(share, rel=0.2)
    assert hear(audio).clipped_share == 0


def test_trouble_is_found_where_it_is(tune, hear):
    audio = np.tile(tune(3), 2)
    loud = audio.copy()
    loud[12 * RATE : 13 * RATE] *= 5
    place_s = hear(np.clip(loud, -0.5, 0.5)).takes[0].places_s["clipping"]
    assert 8 < place_s <= 13  # blocks of 4 s at this rate


@pytest.mark.parametrize("f0_hz", [110.0, 997.0, 3_001.0])
@pytest.mark.parametrize("subtype", ["FLOAT", "PCM_16"])
def test_a_sine_at_its_peak_is_not_clipped(tmp_path, profile, f0_hz, subtype):
    times = np.arange(4 * RATE) / RATE
    path = tmp_path / "sine.wav"
    soundfile.write(path, 0.9 * np.sin(2 * np.pi * f0_hz * times), RATE, subtype)
    assert coach.listen([path], profile=profile).clipped_share < 1e-4
