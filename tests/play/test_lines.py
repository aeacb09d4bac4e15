import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from amadeus.play.lines import Allocation
from amadeus.play.lines import allocate_lines as allocate
from amadeus.play.notation import Note

MAX_LINES = 16


def allocate_lines(notes, n_lines_max=MAX_LINES) -> Allocation:
    return allocate(notes, n_lines_max=n_lines_max)


NOTES = st.lists(
    st.builds(
        lambda start, length, pitch, track: Note(
            start / 100, (start + length) / 100, pitch, 80, 0, track
        ),
        st.integers(0, 300),
        st.integers(0, 100),
        st.integers(0, 127),
        st.integers(1, 3),
    ),
    max_size=60,
)


def play(*spans, track=1):
    return [Note(start, end, pitch, 80, 0, track) for start, end, pitch in spans]


@settings(deadline=None, derandomize=True)
@given(notes=NOTES, n_lines_max=st.integers(1, MAX_LINES))
def test_no_line_ever_sounds_two_notes(notes, n_lines_max):
    allocation = allocate_lines(notes, n_lines_max=n_lines_max)
    assert len(allocation.lines) <= n_lines_max
    for line in allocation.lines:
        for before, note in itertools.pairwise(line):
            assert before.end_s <= note.start_s


@settings(deadline=None, derandomize=True)
@given(notes=NOTES)
def test_every_note_is_played_once_unless_counted_as_cut(notes):
    allocation = allocate_lines(notes)
    played = sorted(
        (n.start_s, n.pitch_midi) for line in allocation.lines for n in line
    )
    missing = len(notes) - len(played)
    assert 0 <= missing <= allocation.cut_count
    if not missing:
        assert played == sorted((n.start_s, n.pitch_midi) for n in notes)


def test_a_melody_is_one_line():
    melody = play((0, 1, 60), (1, 2, 64), (2.5, 3, 60))
    assert allocate_lines(melody).lines == [melody]


def test_a_chord_takes_a_line_for_each_note():
    assert len(allocate_lines(play((0, 1, 60), (0, 1, 64), (0, 1, 67))).lines) == 3


def test_a_chord_of_no_length_keeps_its_notes():
    assert len(allocate_lines(play((0, 0, 60), (0, 0, 64), (0, 0, 67))).lines) == 3


def test_a_short_overlap_is_a_slur_and_a_long_one_a_second_voice():
    assert len(allocate_lines(play((0, 1.05, 60), (1, 2, 64))).lines) == 1
    assert len(allocate_lines(play((0, 1.5, 60), (1, 2, 64))).lines) == 2


def test_a_melody_over_a_held_bass_stays_together():
    bass = play((0, 4, 36))
    melody = play((0, 1, 72), (1, 2, 74), (2, 3, 76), (3, 4, 72))
    assert allocate_lines(bass + melody).lines == [bass, melody]


def test_voices_of_following_chords_go_to_the_nearest_pitch():
    first = play((0, 1, 48), (0, 1, 60), (0, 1, 72))
    second = play((1, 2, 50), (1, 2, 62), (1, 2, 71))
    lines = allocate_lines(first + second).lines
    assert [[n.pitch_midi for n in line] for line in lines] == [
        [48, 50],
        [60, 62],
        [72, 71],
    ]


def test_tracks_do_not_share_a_line_while_there_are_more():
    notes = play((0, 1, 60), track=1) + play((1, 2, 60), track=2)
    assert len(allocate_lines(notes).lines) == 2
    assert len(allocate_lines(notes, n_lines_max=1).lines) == 1


def test_when_lines_run_out_the_note_nearest_its_end_gives_way():
    notes = play((0, 3, 40), (0, 9, 50), (1, 2, 60))
    allocation = allocate_lines(notes, n_lines_max=2)
    assert allocation.cut_count == 1
    assert allocation.lines[0] == play((0, 1, 40), (1, 2, 60))
    assert allocation.lines[1] == play((0, 9, 50))
