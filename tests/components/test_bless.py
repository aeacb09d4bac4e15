import math

import pytest

from components.evaluator import bless

GOOD = {"spectral_loss": 6.0, "loudness_error_db": 2.0}


def judge(metrics=GOOD, parent=(), *, peak=0.5, tolerance=0.05):
    return bless.judge(metrics, dict(parent), peak=peak, tolerance=tolerance)


def test_the_first_voice_needs_no_parent():
    verdict = judge()
    assert verdict.blessed
    assert "no parent" in verdict.reason
    assert "6.000" in verdict.reason


@pytest.mark.parametrize(("loss", "blessed"), [(5.0, True), (6.3, True), (6.31, False)])
def test_a_voice_may_be_worse_than_its_parent_by_the_tolerance_and_no_more(
    loss, blessed
):
    verdict = judge({**GOOD, "spectral_loss": loss}, GOOD)
    assert verdict.blessed == blessed
    assert "6.300" in verdict.reason
    assert f"{loss:.3f}" in verdict.reason


def test_without_tolerance_the_parent_is_the_limit():
    assert judge({"spectral_loss": 6.0}, GOOD, tolerance=0.0).blessed
    assert not judge({"spectral_loss": 6.001}, GOOD, tolerance=0.0).blessed


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_metric_that_is_no_number_is_named(broken):
    verdict = judge({**GOOD, "f0_error_semitones": broken})
    assert not verdict.blessed
    assert "f0_error_semitones" in verdict.reason


@pytest.mark.parametrize("peak", [0.0, 9e-5, math.nan])
def test_a_silent_voice_is_not_blessed(peak):
    verdict = judge(peak=peak)
    assert not verdict.blessed
    assert "silent" in verdict.reason


def test_a_voice_that_could_not_be_measured_is_not_blessed():
    assert not judge({}).blessed


def test_a_parent_that_could_not_be_measured_is_no_obstacle():
    assert judge(GOOD, {"spectral_loss": math.nan}).blessed


def test_losses_compared_elsewhere_decide_and_say_how():
    against = bless.Against(5.0, 6.0, ", compared at 8000 Hz")
    verdict = bless.judge(GOOD, {}, peak=0.5, tolerance=0.0, against=against)
    assert verdict.blessed
    assert "5.000 against the parent's 6.000, compared at 8000 Hz" in verdict.reason
    worse = bless.judge(
        GOOD, {}, peak=0.5, tolerance=0.0, against=against._replace(loss=6.1)
    )
    assert not worse.blessed
