"""`amadeus presets`: what one reads is what one gets."""

import json

import pytest

from amadeus.cli import presets as command
from amadeus.cli.main import main
from amadeus.personality import presets
from tests.cli.terminal import amadeus, busy_s

NAMES = [preset.name for preset in presets.PRESETS]


def test_all_presets_fit_on_one_screen_and_say_for_whom_they_are(capsys):
    assert main(["presets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 100
    for preset in presets.PRESETS:
        assert any(line.startswith(f"{preset.name:8}") for line in lines)
        assert any(preset.purpose in line for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_shows_all_its_knobs_and_marks_its_own(name, capsys):
    assert main(["presets", name]) == 0
    lines = capsys.readouterr().out.splitlines()
    marked = {line.split()[1] for line in lines if line.startswith("* ")}
    (preset,) = (p for p in presets.PRESETS if p.name == name)
    assert set(preset.settings) <= marked
    assert any("sample_rate" in line and "16000 Hz" in line for line in lines)
    assert f"--learner preset={name} --learner" in lines[-1]


@pytest.mark.parametrize("name", NAMES)
def test_json_holds_the_whole_profile(name, capsys):
    assert main(["presets", name, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert answer["name"] == name
    assert answer["learner_profile"]["preset"] == f"PRESET_{name.upper()}"
    assert answer["latency_ms"] > 0


def test_json_of_all_lists_them_in_order(capsys):
    assert main(["presets", "--json"]) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == NAMES


def test_costs_are_told_against_the_default(monkeypatch, capsys):
    costs = {name: command.Cost(2.0, 0.5) for name in NAMES}
    costs["tiny"] = command.Cost(1.0, 0.25)
    monkeypatch.setattr(command, "MEASURED", costs)
    assert main(["presets"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()[1:5]}
    assert rows["live"].endswith("1.0 x    1.0 x")
    assert rows["tiny"].endswith("0.5 x    0.5 x")
    assert rows["vst"].endswith("1.0 x    0.5 x")  # half as many blocks a second


@pytest.mark.parametrize(
    "arguments",
    [
        ["presets", "sollo"],
        ["practice", "imitate", "cello", "a.wav", "--learner", "preset=sollo"],
    ],
)
def test_an_unknown_preset_is_refused_and_near_names_offered(arguments, home, capsys):
    home.create_deu("cello")
    assert main(arguments) == 2
    errors = capsys.readouterr().err
    assert "choose one of tiny, live, solo, vst; did you mean solo?" in errors


def test_a_frame_rate_that_does_not_divide_is_refused_and_near_ones_offered(
    home, capsys
):
    home.create_deu("cello")
    settings = ["--learner", "sample_rate=44100", "--learner", "frame_rate=250"]
    assert main(["practice", "imitate", "cello", "a.wav", *settings]) == 2
    assert "Use frame_rate=245 or 252" in capsys.readouterr().err


def test_presets_come_within_half_a_second(home):
    assert min(busy_s(lambda: amadeus("presets", home=home)) for _ in range(3)) < 0.5
    assert (
        min(busy_s(lambda: amadeus("presets", "solo", home=home)) for _ in range(3))
        < 0.5
    )
