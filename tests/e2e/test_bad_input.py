"""What a user may get wrong: one sentence, status 2, at once, and the deu is as it was."""

import os
import time

import mido
import numpy as np
import pytest
import soundfile as sf

from amadeus.cli.main import main
from tests.e2e.sounds import RATE, take, write_takes


@pytest.fixture
def cello(home):
    return home.create_deu("cello")


@pytest.fixture
def refused(capsys):
    """Runs a command that must be refused, and hands back its sentence."""

    def run(*arguments):
        started_at = time.monotonic()
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert status == 2, captured.err
        lines = [
            line for line in captured.err.splitlines() if line.startswith("amadeus: ")
        ]
        assert len(lines) == 1, captured.err
        assert "Traceback" not in captured.err
        assert time.monotonic() - started_at < 10
        return lines[0]

    return run


def _write(path, sound, rate=RATE):
    sf.write(path, sound, rate)
    return path


def _nan(path, rng):
    sound = take([60, 62], rng=rng)
    sound[1_000] = np.nan
    sf.write(path, sound, RATE, subtype="FLOAT")


def _truncated(path, rng):
    sf.write(path, take([60, 62, 64, 65], rng=rng), RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


BAD_RECORDINGS = {
    "empty": lambda path, rng: path.write_bytes(b""),
    "text": lambda path, rng: path.write_text("this is no sound at all\n" * 50),
    "truncated": _truncated,
    "silence": lambda path, rng: sf.write(path, np.zeros(5 * RATE), RATE),
    "noise": lambda path, rng: sf.write(
        path, 0.1 * rng.standard_normal(5 * RATE), RATE
    ),
    "short": lambda path, rng: sf.write(
        path, take([60], rng=rng, note_s=0.2, gap_s=0), RATE
    ),
    "nan": _nan,
    "low_rate": lambda path, rng: sf.write(
        path, 0.1 * rng.standard_normal(9_000), 3_000
    ),
}


@pytest.mark.parametrize("kind", BAD_RECORDINGS)
def test_a_recording_nothing_can_be_learned_from(kind, cello, refused, rng, tmp_path):
    path = tmp_path / "take.wav"
    BAD_RECORDINGS[kind](path, rng)
    sentence = refused("practice", "imitate", "cello", path, "--steps", 1)
    assert "take.wav" in sentence or kind in ("silence", "noise", "short")
    assert cello.generations() == []
    assert cello.practices() == []


def test_no_audio_at_all(cello, refused, tmp_path):
    assert "no" in refused(
        "practice", "imitate", "cello", tmp_path / "nowhere", "--steps", 1
    )
    (tmp_path / "empty").mkdir()
    refused("practice", "imitate", "cello", tmp_path / "empty", "--steps", 1)
    refused("practice", "imitate", "cello", tmp_path / "*.wav", "--steps", 1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_rights(cello, refused, rng, tmp_path):
    folder = write_takes(tmp_path / "locked", rng)
    folder.chmod(0)
    try:
        refused("practice", "imitate", "cello", folder, "--steps", 1)
    finally:
        folder.chmod(0o755)


@pytest.mark.parametrize("name", ["viola", "../cello", ""])
def test_an_unknown_or_impossible_deu(name, cello, refused, rng, tmp_path):
    takes = write_takes(tmp_path / "takes", rng)
    refused("practice", "imitate", name, takes, "--steps", 1)
    refused("perform", name, tmp_path / "tune.mid", "-o", tmp_path / "out.wav")
    refused("report", name)
    refused("deu", "show", name)


@pytest.mark.parametrize(
    "options",
    [
        ("--learner", "sample_rat=16000"),
        ("--learner", "frame_rate=99"),
        ("--learner", "f0_min_hz=900", "--learner", "f0_max_hz=800"),
        ("--minutes", "4", "--steps", "4"),
        ("--minutes", "-1"),
        ("--steps", "0"),
        ("--minutes", "nan"),
        ("--seed", "-1"),
    ],
)
def test_settings_that_cannot_work(options, cello, rng, tmp_path, capsys):
    takes = write_takes(tmp_path / "takes", rng)
    assert main(["practice", "imitate", "cello", str(takes), *options]) == 2
    assert capsys.readouterr().err.strip()
    assert cello.practices() == []


def test_a_score_without_notes(cello, refused, tmp_path):
    score = mido.MidiFile()
    score.add_track("silence").append(mido.Message("program_change", program=3))
    score.save(tmp_path / "silent.mid")
    assert "amadeus: " in refused(
        "perform", "cello", tmp_path / "silent.mid", "-o", tmp_path / "out.wav"
    )
    assert not (tmp_path / "out.wav").exists()


def test_an_output_that_cannot_be_written_is_refused_first(cello, refused, tmp_path):
    refused(
        "perform",
        "cello",
        tmp_path / "tune.mid",
        "-o",
        tmp_path / "no" / "such" / "out.wav",
    )
