"""The tune of the demo is what its script writes, and suits the cello it is written for."""

import runpy
from pathlib import Path

import pytest

from amadeus.play.lines import allocate_lines
from amadeus.play.score import read_score

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_committed_tune_is_what_the_script_writes(tmp_path):
    runpy.run_path(str(EXAMPLES / "make_ode.py"))["write"](tmp_path / "ode.mid")
    assert (tmp_path / "ode.mid").read_bytes() == (EXAMPLES / "ode.mid").read_bytes()


def test_the_tune_shows_what_a_voice_can_do():
    score = read_score(EXAMPLES / "ode.mid")
    assert 20 < score.duration_s < 25
    assert len(allocate_lines(score.notes, n_lines_max=16).lines) == 1
    assert {n.pitch_midi for n in score.notes} <= set(range(36, 73))  # C2 to C5
    velocities = [n.velocity for n in score.notes]
    assert max(velocities) - min(velocities) > 40
    # Beats of 60 / 144 s in the theme, of 60 / 104 s from beat 32 on.
    starts_s = [n.start_s for n in score.notes]
    assert starts_s[1] == pytest.approx(60 / 144, abs=1e-4)
    middle = next(i for i, s in enumerate(starts_s) if s > 32 * 60 / 144 - 1e-3)
    gap_s = starts_s[middle + 1] - starts_s[middle]
    assert gap_s == pytest.approx(60 / 104, abs=1e-4)
    assert score.channels[0].bend_unit.values.min() == -0.5
    assert score.channels[0].expression_db.values.min() < -10
