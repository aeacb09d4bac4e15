"""A folder of which not all is well: the terminal, the lineage and the report say what was skipped."""

import json
import re

import numpy as np
import pytest
import soundfile as sf

from amadeus.home import Home
from tests.e2e.sounds import RATE, take
from tests.e2e.test_first_lesson import TINY, amadeus

NAMES = ["مقام.wav", "e\u0301tude.wav", "👩\u200d🎤.wav", "a\nb.wav", "caf\udce9.wav", "n" * 251 + ".wav"]  # fmt: skip


@pytest.fixture
def folder(tmp_path, rng):
    made = tmp_path / "recordings"
    (made / "deep").mkdir(parents=True)
    for number, name in enumerate(NAMES):
        sound = take(range(48 + number, 52 + number), rng=rng)
        sf.write(made / "scratch.wav", sound, RATE)
        (made / "scratch.wav").rename(made / name)
    (made / "deep" / "up").symlink_to(made)
    (made / "again.wav").write_bytes((made / NAMES[0]).read_bytes())
    sf.write(made / "rest.wav", np.zeros(RATE), RATE)
    (made / "words.wav").write_text("do re mi\n")
    (made / "round.wav").symlink_to(made / "round.wav")
    return made


@pytest.mark.cluster
def test_what_was_skipped_is_said_wherever_one_looks(folder, tmp_path):
    home = tmp_path / "home"
    assert amadeus(home, "deu", "create", "cello").returncode == 0
    settings = [part for setting in TINY for part in ("--learner", setting)]
    command = ["practice", "imitate", "cello", folder, "--steps", 3, *settings]
    strict = amadeus(home, *command)
    assert strict.returncode == 2
    assert "2 of 10 recordings cannot be used" in strict.stderr
    assert Home(home).deu("cello").practices() == []

    allowed = ["--learner", "max_skipped_fraction=0.25"]
    allowed += ["--learner", "blessing_tolerance=9"]
    done = amadeus(home, *command, *allowed)
    assert done.returncode == 0, done.stdout + done.stderr
    # the same bytes under another name are one take, so the practice counts one less than there are files
    told = re.search(r"warning: (skipped 3 of 9: .*)\.$", done.stdout, re.MULTILINE)
    assert told, done.stdout
    assert "1 cannot be opened (round.wav)" in told[1]
    assert "1 cannot be decoded (words.wav)" in told[1]
    assert "1 is silent (rest.wav)" in told[1]
    assert "holds the same bytes as" in done.stdout

    shown = amadeus(home, "lineage", "show", "cello@1").stdout
    assert told[1] in shown
    assert "6 takes" in shown
    assert "caf\\xe9.wav" in shown
    tree = amadeus(home, "lineage", "cello", "--format", "json").stdout
    (generation,) = json.loads(tree)["generations"]
    assert generation["skipped"] == told[1]
    assert len(generation["recordings"]) == 6

    page = tmp_path / "page.html"
    assert amadeus(home, "report", "cello", "-o", page).returncode == 0
    assert "skipped 3 of 9" in page.read_text()

    again = amadeus(home, *command, *allowed)  # all of it is in the cache
    assert again.returncode == 0
    assert told[1] in again.stdout
