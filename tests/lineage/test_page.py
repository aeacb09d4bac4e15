"""The page with sound: whole, self-contained, and safe whatever names hold."""

import re

import pytest

from amadeus.cli.main import main
from amadeus.lineage import sound
from amadeus.lineage.diff import Side, personality_of
from amadeus.lineage.page import MAX_SOUNDS, play_all, render_page
from amadeus.lineage.read import detailed, generations_of
from amadeus.lineage.tree import standing_of
from amadeus.v1 import personality_pb2
from tests.export.voices import SMALL, write_voice
from tests.lineage.scribe import Tale

EVIL = "<script>alert(1)</script>.wav"


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    return write_voice(tmp_path_factory.mktemp("voice") / "1", **SMALL)


@pytest.fixture
def deu(home):
    return home.create_deu("cello")


def test_a_page_of_two_generations_and_a_pruned_one(home, deu, voice, tmp_path, capsys):
    tale = Tale(home, deu)
    tale.tell(1, takes=[(EVIL, "aa")], voice=voice)
    tale.tell(2, 1, player={"brightness": 0.5}, takes=[("b.wav", "bb")], voice=voice)
    tale.tell(3, 2)
    (deu.voices_path / "3").rename(tmp_path / "gone")
    out = tmp_path / "page.html"
    assert main(["lineage", "cello", "--format", "html", "-o", str(out)]) == 0
    assert "3 generations, 2 of them with sound" in capsys.readouterr().out
    page = out.read_text()
    assert page.count("data:audio/mpeg;base64,") == 2
    assert "no sound: its files are gone" in page
    assert "brightness" in page
    assert "plays now" in page
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r'(?:src|href)="(?!data:|#)', page), "nothing from outside"
    assert "default-src 'none'" in page
    assert len(page) < 500_000


def test_a_page_of_nobody_says_so(home, deu, tmp_path):
    out = tmp_path / "page.html"
    assert main(["lineage", "cello", "--format=html", "-o", str(out)]) == 0
    assert "No lineage yet" in out.read_text()


def test_a_page_must_be_html(home, deu, tmp_path, capsys):
    argv = ["lineage", "cello", "--format=html", "-o", str(tmp_path / "page.pdf")]
    assert main(argv) == 2
    assert ".html" in capsys.readouterr().err


def test_equal_personalities_play_once_and_damaged_ones_say_so(home, deu, monkeypatch):
    tale = Tale(home, deu)
    for generation in range(1, 51):
        tale.tell(generation, generation - 1 or None)
    played = []

    def play(path, _phrase):
        from amadeus.errors import VoiceError

        played.append(int(path.name))
        if path.name == "7":
            raise VoiceError("it is damaged.")
        return "data:audio/mpeg;base64,AAAA"

    monkeypatch.setattr(sound, "render_phrase", play)
    records = generations_of(home, deu)
    sounds = play_all(deu, records, standing_of(deu))
    assert played == list(range(50, 0, -1))
    assert len(sounds.uris) == 49
    assert "damaged" in sounds.silences[7]
    told = [Side(detailed(home, r), personality_of(deu, r.generation)) for r in records]
    page = render_page(standing_of(deu), records, told, sounds)
    assert page.count("<audio") == 49
    assert page.count("<article") == 50
    assert len(records) <= MAX_SOUNDS


def test_the_phrase_lies_in_what_was_learned():
    low = personality_pb2.Statistics(pitch_quantiles_midi=[40, 45, 50])
    high = personality_pb2.Statistics(pitch_quantiles_midi=[80, 85, 90])
    for statistics, middle in ((low, 45), (high, 85)):
        pitches = [n.pitch_midi for n in sound.choose_phrase(statistics).notes]
        assert min(pitches) < middle < max(pitches)
    assert sound.say_phrase(sound.write_phrase(60)) == "C4 E4 G4 C5 G4"
