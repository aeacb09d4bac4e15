"""`amadeus perform --studio`: a real studio as a process, two homes that share nothing."""

import subprocess
import sys

import mido
import numpy as np
import pytest
import soundfile

from amadeus.audio.write import write_wav
from amadeus.play.record import read_record
from benchmarks.measures import studios

TINY = ("preset=tiny", "reverb_duration_s=0.1")


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    path = tmp_path_factory.mktemp("studio-home")
    studios.add_voice(path, "viola", TINY)
    with studios.running(path) as studio:
        yield studio


@pytest.fixture(scope="module")
def own_home(tmp_path_factory):
    path = tmp_path_factory.mktemp("own-home")
    studios.add_voice(path, "cello", (*TINY, "seed=5"))
    return path


@pytest.fixture
def tune(tmp_path):
    score = mido.MidiFile()
    notes = [
        message
        for key in (48, 52, 55)
        for message in (
            mido.Message("note_on", note=key, velocity=90, time=0),
            mido.Message("note_off", note=key, time=240),
        )
    ]
    score.tracks.append(mido.MidiTrack(notes))
    path = tmp_path / "tune.mid"
    score.save(path)
    return path


def amadeus(home, *arguments):
    command = [sys.executable, "-m", "amadeus.cli.main", "--home", str(home)]
    return subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_a_tune_is_played_by_a_voice_of_the_studio(studio, own_home, tune, tmp_path):
    out = tmp_path / "out.wav"
    ran = amadeus(
        own_home, "perform", "viola", tune, "--studio", studio.target, "-o", out
    )
    assert ran.returncode == 0, ran.stderr
    assert "played by generation 1 of viola" in ran.stdout
    sound, rate = soundfile.read(out)
    assert rate == 16_000
    assert len(sound) / rate > 0.75
    record = read_record(out)
    assert (record.deu, record.generation, record.is_untouched) == ("viola", 1, True)
    voiced = [line.f0_hz[line.f0_hz > 0] for line in record.lines]
    assert sum(map(len, voiced)) > 0.5 * record.spec.frame_rate
    pitches = np.unique(np.rint(12 * np.log2(np.concatenate(voiced) / 440) + 69))
    assert {48, 52, 55} <= set(pitches)
    assert np.abs(sound).max() > 1e-3


def test_a_voice_of_this_home_is_brought_along(studio, own_home, tune, tmp_path):
    out = tmp_path / "out.wav"
    arguments = ("perform", "cello", tune, "--studio", studio.target, "-o", out)
    first = amadeus(own_home, *arguments)
    assert first.returncode == 0, first.stderr
    assert "played by generation 1 of cello" in first.stdout
    sound, _ = soundfile.read(out)
    assert np.abs(sound).max() > 1e-3
    assert studio.home.deu("cello").generations() == [1]
    again = amadeus(own_home, *arguments, "--rate", "48000")
    assert again.returncode == 0, again.stderr
    assert soundfile.info(out).samplerate == 48_000
    assert studio.home.deu("cello").generations() == [1]


def test_another_sound_is_followed(studio, own_home, tmp_path):
    hum = tmp_path / "hum.wav"
    time_s = np.arange(32_000) / 16_000
    write_wav(hum, 0.3 * np.sin(2 * np.pi * 220 * time_s), sample_rate=16_000)
    out = tmp_path / "out.wav"
    ran = amadeus(
        own_home, "perform", "viola", hum, "--studio", studio.target, "-o", out
    )
    assert ran.returncode == 0, ran.stderr
    assert soundfile.info(out).duration >= 2.0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nobody", "TUNE", "-o", "OUT", "--studio", "STUDIO"), "no deu 'nobody'"),
        (("viola", "TUNE", "-o", "OUT", "--studio", "nowhere"), "write HOST:PORT"),
        (
            ("viola", "TUNE", "-o", "OUT", "--studio", "127.0.0.1:9"),
            "cannot be reached",
        ),
        (("viola", "--live"), "--live plays in a studio"),
        (("viola", "TUNE", "--live", "--studio", "STUDIO"), "leave out the input file"),
        (("viola", "TUNE", "-o", "OUT", "--studio-tls"), "given without a studio"),
        (
            ("cello", "TUNE", "-o", "OUT", "--studio", "STUDIO", "--generation", "7"),
            "7",
        ),
    ],
)
def test_what_cannot_be_is_a_sentence(
    studio, own_home, tune, tmp_path, arguments, sentence
):
    words = {"TUNE": tune, "OUT": tmp_path / "out.wav", "STUDIO": studio.target}
    ran = amadeus(own_home, "perform", *(words.get(word, word) for word in arguments))
    assert ran.returncode == 2
    assert sentence in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "out.wav").exists()


def test_live_without_a_keyboard_is_a_sentence(studio, own_home):
    ran = amadeus(own_home, "perform", "viola", "--live", "--studio", studio.target)
    assert ran.returncode == 2
    assert "MIDI" in ran.stderr
    assert "Traceback" not in ran.stderr
