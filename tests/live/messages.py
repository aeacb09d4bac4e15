"""MIDI messages as bytes, and a hand that plays them. Channels count from 0."""

from amadeus.live.receiver import Receiver
from amadeus.personality import profiles
from amadeus.v1 import profiles_pb2

LOWER, UPPER = 0, 15


def player(**knobs):
    profile = profiles_pb2.PlayerProfile(**knobs)
    complete = profiles.complete_player_profile(profile)
    complete.MergeFrom(profile)
    return complete


def receiver(*messages, **knobs):
    """A receiver that has taken some messages."""
    made = Receiver(player(**knobs))
    made.feed(b"".join(messages))
    return made


def on(channel, key, velocity=100):
    return bytes([0x90 | channel, key, velocity])


def off(channel, key, velocity=64):
    return bytes([0x80 | channel, key, velocity])


def bend(channel, unit):
    value = min(8192 + round(8192 * unit), 16383)
    return bytes([0xE0 | channel, value % 128, value // 128])


def pressure(channel, value):
    return bytes([0xD0 | channel, value])


def key_pressure(channel, key, value):
    return bytes([0xA0 | channel, key, value])


def control(channel, number, value):
    return bytes([0xB0 | channel, number, value])


def parameter(channel, number, msb=None, lsb=None):
    """Chooses a registered parameter below 128 and enters data."""
    data = control(channel, 101, 0) + control(channel, 100, number)
    if msb is not None:
        data += control(channel, 6, msb)
    if lsb is not None:
        data += control(channel, 38, lsb)
    return data


def bend_range(channel, semitones, cents=None):
    return parameter(channel, 0, semitones, cents)


def zone(master, member_count):
    return parameter(master, 6, member_count)


def of_kind(events, kind):
    return [event for event in events if isinstance(event, kind)]
