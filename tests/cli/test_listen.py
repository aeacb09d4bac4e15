"""The coach at the door: what can be learned is said, what cannot is refused in a sentence."""

import json

import numpy as np
import pytest

from amadeus.audio.write import write_wav
from amadeus.cli.main import main

RATE = 16_000


def melody(*, seconds=4.0):
    """Plucks of a harmonic sound, a new note each half second."""
    time_s = np.arange(int(seconds * RATE)) / RATE
    note = (time_s * 2).astype(int) % 4
    f0_hz = np.array([220.0, 261.6, 329.6, 293.7])[note]
    phase = 2 * np.pi * np.cumsum(f0_hz) / RATE
    sound = sum(np.sin(k * phase) / k for k in range(1, 8))
    return (0.2 * np.exp(-3 * (time_s % 0.5)) * sound).astype(np.float32)


@pytest.fixture
def takes(tmp_path, rng):
    sounds = {
        "melody": melody(),
        "silence": np.zeros(3 * RATE, np.float32),
        "noise": rng.uniform(-0.3, 0.3, 3 * RATE).astype(np.float32),
        "short": melody(seconds=0.2),
    }
    for name, sound in sounds.items():
        write_wav(tmp_path / f"{name}.wav", sound, sample_rate=RATE)
    (tmp_path / "text.wav").write_text("this is a text")
    (tmp_path / "empty.wav").write_text("")
    (tmp_path / "folder").mkdir()
    return tmp_path


def test_what_would_be_learned_is_said(takes, capsys):
    assert main(["listen", str(takes / "melody.wav")]) == 0
    text = capsys.readouterr().out
    assert "melody.wav" in text
    assert "A3 to E4" in text


def test_json_is_strict_and_alone_on_stdout(takes, capsys):
    assert main(["listen", "--json", str(takes / "melody.wav")]) == 0
    report = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert report["takes"][0]["duration_s"] == pytest.approx(4.0)


@pytest.mark.parametrize(
    "name",
    [
        "silence.wav",
        "noise.wav",
        "short.wav",
        "text.wav",
        "empty.wav",
        "folder",
        "no.wav",
    ],
)
@pytest.mark.parametrize("command", [["listen"], ["practice", "imitate", "cello"]])
def test_what_teaches_nothing_is_refused_and_the_deu_is_as_it_was(
    takes, home, capsys, name, command
):
    deu = home.create_deu("cello")
    assert main([*command, str(takes / name)]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("amadeus: ")
    assert errors.count("\n") == 1
    assert deu.practices() == []


def test_an_unknown_setting_is_refused_before_listening(takes, capsys):
    arguments = [
        "listen",
        str(takes / "melody.wav"),
        "--learner",
        "f0_trackr=crepe_full",
    ]
    assert main(arguments) == 2
    assert "did you mean f0_tracker" in capsys.readouterr().err


def test_a_page_is_written_beside_the_answer(takes, capsys):
    page = takes / "coach.html"
    arguments = ["listen", str(takes / "melody.wav"), "--html", str(page)]
    assert main(arguments) == 0
    assert "coach.html: " in capsys.readouterr().out
    assert "<!doctype html>" in page.read_text()
    assert main([*arguments, "--json"]) == 0
    json.loads(capsys.readouterr().out)


def test_a_page_that_cannot_be_written_is_refused_before_listening(takes, capsys):
    arguments = ["listen", str(takes / "melody.wav"), "--html", "/nowhere/x.html"]
    assert main(arguments) == 2
    assert "there is no folder /nowhere" in capsys.readouterr().err


def test_the_instrument_can_be_named(takes, capsys):
    melody_path = str(takes / "melody.wav")
    assert main(["listen", melody_path, "--json", "--instrument", "viola"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["instrument"] == {
        "name": "viola",
        "low_midi": 48,
        "high_midi": 88,
        "source": "asked",
    }
    assert report["coverage"]["regions"][0]["low_midi"] == 48
    assert len(report["advice"]) == 3
    assert main(["listen", melody_path, "--instrument", "vola"]) == 2
    assert "did you mean viola" in capsys.readouterr().err
