import math

import pytest

from amadeus.errors import ConfigError
from amadeus.feedback.regions import Region, fit_regions, parse_region, say_region


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("1.2-3.4", Region(0, 1.2, 3.4, True, 1.0)),
        ("0-.5:2", Region(0, 0.0, 0.5, True, 2.0)),
        ("2@1-3:0.5", Region(1, 1.0, 3.0, True, 0.5)),
        ("all", Region(0, 0.0, math.inf, True, 1.0)),
        (" 3@all:4 ", Region(2, 0.0, math.inf, True, 4.0)),
    ],
)
def test_what_is_written_is_read(text, region):
    assert parse_region(text, is_good=True) == region
    assert parse_region(text, is_good=False) == region._replace(is_good=False)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no region"),
        ("loud", "no region"),
        ("1.2", "no region"),
        ("-1-2", "no region"),
        ("1-2:", "no region"),
        ("1-2:-1", "no region"),
        ("1e3-2", "no region"),
        ("nan-inf", "no region"),
        ("3-1", "write 1-3"),
        ("1-1", "lasts 0.00 s"),
        ("1-1.01", "lasts 0.01 s"),
        ("1-2:0", "weight 0"),
        ("1-2:1000", "weight 1000"),
        ("0@1-2", "count from 1"),
    ],
)
def test_what_is_no_region_is_said(text, says):
    with pytest.raises(ConfigError, match=says) as caught:
        parse_region(text, is_good=False)
    assert str(caught.value).startswith("--bad")


def fit(*regions, durations_s=(10.0,), names=("take.wav",)):
    return fit_regions(regions, durations_s, names)


def test_a_whole_take_ends_where_the_take_does():
    fitted = fit(parse_region("all", is_good=True))
    assert fitted.regions == [Region(0, 0.0, 10.0, True)]
    assert fitted.remarks == []


def test_what_reaches_beyond_is_cut_and_said():
    fitted = fit(Region(0, 8.0, 12.0, True))
    assert fitted.regions[0].end_s == 10.0
    assert "is cut there" in fitted.remarks[0]


def test_what_lies_outside_is_refused():
    with pytest.raises(ConfigError, match=r"lasts 10\.00 s"):
        fit(Region(0, 11.0, 12.0, True))


def test_a_take_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="names take 2 and 1 are given"):
        fit(Region(1, 0.0, 1.0, True))


@pytest.mark.parametrize("is_good", [True, False])
def test_what_overlaps_is_refused(is_good):
    with pytest.raises(ConfigError, match="overlap"):
        fit(Region(0, 0.0, 2.0, True), Region(0, 1.9, 3.0, is_good))


def test_neighbours_and_other_takes_do_not_overlap():
    fit(
        Region(0, 0.0, 2.0, True),
        Region(0, 2.0, 3.0, False),
        Region(1, 0.0, 5.0, False),
        durations_s=(10.0, 10.0),
        names=("a", "b"),
    )


def test_a_region_has_a_name():
    assert say_region(Region(0, 1.5, 2.0, True)) == "good 1.5-2 s"
    assert say_region(Region(1, 0.0, 2.0, False), n_takes=2) == "bad 2@0-2 s"
