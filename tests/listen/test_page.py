"""The coach's page: self-contained, with pictures and words for those who cannot see them."""

import re
from pathlib import Path

import numpy as np
import pytest

from amadeus.listen.page import judge, render_page, write_page

RATE = 16_000


@pytest.fixture
def report(tune, hear):
    loud = np.clip(5 * tune(2), -0.9, 0.9)
    return hear(tune(1), loud, name="cello <b>")


@pytest.fixture
def page(report):
    return render_page(report)


def test_the_page_needs_nothing_from_outside(page):
    addresses = re.findall(r'(?:src|href)="([^"]{0,40})', page)
    assert addresses
    assert all(address.startswith("data:") for address in addresses)
    assert not re.search(r"@import|<link|<script", page)
    assert re.findall(r"url\((.*?)\)", page) == ["#hatch"]
    assert "default-src 'none'" in page


def test_names_are_no_markup(page):
    assert "<b>" not in page
    assert "cello &lt;b&gt;0.wav" in page


def test_every_picture_has_words_for_those_who_cannot_see_it(page):
    pictures = re.findall(r"<svg[^>]*>", page)
    assert len(pictures) >= 6
    assert all(re.search(r'role="img" aria-label="[^"]{20,}"', p) for p in pictures)
    assert page.count("<table") == page.count("<caption>")


def test_every_hole_is_marked_with_its_seconds(page, report):
    holes = [
        region.seconds(level)
        for region in report.coverage.regions
        for level in ("soft", "medium", "loud")
        if region.seconds(level) < 5
    ]
    assert page.count('class="hole"') == len(holes)
    labels = re.findall(r'class="hole-label"[^>]*>([\d.]+) s', page)
    assert sorted(labels) == sorted(f"{seconds:.1f}" for seconds in holes)


def test_the_worst_place_is_shown_and_can_be_heard(page):
    assert "Where it goes wrong" in page
    assert page.count("<audio") == 1
    assert "Waveform of cello" in page


def test_all_that_is_said_in_words_is_on_the_page(page, report):
    for sentence in [*report.strengths, *report.weaknesses]:
        assert sentence in page
    for advice in report.advice:
        assert advice.text in page


def test_silence_and_noise_have_a_page_too(hear, rng, tmp_path):
    report = hear(np.zeros(RATE), rng.normal(0, 0.1, 3 * RATE))
    write_page(report, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert judge(report).kind == "bad"
    assert "Nothing to learn" in page


def test_a_recording_that_is_gone_leaves_its_place_out(report):
    for take in report.takes:
        Path(take.path).unlink()
    assert "<audio" not in render_page(report)
