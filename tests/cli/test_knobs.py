"""`amadeus knobs`: every knob, and nothing heavy."""

import json

import pytest

from amadeus.cli.main import main
from amadeus.personality import profiles
from tests.cli.terminal import amadeus, busy_s

KNOBS = {"player": profiles.PLAYER_KNOBS, "learner": profiles.LEARNER_KNOBS}


@pytest.mark.parametrize("kind", KNOBS)
def test_every_knob_stands_in_a_line_of_its_own(kind, capsys):
    assert main(["knobs", kind]) == 0
    title, *lines = capsys.readouterr().out.splitlines()
    assert title == f"{kind}: --{kind} KEY=VALUE"
    assert [line.split()[0] for line in lines] == list(KNOBS[kind])
    if kind == "player":
        assert max(map(len, lines)) <= 100


def test_a_line_tells_meaning_default_unit_and_range(capsys):
    assert main(["knobs", "player"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    tuning = lines["fine_tuning_cents"]
    assert "moves every pitch a little" in tuning
    assert tuning.split()[-5:] == ["0", "cents", "-100", "to", "100"]
    assert lines["note_priority"].endswith("last, low, high")


def test_without_a_kind_both_are_told(capsys):
    assert main(["knobs", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["player", "learner"]
    for kind, knobs in KNOBS.items():
        assert [row["name"] for row in told[kind]] == list(knobs)
        assert all(row["meaning"] and row["choice"] for row in told[kind])


def test_markdown_is_a_table(capsys):
    assert main(["knobs", "player", "--format", "markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(profiles.PLAYER_KNOBS)
    assert {line.count("|") for line in lines} == {5}
    assert "| `a4_hz` | pitch of A4, note 69 | 440 Hz | 400 to 480 |" in lines


def test_knobs_come_within_half_a_second(home):
    assert min(busy_s(lambda: amadeus("knobs", home=home)) for _ in range(3)) < 0.5
