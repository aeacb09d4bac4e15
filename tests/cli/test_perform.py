"""What is refused before a voice is loaded; that one plays is told by the end-to-end tests."""

import subprocess
import sys

import mido
import numpy as np
import pytest

from amadeus.audio.write import write_wav
from amadeus.cli.main import main
from amadeus.personality import profiles
from amadeus.v1.profiles_pb2 import PlayerProfile
from tests.cli.terminal import environment
from tests.cli.test_deu import teach


@pytest.fixture
def stage(home, tmp_path, monkeypatch):
    """A folder with a tune, an empty tune and a sound, and a deu with a voice (in name only)."""
    teach(home.create_deu("cello"), 1)
    home.create_deu("viola")
    folder = tmp_path / "stage"
    (folder / "folder.wav").mkdir(parents=True)
    tune, silence = mido.MidiFile(), mido.MidiFile()
    tune.tracks.append(
        mido.MidiTrack(
            [
                mido.Message("note_on", note=60, time=0),
                mido.Message("note_off", note=60, time=480),
            ]
        )
    )
    silence.tracks.append(mido.MidiTrack())
    tune.save(folder / "tune.mid")
    silence.save(folder / "silence.mid")
    write_wav(folder / "hum.wav", np.zeros(16_000, np.float32), sample_rate=16_000)
    (folder / "text.wav").write_text("this is a text")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("cello nowhere.mid -o out.wav", "there is no file nowhere.mid"),
        ("cello folder.wav -o out.wav", "folder.wav is not a file"),
        ("cello tune.mid -o folder.wav", "it is a folder"),
        ("cello tune.mid -o nowhere/out.wav", "there is no folder nowhere"),
        ("cello tune.mid -o out.mp3", "must end in .wav"),
        ("cello hum.wav -o ./hum.wav", "is input and output"),
        ("cello tune.mid -o out.wav --rate 12", "--rate=12 is out of range"),
        ("cello tune.mid -o out.wav --player warmth=1", "does not exist"),
        ("cello tune.mid -o out.wav --player reverb_mix=2", "out of range"),
        ("cello tune.mid -o out.wav --octave 1", "--octave shifts a sound"),
        ("cello tune.mid -o out.wav --track 9", "track"),
        ("cello hum.wav -o out.wav --track 1", "--track chooses tracks of a MIDI file"),
        ("cello silence.mid -o out.wav", "note"),
        ("cello text.wav -o out.wav", "text.wav"),
        ("cello text.wav -o /proc/out.wav", "cannot write /proc/out.wav"),
        ("cello tune.mid -o out.wav --generation 7", "has no generation 7"),
        ("cello tune.mid -o out.wav --generation 0", "they count from 1"),
        ("viola tune.mid -o out.wav", "has no voice yet"),
        ("bass tune.mid -o out.wav", "there is no deu 'bass'"),
        ("cello tune.mid", "perform needs an input and -o"),
    ],
)
def test_bad_input_is_refused_before_tensorflow_is_imported(
    stage, home, arguments, sentence
):
    probe = (
        "import sys; from amadeus.cli.main import main\n"
        f"status = main({['perform', *arguments.split()]!r})\n"
        "sys.exit('TensorFlow was loaded' if 'tensorflow' in sys.modules else status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe],
        env=environment(home),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr
    assert not (stage / "out.wav").exists()


def test_a_voice_in_name_only_is_one_sentence(stage, capsys):
    assert main(["perform", "cello", "tune.mid", "-o", "out.wav"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (stage / "out.wav").exists()


def test_a_midi_file_is_known_by_its_first_bytes(stage, capsys):
    (stage / "silence.mid").rename(stage / "silence")
    assert main(["perform", "cello", "silence", "-o", "out.wav"]) == 2
    assert "silence" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("fine_tuning_cents=101", "choose from -100 to 100 cents"),
        ("noise_gain_db=-61", "choose from -60 to 24 dB"),
        ("portamento_s=slow", "choose from 0 to 5 s"),
        ("voice_count=0", "choose from 1 to 32"),
        ("voice_mode=duo", "choose one of poly, mono"),
        ("brightnes=1", "did you mean brightness"),
    ],
)
def test_a_knob_that_cannot_be_is_refused_with_its_range(
    stage, capsys, setting, sentence
):
    arguments = ["perform", "cello", "tune.mid", "-o", "out.wav", "--player", setting]
    assert main(arguments) == 2
    errors = capsys.readouterr().err
    assert setting.split("=")[0] in errors
    assert sentence in errors


def test_every_knob_is_taken(stage, capsys):
    settings = [
        f"--player={name}={profiles.spell(PlayerProfile(), name, knob.default)}"
        for name, knob in profiles.PLAYER_KNOBS.items()
    ]
    assert main(["perform", "cello", "tune.mid", "-o", "out.wav", *settings]) == 2
    errors = capsys.readouterr().err
    assert "practise again" in errors  # it got as far as the voice, which is none
    assert not any(name in errors for name in profiles.PLAYER_KNOBS)
