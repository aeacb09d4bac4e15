"""A first look tells what of the takes can be used, and holds them to their digests."""

import errno
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from amadeus.audio import decode, recordings
from amadeus.errors import RecordingError
from components.audio_example_gen import looking, takes
from tests.components import sounds


def look(path):
    (take,) = takes.gather([str(path)]).takes
    return looking.look((0, take), eval_fraction=0.1)


def survey_and(take, act):
    with takes.held(take) as path:
        decode.survey(path)
        act()


def _cut(path, rng, share=0.5):
    sounds.write(path, sounds.notes(rng, seconds=2.0))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def _flac(path, rng):
    soundfile.write(path, sounds.notes(rng, seconds=2.0), 16_000, format="FLAC")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _nan(path, rng):
    audio = sounds.notes(rng, seconds=0.5)
    audio[99] = np.nan
    soundfile.write(path, audio, 16_000, subtype="FLOAT")


BAD = {
    "nothing there": (lambda path, rng: path.symlink_to("nowhere"), "unreadable"),
    "pipe": (lambda path, rng: os.mkfifo(path), "unreadable"),
    "no bytes": (lambda path, rng: path.write_bytes(b""), "empty"),
    "no samples": (lambda path, rng: sounds.write(path, np.zeros(0)), "empty"),
    "text": (lambda path, rng: path.write_text("do re mi\n" * 9), "undecodable"),
    "noise": (lambda path, rng: path.write_bytes(rng.bytes(5_000)), "undecodable"),
    "nan": (_nan, "undecodable"),
    "half a wav": (_cut, "truncated"),
    "half a flac": (_flac, "undecodable"),
    "silence": (lambda path, rng: sounds.write(path, np.zeros(9_000)), "silent"),
    "less than 80 dB": (
        lambda path, rng: sounds.write(path, np.full(9_000, 3e-5)),
        "silent",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_used_says_why(kind, tmp_path, rng):
    write, reason = BAD[kind]
    write(tmp_path / "take.wav", rng)
    found = look(tmp_path / "take.wav")
    assert found.survey is None
    assert found.total.rule.n_takes == 0
    assert found.total.n_takes == found.total.skipped.n_takes == 1
    (one,) = found.total.skipped.first[reason]
    assert one.name == "take.wav"
    assert "take.wav" in one.text


def test_what_can_be_used_is_measured(tmp_path, rng):
    path = sounds.write(tmp_path / "take.wav", sounds.notes(rng, seconds=1.5))
    found = look(path)
    assert found.duration_s == 1.5
    assert found.total.rates == {16_000: 1}
    assert found.total.skipped.n_takes == 0
    assert found.survey.n_samples == decode.survey(path).n_samples


def test_bytes_other_than_those_of_the_digest_are_never_read(tmp_path, rng):
    path = sounds.write(tmp_path / "take.wav", sounds.notes(rng, seconds=1.0))
    (take,) = takes.gather([str(path)]).takes
    sounds.write(path, sounds.notes(rng, seconds=1.0, f0_hz=330.0))
    with pytest.raises(RecordingError, match=r"take\.wav changed while") as caught:
        looking.look((0, take), eval_fraction=0.1)
    assert caught.value.fault is None  # an accident is not skipped
    path.unlink()
    with pytest.raises(RecordingError, match=r"take\.wav went away") as caught:
        looking.look((0, take), eval_fraction=0.1)
    assert caught.value.fault is None


@pytest.mark.parametrize("how", ["append", "rewrite", "replace", "remove", "truncate"])
def test_a_take_that_changes_while_it_is_decoded_stops(tmp_path, rng, how):
    path = sounds.write(tmp_path / "take.wav", sounds.notes(rng, seconds=1.0))
    other = sounds.write(tmp_path / "other.wav", sounds.notes(rng, seconds=1.0))
    (take,) = takes.gather([str(path)]).takes
    seen = path.stat()

    def change():
        if how == "append":
            with path.open("ab") as file:
                file.write(b"more")
        elif how == "rewrite":  # of the same size, and its times set back
            shutil.copyfile(other, path)
            os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
        elif how == "replace":
            other.replace(path)
        elif how == "remove":
            path.unlink()
        else:
            os.truncate(path, 100)

    with pytest.raises(RecordingError, match=r"changed while|went away") as caught:
        survey_and(take, change)
    assert caught.value.fault is None


def test_a_damage_that_comes_while_it_is_decoded_is_told_as_a_change(tmp_path, rng):
    path = sounds.write(tmp_path / "take.wav", sounds.notes(rng, seconds=1.0))
    (take,) = takes.gather([str(path)]).takes

    def damage():
        os.truncate(path, 1_000)
        decode.survey(path)

    with pytest.raises(RecordingError, match="changed while") as caught:
        survey_and(take, damage)
    assert caught.value.fault is None


@pytest.mark.parametrize("reader", [recordings, decode])
def test_what_could_be_read_and_now_cannot_is_an_accident(
    tmp_path, rng, monkeypatch, reader
):
    path = sounds.write(tmp_path / "take.wav", sounds.notes(rng, seconds=1.0))
    (take,) = takes.gather([str(path)]).takes
    open_path = Path.open

    def open_late(self, *given, **options):
        if sys._getframe(1).f_globals["__name__"] == reader.__name__:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return open_path(self, *given, **options)

    monkeypatch.setattr(Path, "open", open_late)
    with pytest.raises(RecordingError, match="Too many open files") as caught:
        looking.look((0, take), eval_fraction=0.1)
    assert caught.value.fault is None


def test_what_could_not_be_read_and_now_can_is_a_change(tmp_path, rng):
    path = tmp_path / "take.wav"
    path.symlink_to(tmp_path / "later.wav")
    (take,) = takes.gather([str(path)]).takes
    assert take.digest == ""
    sounds.write(tmp_path / "later.wav", sounds.notes(rng, seconds=1.0))
    with pytest.raises(RecordingError, match="changed while"):
        looking.look((0, take), eval_fraction=0.1)
