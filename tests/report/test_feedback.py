import json

import numpy as np
import pytest

from amadeus.audio.write import write_wav
from amadeus.home import Home
from amadeus.report.feedback import gather
from amadeus.report.page import render_report

FINDING = {
    "trait": "brightness_octaves",
    "outcome": "turned",
    "shift": -0.42,
    "error": 0.05,
    "confidence": 0.9999,
    "turn": {"knob": "brightness", "before": 0.0, "after": -0.2, "limit": ""},
}
REGIONS = [
    {"take": 0, "start_s": 0.0, "end_s": 1.0, "is_good": True, "weight": 1.0},
    {"take": 0, "start_s": 2.0, "end_s": 3.0, "is_good": False, "weight": 1.0},
]


@pytest.fixture
def practice_path(tmp_path):
    deu = Home(tmp_path).create_deu("cello")
    path = deu.practices_path / "1"
    (path / "regions").mkdir(parents=True)
    (path / "request.json").write_text(
        json.dumps(
            {
                "deu": "cello",
                "parent_generation": 1,
                "changes": [
                    {"profile": "player", "knob": "brightness", "before": "0", "after": "-0.2"}
                ],
            }
        )
    )  # fmt: skip
    written = {
        "digest": "sha256:x",
        "note": "too <harsh>",
        "text": ["the good regions are", "  darker by 0.42 octaves"],
        "regions": REGIONS,
        "findings": [FINDING, {"trait": "made up"}],
    }
    (path / "feedback.json").write_text(json.dumps(written))
    for number in (1, 2):
        for name in ("before", "after"):
            sound = path / "regions" / f"{number}-{name}.wav"
            write_wav(sound, np.zeros(800), sample_rate=16_000)
    return path


def test_the_page_says_what_was_heard_and_plays_it(practice_path, tmp_path):
    page = render_report(Home(tmp_path).deu("cello"), practice_path)
    assert "What was liked" in page
    assert "too &lt;harsh&gt;" in page
    assert "darker by 0.42 octaves" in page
    assert "brightness 0 to -0.2" in page
    assert page.count("data:audio/mpeg") == 4


def test_regions_without_sound_are_left_out(practice_path):
    (practice_path / "regions" / "1-after.wav").unlink()
    sounds = gather(practice_path)["sounds"]
    assert [sound.name for sound in sounds] == ["bad, 2 to 3 s of take 1"]


def test_another_practice_has_no_feedback(tmp_path):
    assert gather(tmp_path) is None
