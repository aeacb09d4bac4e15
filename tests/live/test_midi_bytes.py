"""MIDI 1.0 on the wire: whole messages, running status, real time, damage."""

import hypothesis
import mido
import pytest
from hypothesis import strategies as st

from amadeus.live.midi_bytes import Messages, read_messages


def read(text):
    return read_messages(bytes.fromhex(text))


def test_messages_of_every_kind_are_read_in_order():
    found = read("90 3c 40  a1 3c 41  b2 01 7f  c3 05  d4 22  e5 01 40  86 3c 00")
    assert found == Messages(
        [
            (0x90, 0x3C, 0x40),
            (0xA1, 0x3C, 0x41),
            (0xB2, 0x01, 0x7F),
            (0xC3, 0x05, 0),
            (0xD4, 0x22, 0),
            (0xE5, 0x01, 0x40),
            (0x86, 0x3C, 0x00),
        ],
        0,
        -1,
    )


def test_running_status_holds_within_a_call():
    assert read("90 3c 40 3e 41 d0 10 11").messages == [
        (0x90, 0x3C, 0x40),
        (0x90, 0x3E, 0x41),
        (0xD0, 0x10, 0),
        (0xD0, 0x11, 0),
    ]


@pytest.mark.parametrize("real_time", ["f8", "f9", "fa", "fb", "fc", "fd", "fe"])
def test_real_time_may_stand_anywhere(real_time):
    plain = "90 3c 40 3e 41 f0 01 02 f7"
    spread = f" {real_time} ".join(["", *plain.split(), ""])
    assert read(spread) == read(plain)
    assert read(spread).n_damaged == 0


def test_system_messages_are_passed_over_and_end_running_status():
    assert read("f0 7e 7f 09 01 f7 f1 05 f2 01 02 f3 04 f6 90 3c 40") == Messages(
        [(0x90, 0x3C, 0x40)], 0, -1
    )
    for system in ("f6", "f3 04", "f2 01 02"):
        at = 3 + len(bytes.fromhex(system))
        found = read(f"90 3c 40 {system} 3e 40")
        assert found == Messages([(0x90, 0x3C, 0x40)], 2, at)


@pytest.mark.parametrize(
    ("damage", "n_damaged", "first"),
    [
        ("3c 40", 2, 0),  # no status
        ("90", 1, 0),  # cut short
        ("90 3c", 2, 0),
        ("90 3c 40 3e", 1, 3),  # in running status
        ("f0 01 02 03", 4, 0),  # an exclusive without an end
        ("f7", 1, 0),  # an end without an exclusive
        ("90 3c b0", 3, 0),
    ],
)
def test_damage_is_counted_and_the_next_status_byte_is_understood(
    damage, n_damaged, first
):
    found = read(f"{damage} 81 3c 05")
    assert found.messages[-1] == (0x81, 0x3C, 0x05)
    assert (found.n_damaged, found.first_damaged) == (n_damaged, first)


def test_a_reset_cuts_a_message_short():
    assert read("90 3c ff 40") == Messages([(0xFF, 0, 0)], 3, 0)


def _as_bytes(message):
    return bytes(message.bytes())


CHANNEL_MESSAGES = st.one_of(
    st.builds(
        lambda kind, channel, note, velocity: mido.Message(
            kind, channel=channel, note=note, velocity=velocity
        ),
        st.sampled_from(["note_on", "note_off"]),
        st.integers(0, 15),
        st.integers(0, 127),
        st.integers(0, 127),
    ),
    st.builds(
        lambda channel, pitch: mido.Message("pitchwheel", channel=channel, pitch=pitch),
        st.integers(0, 15),
        st.integers(-8192, 8191),
    ),
    st.builds(
        lambda channel, program: mido.Message(
            "program_change", channel=channel, program=program
        ),
        st.integers(0, 15),
        st.integers(0, 127),
    ),
)


@hypothesis.settings(deadline=None, derandomize=True)
@hypothesis.given(st.lists(CHANNEL_MESSAGES, max_size=30))
def test_what_mido_writes_is_what_is_read(messages):
    found = read_messages(b"".join(map(_as_bytes, messages)))
    assert found.n_damaged == 0
    again = [
        mido.Message.from_bytes([status, first, second][: len(_as_bytes(message))])
        for (status, first, second), message in zip(
            found.messages, messages, strict=True
        )
    ]
    assert again == messages


@hypothesis.settings(deadline=None, derandomize=True)
@hypothesis.given(st.binary(max_size=200))
def test_every_byte_is_read_once(data):
    found = read_messages(data)
    assert 0 <= found.n_damaged <= len(data)
    assert (found.n_damaged > 0) == (0 <= found.first_damaged < len(data))
    for status, first, second in found.messages:
        assert 0x80 <= status <= 0xFF
        assert first < 0x80
        assert second < 0x80
