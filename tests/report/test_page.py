import re
from html.parser import HTMLParser

import numpy as np
import pytest

from amadeus.errors import PracticeError
from amadeus.home import Home
from amadeus.report.page import render_report, write_report
from amadeus.v1 import practice_pb2
from tests.report.practices import (
    Scribe,
    make_practice,
    make_whole_practice,
    write_end,
    write_training,
)


@pytest.fixture
def deu(home):
    return home.create_deu("cello")


@pytest.fixture(scope="module")
def whole_page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    deu, rng = Home(folder / "home").create_deu("cello"), np.random.default_rng(440)
    names = ("a/suite.wav", "b/étude.flac")
    path = make_whole_practice(deu, folder / "artifacts", rng, names=names, seconds=4.0)
    return render_report(deu, path)


def test_the_page_needs_nothing_from_outside(whole_page):
    addresses = re.findall(r'(?:src|href)="([^"]{0,40})', whole_page)
    assert addresses
    assert all(address.startswith("data:") for address in addresses)
    assert not re.search(r"url\(|@import|<link|<script", whole_page)
    assert "default-src 'none'" in whole_page


def test_every_example_has_two_pictures_two_players_and_two_charts(whole_page):
    articles = re.findall(r"<article>.*?</article>", whole_page, re.DOTALL)
    assert len(articles) == 2
    for article in articles:
        assert article.count("data:image/png;base64,") == 2
        assert article.count("data:audio/mpeg;base64,") == 2
        assert article.count("<svg") == 4
        assert article.count("<audio controls") == article.count('aria-label="') - 4


def test_every_picture_has_words_for_those_who_cannot_see_it(whole_page):
    for tag in re.findall(r"<svg[^>]*>", whole_page):
        assert re.search(r'role="img" aria-label="[^"]{20,}"', tag)
    assert all("alt=" in tag for tag in re.findall(r"<img[^>]*>", whole_page))
    assert whole_page.count("<table") == whole_page.count("<caption>")


def test_verdict_and_metrics_stand_beside_the_parent_s(whole_page):
    text = _text(whole_page)
    assert "cello, generation 2 Blessed held-out spectral loss 5.52" in text
    assert "spectral loss 5.52 5.91 6.6 % lower" in text
    assert "loudness error 2.31 dB 2.20 dB 5.0 % higher" in text
    assert "pitch outliers 3.1 %" in text


def test_settings_that_differ_are_marked_and_only_those(whole_page):
    marked = re.findall(r'<tr class="changed"><th scope="row">(\w+)', whole_page)
    assert marked == ["harmonic_count", "crop_duration_s"]
    assert "harmonic_count 80 60" in _text(whole_page)
    assert "sample_rate 16000 Hz" in _text(whole_page)


def test_statistics_name_notes_and_units(whole_page):
    text = _text(whole_page)
    assert "pitch C#2 to F#5, half of it below A#3" in text
    assert "takes 41 to learn from, 5 held out" in text
    assert "attack 85 ms from 26 dB below the peak" in text
    assert "vibrato 5.6 Hz, 18 cents, after 300 ms" in text


def test_cost_is_split_into_training_and_what_comes_besides(whole_page):
    text = _text(whole_page)
    assert "training 3:54 min" in text
    assert "Trainer 16.6 s besides training" in text
    assert "DdspTransform 11.9 s from the cache" in text


def test_names_of_strangers_are_escaped(deu, tmp_path, rng):
    name = "<script>alert(1)</script>\" onload='x'.wav"
    path = make_whole_practice(deu, tmp_path / "artifacts", rng, names=(name,))
    journal = Scribe(path)
    journal.write(warning=practice_pb2.Warning(text=f"{name} clips"))
    page = render_report(deu, path)
    tags = _Tags()
    tags.feed(page)
    assert "script" not in tags.names
    assert not {name for name in tags.attributes if name.startswith("on")}
    assert (
        page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 8
    )  # every place it is named


def test_the_file_is_one_and_small(deu, tmp_path, rng):
    names = tuple(f"take-{number}.wav" for number in range(6))
    path = make_whole_practice(deu, tmp_path / "artifacts", rng, names=names)
    write_report(deu, path, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert len(page.encode()) < 15e6
    assert page.count("<article>") == 4  # as many as the evaluator promises
    assert {p.name for p in tmp_path.iterdir()} == {"home", "artifacts", "report.html"}


def test_a_voice_that_was_not_blessed_says_so(deu, tmp_path, rng):
    path = make_whole_practice(deu, tmp_path / "artifacts", rng, blessed=False)
    page = render_report(deu, path)
    assert '<p class="verdict bad"><span class="kind">Not blessed</span>' in page
    assert "cello, a practice" in _text(page)


def test_a_practice_without_parent_has_no_column_for_it(deu):
    path = make_practice(deu)
    journal = Scribe(path)
    write_training(journal)
    write_end(journal, parent=False)
    page = render_report(deu, path)
    assert "its parent" not in page
    assert "spectral loss 5.52 multi-scale" in _text(page)


def test_a_practice_that_stopped_is_told_with_what_there_is(deu):
    path = make_practice(deu)
    journal = Scribe(path)
    write_training(journal, n_points=10)
    failed = practice_pb2.PracticeFailed(text="stopped at step 250.", exit_status=130)
    journal.write(failed=failed)
    text = _text(render_report(deu, path))
    assert "Stopped stopped at step 250." in text
    assert "How it learned The lowest held-out loss was" in text
    for lack in ("no statistics", "no metrics", "no excerpts", "no lineage"):
        assert lack in text
    assert "no loss curves" not in text


def test_a_practice_refused_at_once_still_has_a_report(deu):
    path = make_practice(deu)
    failed = practice_pb2.PracticeFailed(text="too little sound.", exit_status=2)
    Scribe(path).write(failed=failed)
    text = _text(render_report(deu, path))
    assert "Failed too little sound." in text
    assert "no loss curves" in text


def test_a_killed_practice_has_no_end(deu):
    path = make_practice(deu)
    write_training(Scribe(path), n_points=3)
    assert "No end It is still running, or it was killed" in _text(
        render_report(deu, path)
    )


def test_damaged_evidence_is_missing_not_fatal(deu, tmp_path, rng):
    path = make_whole_practice(deu, tmp_path / "artifacts", rng, names=("a", "b"))
    broken = tmp_path / "artifacts" / "evaluation" / "examples" / "0.npz"
    broken.write_bytes(broken.read_bytes()[:5000])
    (tmp_path / "artifacts" / "statistics" / "statistics.json").write_text("{")
    page = render_report(deu, path)
    assert "example 0 cannot be read" in page
    assert "no statistics" in page
    assert page.count("<article>") == 1


def test_pickled_evidence_is_refused(deu, tmp_path, rng):
    path = make_whole_practice(deu, tmp_path / "artifacts", rng)
    example = tmp_path / "artifacts" / "evaluation" / "examples" / "0.npz"
    with np.load(example) as file:
        arrays = dict(file)
    np.savez(example, **(arrays | {"f0_hz": np.array([{"a": 1}], dtype=object)}))
    page = render_report(deu, path)
    assert "example 0 cannot be read" in page
    assert "<article>" not in page


def test_an_empty_folder_is_no_practice(deu):
    path = deu.practices_path / "20261121-034455-ab12"
    path.mkdir(parents=True)
    with pytest.raises(PracticeError, match="nothing to report"):
        render_report(deu, path)


class _Tags(HTMLParser):
    """Collects the names of all tags and attributes, as a browser would see them."""

    def __init__(self):
        super().__init__()
        self.names, self.attributes = set(), set()

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes.update(name for name, _ in attrs)


def _text(page):
    body = re.sub(r"<style>.*?</style>|<svg.*?</svg>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))
