"""What holds for any bytes, and that live and offline read one performance alike."""

import collections
import itertools

import hypothesis
import mido
from hypothesis import strategies as st

from amadeus.live.events import (
    AllSilenced,
    ModeChanged,
    NoteChanged,
    NoteEnded,
    NoteStarted,
    NoteSustained,
)
from amadeus.live.receiver import Receiver
from amadeus.play.midi_file import TimedMessage
from amadeus.play.reading import Reading
from tests.live.messages import bend_range, control, player, zone

CHANNEL = st.integers(0, 15)
VALUE = st.integers(0, 127)
KEY = st.integers(58, 62)  # few, so that they meet
CONTROL = st.sampled_from(
    [1, 6, 7, 11, 38, 64, 66, 67, 74, 96, 97, 98, 100, 101, 120, 121, *range(123, 128)]
)
MESSAGE = st.one_of(
    st.builds(lambda c, k, v: bytes([0x90 | c, k, v]), CHANNEL, KEY, VALUE),
    st.builds(lambda c, k, v: bytes([0x90 | c, k, v]), st.integers(0, 3), KEY, VALUE),
    st.builds(lambda c, k, v: bytes([0x80 | c, k, v]), st.integers(0, 3), KEY, VALUE),
    st.builds(lambda c, n, v: bytes([0xB0 | c, n, v]), CHANNEL, CONTROL, VALUE),
    st.builds(lambda c, a, b: bytes([0xE0 | c, a, b]), CHANNEL, VALUE, VALUE),
    st.builds(lambda c, v: bytes([0xD0 | c, v]), CHANNEL, VALUE),
    st.builds(lambda c, k, v: bytes([0xA0 | c, k, v]), CHANNEL, KEY, VALUE),
    st.builds(zone, CHANNEL, st.integers(0, 17)),
    st.builds(bend_range, CHANNEL, VALUE, VALUE),
    st.sampled_from([b"\xff", b"\xf8", b"\xf0\x01\xf7", b"\xc0\x05"]),
)
PERFORMANCE = st.lists(MESSAGE, max_size=60)


def check_lives(events):
    """Each note starts once, ends at most once, and nothing happens to it before or after."""
    alive, ids, ends = {}, [], collections.Counter()
    for event in events:
        match event:
            case NoteStarted():
                ids.append(event.note_id)
                alive[event.note_id] = event.expression
                assert 1 <= event.velocity <= 127
                assert 0 <= event.channel <= 15
            case NoteChanged():
                assert alive[event.note_id] != event.expression
                alive[event.note_id] = event.expression
            case NoteSustained():
                assert event.note_id in alive
            case NoteEnded():
                del alive[event.note_id]
                ends[event.note_id] += 1
    assert ids == list(range(1, len(ids) + 1))
    assert max(ends.values(), default=1) == 1
    return alive


def check_ranges(events):
    for event in events:
        if isinstance(event, NoteStarted | NoteChanged):
            expression = event.expression
            assert -192 <= expression.bend_semitones <= 192
            assert 0 <= expression.pressure_unit <= 1
            assert -1 <= expression.timbre_unit <= 1
            assert 0 <= expression.modulation_unit <= 1
            assert -120 <= expression.volume_db <= 40 * 0.105
            assert -120 <= expression.expression_db <= 0


@hypothesis.settings(deadline=None, derandomize=True)
@hypothesis.given(st.lists(st.binary(max_size=40), max_size=10))
def test_no_bytes_raise(chunks):
    playing = Receiver(player())
    events = [event for chunk in chunks for event in playing.feed(chunk)]
    assert len(check_lives(events)) == playing.n_held


@hypothesis.settings(deadline=None, derandomize=True, max_examples=400)
@hypothesis.given(PERFORMANCE)
def test_notes_live_once_and_within_their_ranges(messages):
    playing = Receiver(player())
    events = playing.feed(b"".join(messages))
    assert len(check_lives(events)) == playing.n_held
    check_ranges(events)


def lives(events):
    """What happens to each note, and of changes that follow each other the last; then all other events."""
    told, others = {}, []
    for event in events:
        if isinstance(event, NoteChanged):
            life = told[event.note_id]
            if isinstance(life[-1], NoteChanged):
                life.pop()
            known = [e.expression for e in life if hasattr(e, "expression")][-1]
            if event.expression != known:
                life.append(event)
            continue
        others.append(event)
        if isinstance(event, NoteStarted | NoteSustained | NoteEnded):
            told.setdefault(event.note_id, []).append(event)
    return told, others


@hypothesis.settings(deadline=None, derandomize=True, max_examples=400)
@hypothesis.given(PERFORMANCE)
def test_message_by_message_is_the_same_as_all_at_once(messages):
    together, apart = Receiver(player()), Receiver(player())
    events = [event for message in messages for event in apart.feed(message)]
    assert lives(together.feed(b"".join(messages))) == lives(events)


@hypothesis.settings(deadline=None, derandomize=True)
@hypothesis.given(PERFORMANCE)
def test_after_all_notes_off_and_pedals_up_nothing_is_held(messages):
    playing = Receiver(player())
    playing.feed(b"".join(messages))
    for channel in range(16):
        for number in (64, 66, 123):
            playing.feed(control(channel, number, 0))
    assert playing.n_held == 0


@hypothesis.settings(deadline=None, derandomize=True)
@hypothesis.given(PERFORMANCE)
def test_after_all_sound_off_nothing_is_held_whatever_the_pedals(messages):
    playing = Receiver(player())
    playing.feed(b"".join(messages))
    silenced = set()
    for channel in range(16):
        for event in playing.feed(control(channel, 120, 0)):
            if isinstance(event, AllSilenced):
                silenced |= set(event.channels)
    assert playing.n_held == 0
    assert silenced == set(range(16))


@hypothesis.settings(deadline=None, derandomize=True)
@hypothesis.given(PERFORMANCE)
def test_what_is_told_of_modes_is_so(messages):
    playing = Receiver(player())
    told = [False] * 16
    for event in playing.feed(b"".join(messages)):
        if isinstance(event, ModeChanged):
            for channel in event.channels:
                assert told[channel] != event.is_mono
                told[channel] = event.is_mono
    assert told == [playing.is_mono(channel) for channel in range(16)]


# What both players know: no zones, no sostenuto, no soft pedal, no increments, no modes, no drums.
SHARED = st.one_of(
    st.builds(lambda c, k, v: bytes([0x90 | c, k, v]), st.integers(0, 2), KEY, VALUE),
    st.builds(lambda c, k, v: bytes([0x80 | c, k, v]), st.integers(0, 2), KEY, VALUE),
    st.builds(
        lambda c, n, v: bytes([0xB0 | c, n, v]),
        st.integers(0, 2),
        st.sampled_from([1, 7, 11, 64, 74, 98, 120, 121, 123, 124, 125]),
        VALUE,
    ),
    st.builds(lambda c, a, b: bytes([0xE0 | c, a, b]), st.integers(0, 2), VALUE, VALUE),
    st.builds(lambda c, v: bytes([0xD0 | c, v]), st.integers(0, 2), VALUE),
    st.builds(
        bend_range,
        st.integers(0, 2),
        st.integers(0, 95),
        st.none() | st.integers(0, 99),
    ),
)


def read_offline(messages):
    """Notes as (key, start, end), and channels, of messages one second apart."""
    reading = Reading(end_s=float(len(messages)))
    for time_s, data in enumerate(messages):
        for at in range(0, len(data), 3 if data[0] >> 4 != 0xD else 2):
            width = 3 if data[0] >> 4 != 0xD else 2
            message = mido.Message.from_bytes(data[at : at + width])
            reading.take(TimedMessage(float(time_s), 1, message))
    notes = [
        (note.channel, note.pitch_midi, note.start_s, note.end_s)
        for note in reading.finish()
    ]
    return notes, reading.channels()


def read_live(messages):
    """Notes as offline, and (channel, time, expression) of each of their moments."""
    playing = Receiver(player())
    alive, notes, moments = {}, [], []
    for time_s, data in enumerate(messages):
        for event in playing.feed(data):
            match event:
                case NoteStarted():
                    alive[event.note_id] = event.channel, event.key, float(time_s)
                    moments.append((event.channel, time_s, event.expression))
                case NoteChanged():
                    channel = alive[event.note_id][0]
                    moments.append((channel, time_s, event.expression))
                case NoteEnded():
                    notes.append((*alive.pop(event.note_id), float(time_s)))
    return notes, moments, alive


@hypothesis.settings(deadline=None, derandomize=True, max_examples=300)
@hypothesis.given(st.lists(SHARED, max_size=60))
def test_live_and_offline_read_one_performance_alike(messages):
    offline, channels = read_offline(messages)
    live, moments, alive = read_live(messages)
    hanging = {note[:3] for note in alive.values()}
    # A note without an end lasts to the end of a file; live nobody knows where that is.
    assert sorted(live) == sorted(note for note in offline if note[:3] not in hanging)
    # Of two moments in one second the last counts.
    settled = {(c, t): expression for c, t, expression in moments}
    for (number, time_s), expression in settled.items():
        channel = channels.get(number)
        if channel is not None:
            check_reading(channel, time_s, expression)


def check_reading(channel, time_s, expression):
    def at(name):
        value = getattr(channel, name).at([time_s])[0]
        return 2.0 if value != value else value  # no range sent: that of the profile

    bend_semitones = at("bend_unit") * at("bend_range_semitones")
    assert abs(expression.bend_semitones - bend_semitones) < 1e-9
    for name in set(expression._fields) - {"bend_semitones"}:
        assert getattr(expression, name) == at(name), name


def test_ids_are_small_and_never_come_twice():
    playing = Receiver(player())
    ids = [
        event.note_id
        for round_ in range(3)
        for event in playing.feed(
            bytes(itertools.chain(*([0x90, key, 9] for key in range(128)))) + b"\xff"
        )
        if isinstance(event, NoteStarted)
    ]
    assert ids == list(range(1, 3 * 128 + 1))
