import numpy as np
import pytest
from numpy.testing import assert_array_equal

from amadeus.features.extract import extract
from amadeus.features.notes import detect_notes, hz_to_midi, steady_levels
from tests.features.instrument import Shape, play
from tests.features.sounds import SPEC, features, reed


def _detect(**curves):
    return detect_notes(features(**curves), spec=SPEC, threshold=0.5)


def test_midi_numbers_of_known_pitches():
    np.testing.assert_allclose(
        hz_to_midi(np.array([440.0, 880.0, 220.0])), [69, 81, 57]
    )


def test_a_tone_between_silences_is_one_note():
    confidence = np.zeros(100)
    confidence[20:80] = 1
    loudness_db = np.where(confidence > 0, -20.0, -70.0)
    (note,) = _detect(pitch_midi=60.2, loudness_db=loudness_db, confidence=confidence)
    assert (note.start_frame, note.end_frame) == (20, 80)
    assert note.pitch_midi == pytest.approx(60.2, abs=1e-3)
    assert note.loudness_db == pytest.approx(-20)
    assert not note.is_legato


@pytest.mark.parametrize("interval", [1, -1, 2, 7, 12])
def test_a_pitch_change_begins_a_legato_note(interval):
    pitch_midi = np.full(100, 60.0)
    pitch_midi[50:] += interval
    notes = _detect(pitch_midi=pitch_midi, loudness_db=np.full(100, -20.0))
    assert [(n.start_frame, n.end_frame) for n in notes] == [(0, 50), (50, 100)]
    assert [n.is_legato for n in notes] == [False, True]
    assert notes[1].pitch_midi == pytest.approx(60 + interval, abs=0.01)


@pytest.mark.parametrize(
    ("rate_hz", "depth_cents"), [(4.5, 20), (4.5, 70), (6.5, 50), (6.5, 100)]
)
@pytest.mark.parametrize("pitch_midi", [60.0, 60.5])
def test_vibrato_is_one_note(depth_cents, rate_hz, pitch_midi):
    wave = np.sin(2 * np.pi * rate_hz * np.arange(200) / 100)
    swinging = pitch_midi + depth_cents / 100 * wave
    notes = _detect(pitch_midi=swinging, loudness_db=np.full(200, -20.0))
    assert len(notes) == 1


def test_fast_scales_are_heard_note_by_note():
    pitch_midi = np.repeat([60, 62, 64, 65, 67, 65, 64, 62], 10)  # 10 notes a second
    notes = _detect(pitch_midi=pitch_midi, loudness_db=np.full(80, -20.0))
    heard = [round(note.pitch_midi) for note in notes]
    assert heard == [60, 62, 64, 65, 67, 65, 64, 62]


def test_a_repeated_pitch_is_two_notes_when_struck_again():
    loudness_db = np.full(100, -20.0)
    loudness_db[48:52] = -35.0
    notes = _detect(pitch_midi=60.0, loudness_db=loudness_db)
    assert len(notes) == 2
    assert abs(notes[1].start_frame - 50) <= 2
    assert not notes[1].is_legato


def test_tremolo_of_the_breath_is_one_note():
    wave = np.sin(2 * np.pi * 5 * np.arange(200) / 100)
    notes = _detect(pitch_midi=72.0, loudness_db=-20 + 3 * wave)
    assert len(notes) == 1


def test_a_slow_swell_down_and_up_is_no_new_attack():
    loudness_db = -20 - 15 * np.sin(np.linspace(0, np.pi, 300)) ** 2
    assert len(_detect(pitch_midi=60.0, loudness_db=loudness_db)) == 1


def test_grace_slips_below_60_ms_are_no_notes():
    confidence = np.zeros(50)
    confidence[20:25] = 1
    assert not _detect(
        pitch_midi=60.0, loudness_db=np.full(50, -20.0), confidence=confidence
    )


def test_steady_levels_cost_the_least(rng):
    # Against every way to cut five frames into levels of the same grid.
    for _ in range(20):
        pitch_midi = 60 + rng.choice([0, 1, 2], 5) + rng.normal(0, 0.2, 5)
        levels = steady_levels(pitch_midi, move_cost=1.5)
        grid = pitch_midi.min() + np.arange(levels.max() + 12) / 3
        grid = grid[grid < pitch_midi.max() + 1 / 3]

        def cost(path, pitch_midi=pitch_midi, grid=grid):
            off = (pitch_midi - grid[list(path)]) / 0.5
            return np.minimum(off**2 / 2, 8).sum() + 1.5 * np.count_nonzero(
                np.diff(path)
            )

        paths = np.stack(
            np.meshgrid(*[np.arange(len(grid))] * 5, indexing="ij"), axis=-1
        ).reshape(-1, 5)
        off = (pitch_midi - grid[paths]) / 0.5
        costs = np.minimum(off**2 / 2, 8).sum(axis=1)
        costs += 1.5 * np.count_nonzero(np.diff(paths, axis=1), axis=1)
        assert cost(levels) == pytest.approx(costs.min())


def test_a_melody_is_heard_as_it_was_played(profile):
    pitches = [60, 64, 67, 72, 55]
    audio = play(Shape(), pitches, duration_s=0.5, rest_s=0.3)
    found = extract(audio, profile=profile)
    notes = detect_notes(found, spec=SPEC, threshold=0.5)
    assert [round(note.pitch_midi) for note in notes] == pitches
    starts_s = np.array([note.start_frame for note in notes]) / SPEC.frame_rate
    np.testing.assert_allclose(starts_s, 0.8 * np.arange(5), atol=0.06)


def test_a_legato_melody_is_heard_as_it_was_played(profile):
    pitches = [60, 62, 64, 65, 64, 57]
    pitch_midi = np.repeat(np.array(pitches, float), 4_800)
    audio = reed(440 * 2 ** ((pitch_midi - 69) / 12), sample_rate=16_000)
    notes = detect_notes(extract(audio, profile=profile), spec=SPEC, threshold=0.5)
    assert [round(note.pitch_midi) for note in notes] == pitches
    assert_array_equal([note.is_legato for note in notes], [False] + [True] * 5)
    starts_s = np.array([note.start_frame for note in notes]) / SPEC.frame_rate
    np.testing.assert_allclose(starts_s, 0.3 * np.arange(6), atol=0.03)
