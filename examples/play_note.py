"""Plays a note in a studio with nothing but gRPC: play_note.py DEU FILE.wav [HOST:PORT]."""

import sys
import wave
from collections.abc import Iterator

import grpc
import numpy as np

from amadeus.v1 import perform_pb2 as pb
from amadeus.v1 import personality_pb2, studio_pb2_grpc

RATE = 48_000  # Hz; offsets count samples at this rate


def requests(deu: str) -> Iterator[pb.PerformRequest]:
    """Says who plays, then what, then how far time goes."""
    newest = personality_pb2.GenerationReference(deu=deu)
    who = personality_pb2.PersonalityReference(generation=newest)
    how = pb.PerformConfiguration(personality=who, sample_rate=RATE)
    yield pb.PerformRequest(configuration=how)
    for offset, midi in [(0, b"\x90\x39\x60"), (RATE, b"\x80\x39\x40")]:  # A3, 1 s
        yield pb.PerformRequest(midi=pb.MidiEvent(sample_offset=offset, data=midi))
    yield pb.PerformRequest(advance=pb.Advance(sample_offset=2 * RATE))


deu, path, address = [*sys.argv[1:], "localhost:8470"][:3]
with grpc.insecure_channel(address) as channel:
    answers = studio_pb2_grpc.StudioStub(channel).Perform(requests(deu))
    sound = b"".join(a.audio.samples for a in answers if a.HasField("audio"))
with wave.open(path, "wb") as file:
    file.setparams((1, 2, RATE, 0, "NONE", ""))
    file.writeframes((32767 * np.frombuffer(sound, "<f4").clip(-1, 1)).astype("<i2"))
