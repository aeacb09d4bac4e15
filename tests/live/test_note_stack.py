"""Mono legato: which key sounds, and how voices go from note to note."""

import hypothesis
import pytest
from hypothesis import strategies as st

from amadeus.live.events import (
    Expression,
    NoteChanged,
    NoteEnded,
    NoteSlurred,
    NoteStarted,
    NoteSustained,
)
from amadeus.live.note_stack import NoteStack, NoteStacks
from amadeus.live.receiver import Receiver
from amadeus.v1.profiles_pb2 import (
    NOTE_PRIORITY_HIGH,
    NOTE_PRIORITY_LAST,
    NOTE_PRIORITY_LOW,
    VOICE_MODE_MONO,
)
from tests.live.messages import bend, control, off, on, player
from tests.live.test_receiver_laws import PERFORMANCE, check_lives

PRIORITIES = [NOTE_PRIORITY_LAST, NOTE_PRIORITY_LOW, NOTE_PRIORITY_HIGH]
SUSTAIN = 64


class Mono:
    """A receiver and its stacks."""

    def __init__(self, priority=NOTE_PRIORITY_LAST, **knobs):
        profile = player(
            **{"voice_mode": VOICE_MODE_MONO, "note_priority": priority} | knobs
        )
        self.receiver, self.stacks = Receiver(profile), NoteStacks(profile)

    def feed(self, *messages):
        return self.stacks.take(self.receiver.feed(b"".join(messages)))


def told(events):
    """Events in short: + starts a key, > slurs to one, - ends."""
    words = []
    for event in events:
        match event:
            case NoteStarted():
                words.append(f"+{event.key}")
            case NoteSlurred():
                words.append(f">{event.note.key}")
            case NoteEnded():
                words.append("-")
    return " ".join(words)


def test_keys_that_overlap_slur_and_those_apart_start_anew():
    assert (
        told(Mono().feed(on(0, 60), on(0, 62), off(0, 60), off(0, 62))) == "+60 >62 -"
    )
    assert told(Mono().feed(on(0, 60), off(0, 60), on(0, 62))) == "+60 - +62"


@pytest.mark.parametrize(
    ("priority", "expected"),
    [
        (NOTE_PRIORITY_LAST, "+60 >64 >62 >64 >60 -"),
        (NOTE_PRIORITY_LOW, "+60 -"),
        (NOTE_PRIORITY_HIGH, "+60 >64 >60 -"),
    ],
)
def test_the_priority_chooses_among_keys_that_are_down(priority, expected):
    keys = on(0, 60), on(0, 64), on(0, 62), off(0, 62), off(0, 64), off(0, 60)
    assert told(Mono(priority).feed(*keys)) == expected


def test_a_slur_says_from_whom_and_how_the_note_sounds_now():
    mono = Mono()
    mono.feed(on(0, 60, 90), on(0, 62))
    changes = mono.feed(bend(0, 0.5))
    assert [change.note_id for change in changes] == [2]  # 60 waits, and remembers
    [slur] = mono.feed(off(0, 62))
    assert slur == NoteSlurred(2, NoteStarted(1, 0, 60, 90, Expression(1.0)))


def test_a_pedal_holds_the_sound_but_does_not_bring_keys_back():
    mono = Mono()
    pedal, up = control(0, SUSTAIN, 127), control(0, SUSTAIN, 0)
    assert told(mono.feed(on(0, 60), pedal, off(0, 60))) == "+60"
    assert told(mono.feed(on(0, 64), off(0, 64))) == ">64"
    assert told(mono.feed(up)) == "-"
    assert told(mono.feed(on(0, 60), on(0, 62), pedal, off(0, 62))) == "+60 >62 >60"
    assert told(mono.feed(off(0, 60), up)) == "-"


def test_channels_sing_on_their_own():
    assert told(Mono().feed(on(0, 60), on(1, 62), off(0, 60))) == "+60 +62 -"


def test_poly_channels_pass_but_for_what_no_voice_needs():
    mono = Mono(voice_mode=0)
    events = mono.feed(
        on(0, 60), on(0, 62), control(0, SUSTAIN, 99), off(0, 60), bend(0, 1)
    )
    assert told(events) == "+60 +62"
    assert len([e for e in events if isinstance(e, NoteChanged)]) == 2
    assert not any(isinstance(e, NoteSustained) for e in events)


def test_a_mode_message_makes_a_channel_mono_and_poly_again():
    mono = Mono(voice_mode=0)
    assert told(mono.feed(control(3, 126, 0), on(3, 60), on(3, 62))) == "+60 >62"
    assert told(mono.feed(on(4, 60), on(4, 62))) == "+60 +62"
    assert told(mono.feed(control(3, 127, 0), on(3, 60), on(3, 62))) == "- +60 +62"


def test_another_priority_counts_from_the_next_key_on():
    mono = Mono()
    mono.feed(on(0, 60), on(0, 64))
    mono.stacks.set_profile(player(note_priority=NOTE_PRIORITY_LOW))
    assert told(mono.feed(on(0, 62))) == ">60"


def follow(events):
    """Checks what a voice may be told, and lists the sounding note after each event."""
    sounding, sounds = None, []
    for event in events:
        match event:
            case NoteStarted():
                assert sounding is None
                sounding = event.note_id
            case NoteSlurred():
                assert sounding == event.from_id != event.note.note_id
                sounding = event.note.note_id
            case NoteChanged():
                assert sounding == event.note_id
            case NoteEnded():
                assert sounding == event.note_id
                sounding = None
        sounds.append(sounding)
    return sounds


def first_of(down, priority):
    if priority == NOTE_PRIORITY_LOW:
        return min(down.values(), key=lambda note: (note.key, -note.note_id)).note_id
    if priority == NOTE_PRIORITY_HIGH:
        return max(down.values(), key=lambda note: (note.key, note.note_id)).note_id
    return max(down)


@hypothesis.settings(deadline=None, derandomize=True)
@hypothesis.given(PERFORMANCE, st.sampled_from(PRIORITIES))
def test_one_key_sounds_at_a_time_and_it_is_the_right_one(messages, priority):
    receiver = Receiver(player(voice_mode=VOICE_MODE_MONO))
    stack, down, played = NoteStack(priority), {}, []
    for event in receiver.feed(b"".join(messages)):
        match event:
            case NoteStarted(channel=0):
                down[event.note_id] = event
                played += stack.start(event)
            case NoteChanged() if event.note_id in down:
                played += stack.change(event)
            case NoteSustained() if event.note_id in down:
                del down[event.note_id]
                played += stack.sustain(event)
            case NoteEnded():
                down.pop(event.note_id, None)
                played += stack.end(event)
        if down:
            assert stack.sounding == first_of(down, priority)
    follow(played)


@hypothesis.settings(deadline=None, derandomize=True)
@hypothesis.given(PERFORMANCE)
def test_all_notes_off_ends_every_voice(messages):
    mono = Mono()
    events = mono.feed(*messages)
    for channel in range(16):
        events += mono.feed(control(channel, 120, 0))
    started = [e for e in events if isinstance(e, NoteStarted)]
    ended = [e for e in events if isinstance(e, NoteEnded)]
    assert len(started) == len(ended)


@hypothesis.settings(deadline=None, derandomize=True)
@hypothesis.given(PERFORMANCE)
def test_where_many_may_sound_lives_are_those_of_the_receiver(messages):
    mono = Mono(voice_mode=0)
    if not any(message[1:2] == b"\x7e" for message in messages):
        check_lives(mono.feed(*messages))
