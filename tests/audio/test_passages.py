"""Laws of passages: nothing that sounds is lost, silence goes, blocks do not matter."""

import numpy as np
import pytest

from amadeus.audio.passages import split_passages

RATE = 8_000


def split(audio, n_blocks=1, **options):
    blocks = np.array_split(np.asarray(audio, np.float32), n_blocks)
    return list(split_passages(iter(blocks), sample_rate=RATE, **options))


def spans(passages):
    return [
        (p.offset_samples / RATE, (p.offset_samples + len(p.audio)) / RATE)
        for p in passages
    ]


def tone(sine, seconds, level_db=0.0):
    return sine(440, seconds, RATE) * 10 ** (level_db / 20)


@pytest.mark.parametrize("seconds", [0.05, 3.0, 19.999, 20.0, 20.001, 31.0, 95.37])
def test_passages_of_a_continuous_sound_equal_the_stream(sine, seconds):
    audio = tone(sine, seconds)
    passages = split(audio, n_blocks=7)
    np.testing.assert_array_equal(np.concatenate([p.audio for p in passages]), audio)
    ends = np.cumsum([len(p.audio) for p in passages])
    assert [p.offset_samples for p in passages] == [0, *ends[:-1]]
    assert max(len(p.audio) for p in passages) <= 20 * RATE
    assert len(passages) == 1 or min(len(p.audio) for p in passages) >= 10 * RATE


@pytest.mark.parametrize("n_blocks", [2, 97, 4_001])
def test_passages_do_not_depend_on_the_blocks(sine, rng, n_blocks):
    audio = np.concatenate(
        [tone(sine, 2), np.zeros(3 * RATE), tone(sine, 50), np.zeros(RATE)]
    )
    audio += rng.normal(0, 1e-4, len(audio))
    whole, parts = split(audio), split(audio, n_blocks)
    assert spans(parts) == spans(whole)
    for part, piece in zip(parts, whole, strict=True):
        np.testing.assert_array_equal(part.audio, piece.audio)


def test_long_silence_goes_and_a_margin_stays(sine):
    audio = np.concatenate(
        [np.zeros(5 * RATE), tone(sine, 2), np.zeros(4 * RATE), tone(sine, 1)]
    )
    found = spans(split(audio, margin_s=0.3))
    np.testing.assert_allclose(found, [(4.7, 7.3), (10.7, 12.0)], atol=0.011)


def test_a_breath_between_notes_stays(sine):
    audio = np.concatenate([tone(sine, 2), np.zeros(RATE // 2), tone(sine, 2)])
    assert spans(split(audio)) == [(0.0, 4.5)]


def test_hiss_between_phrases_is_silence(sine, rng):
    audio = np.concatenate([tone(sine, 5), np.zeros(10 * RATE), tone(sine, 5)])
    audio = audio + rng.normal(0, 10 ** (-60 / 20), len(audio))
    found = spans(split(audio))
    np.testing.assert_allclose(found, [(0, 5.3), (14.7, 20)], atol=0.02)


def test_hiss_before_the_first_note_is_silence(sine, rng):
    audio = np.concatenate([np.zeros(20 * RATE), tone(sine, 5)])
    audio = audio + rng.normal(0, 10 ** (-60 / 20), len(audio))
    np.testing.assert_allclose(spans(split(audio)), [(19.7, 25)], atol=0.02)


@pytest.mark.parametrize("noise_db", [-200, -75])
def test_a_pianissimo_after_a_fortissimo_stays(sine, rng, noise_db):
    audio = np.concatenate(
        [tone(sine, 30), np.zeros(5 * RATE), tone(sine, 10, level_db=-38)]
    )
    audio = audio + rng.normal(0, 10 ** (noise_db / 20), len(audio))
    assert spans(split(audio))[-1][1] == 45.0
    assert sum(len(p.audio) for p in split(audio)) / RATE == pytest.approx(
        40.6, abs=0.1
    )


def test_a_take_that_is_faint_throughout_stays(sine):
    assert spans(split(tone(sine, 5, level_db=-60))) == [(0.0, 5.0)]


@pytest.mark.parametrize("audio", [np.zeros(0), np.zeros(1), np.zeros(30 * RATE)])
def test_silence_has_no_passages(audio):
    assert split(audio) == []


def test_dither_is_silence(rng):
    assert split(rng.uniform(-1, 1, 10 * RATE) / 2**15) == []


def test_a_passage_is_as_long_as_the_caller_allows(sine):
    passages = split(tone(sine, 10), max_s=1.0)
    assert [len(p.audio) for p in passages] == [RATE] * 10
