"""What cannot be used is counted in any order, and the knob decides whether a practice goes on."""

import itertools
import pickle

import pytest

from amadeus.audio import rates, skips
from amadeus.audio.skips import Skips, Unusable
from amadeus.errors import RecordingError, legible

FOUND = [
    Unusable("b.wav", "undecodable", "b.wav is cut off."),
    Unusable("a.wav", "undecodable", "a.wav is cut off."),
    Unusable("rest.wav", "silent"),
    *(Unusable(f"{n:02d}.flac", "truncated", "it ends early.") for n in range(20)),
]


def some(n, reason="undecodable"):
    return skips.gather(Unusable(f"{i}.wav", reason, "It is bad.") for i in range(n))


def test_counts_add_up_in_any_order_and_stay_small():
    whole = skips.gather(FOUND)
    for order in itertools.permutations(range(4)):
        parts = [skips.gather(FOUND[part::4]) for part in order]
        assert sum(parts, Skips()) == whole
    assert whole.n_takes == 23
    assert whole.n_faulty == 22
    assert max(len(names) for names in whole.first.values()) == skips.MAX_NAMES
    assert len(str(skips.gather(some(10_000).first["undecodable"]))) < 1_000


def test_the_sentence_says_how_many_of_what_and_names_the_first():
    assert skips.say(skips.gather(FOUND), 120) == (
        "skipped 23 of 120: 2 cannot be decoded (a.wav, b.wav), 20 end early (00.flac, 01.flac, 02.flac and 17 more), "
        "1 is silent (rest.wav)"
    )
    assert skips.say(Skips(), 120) == ""
    assert "1 cannot be decoded (0.wav)" in skips.say(some(1), 9)


def test_what_the_lineage_keeps_is_read_back():
    whole = skips.gather(FOUND)
    back = skips.from_json(whole.to_json())
    assert back.counts == whole.counts
    assert skips.say(back, 120) == skips.say(whole, 120)
    later = whole.to_json() | {"haunted": {"count": 1, "names": ["c.wav"]}}
    assert skips.from_json(later) == back


@pytest.mark.parametrize(
    ("n_bad", "n_takes", "max_fraction", "goes_on"),
    [
        (0, 1, 0.0, True),
        (1, 100, 0.0, False),
        (1, 100, 0.0099, False),
        (1, 100, 0.01, True),
        (2, 100, 0.01, False),
        (1, 3, 1 / 3, True),
        (99, 100, 1.0, True),
        (100, 100, 1.0, False),
        (1, 1, 1.0, False),
    ],
)
def test_the_knob_decides_and_something_must_be_left(
    n_bad, n_takes, max_fraction, goes_on
):
    if goes_on:
        skips.check(some(n_bad), n_takes, max_fraction=max_fraction)
        return
    with pytest.raises(RecordingError):
        skips.check(some(n_bad), n_takes, max_fraction=max_fraction)


def test_the_fraction_that_is_offered_is_enough():
    for n_takes in range(2, 300, 7):
        with pytest.raises(RecordingError, match="max_skipped_fraction=") as caught:
            skips.check(some(1), n_takes, max_fraction=0.0)
        offered = float(str(caught.value).rpartition("=")[2].rstrip("."))
        skips.check(some(1), n_takes, max_fraction=offered)


def test_silence_is_no_damage():
    skips.check(some(9, "silent"), 10, max_fraction=0.0)
    skips.check(some(10, "silent"), 10, max_fraction=0.0)  # others say what that means


def test_only_faults_of_a_recording_are_skipped():
    bad = RecordingError("a.wav is empty.", fault="empty")
    assert skips.judge("a.wav", bad) == Unusable("a.wav", "empty", "a.wav is empty.")
    with pytest.raises(RecordingError, match="ffmpeg"):
        skips.judge("a.wav", RecordingError("there is no ffmpeg."))
    assert pickle.loads(pickle.dumps(bad)).fault == "empty"  # as Beam hands it on


NAMES = {
    "plain": ("a b.wav", "a b.wav"),
    "arabic": ("مقام بياتي.wav", "مقام بياتي.wav"),
    "combining": ("e\u0301tude.wav", "e\u0301tude.wav"),
    "emoji": ("👩\u200d🎤 ❤\ufe0f.wav", "👩\u200d🎤 ❤\ufe0f.wav"),
    "wide space": ("セロ\u3000一.wav", "セロ\u3000一.wav"),
    "no utf-8": ("caf\udce9.wav", "caf\\xe9.wav"),
    "newline": ("a\nb.wav", "a\\nb.wav"),
    "terminal": ("a\x1b[31m.wav", "a\\x1b[31m.wav"),
    "turned": ("a\u202evaw.wav", "a\\u202evaw.wav"),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_script_are_told_as_they_are_and_nothing_else(name):
    given, told = NAMES[name]
    assert legible(given) == told
    told.encode()
    assert str(RecordingError(f"{given} is bad.")) == f"{told} is bad."


def test_takes_below_the_rate_of_the_learner_are_told():
    text = rates.say_dull({8_000: 3, 44_100: 9}, sample_rate=16_000)
    assert text.startswith("3 of 12 takes were recorded at 8000 Hz: nothing above 4000")
    assert "8000 Hz" in text
    assert rates.say_dull({16_000: 3, 44_100: 9}, sample_rate=16_000) == ""
    alone = rates.say_dull({8_000: 1}, sample_rate=16_000)
    assert "sample_rate=8000 holds all there is" in alone
