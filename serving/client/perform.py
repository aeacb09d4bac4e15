"""Lets a studio play a file: a score as MIDI, or another sound to be followed."""

import itertools
import queue
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import grpc
import numpy as np

from amadeus.errors import StudioError
from amadeus.live.configuration import MAX_MIDI_BYTES
from amadeus.play.record import Record
from amadeus.v1 import perform_pb2, personality_pb2, profiles_pb2, studio_pb2
from amadeus.v1.studio_pb2_grpc import PersonalitiesStub, StudioStub
from serving.client.connection import Address, connect, explain, explained
from serving.client.sung import SungLines, make_record

NOT_HELD = "PERSONALITY_NOT_HELD"
BLOCK_SIZE = 4096  # of a file nobody waits for
CHUNK_BYTES = 2**18
AUDIO_CHUNK_S = 0.5
START_TIMEOUT_S = 120.0  # a studio may have to load the voice first

Bring = Callable[[], Path]


class Source(NamedTuple):
    """What is played.

    Attributes:
      events: Seconds and MIDI bytes in order of time; empty for a sound.
      audio: Mono sound to follow, float32, shape [n_samples]; None for a score.
      sample_rate: Of the sound, in Hz.
    """

    events: Sequence[tuple[float, bytes]] = ()
    audio: np.ndarray | None = None
    sample_rate: int = 0


class Played(NamedTuple):
    """What a studio made of it.

    Attributes:
      audio: Float32, shape [n_samples]; begins with the source.
      sample_rate: In Hz.
      record: Who played, how, and what each frame was told.
      notices: What the ama should know, a sentence each.
    """

    audio: np.ndarray
    sample_rate: int
    record: Record
    notices: list[str]


def play(
    address: Address,
    source: Source,
    configuration: perform_pb2.PerformConfiguration,
    *,
    bring: Bring | None = None,
) -> Played:
    """Plays a source in a studio and waits for all of it.

    Args:
      address: Of the studio.
      source: What is played.
      configuration: How; mode, clock and block size are set here.
      bring: Writes the personality as a bundle, for a studio that does not hold it; None: it cannot be brought.

    Raises:
      StudioError: The studio cannot be reached, or refused.
    """
    with connect(address) as channel, explained(address.target):
        try:
            return _play(channel, source, configuration)
        except grpc.RpcError as error:
            if bring is None or explain(error, address.target).reason != NOT_HELD:
                raise
        bring_personality(channel, bring())
        return _play(channel, source, configuration)


def bring_personality(
    channel: grpc.Channel, bundle_path: Path, deu: str = ""
) -> studio_pb2.ImportPersonalityResponse:
    """Brings a `.deu` bundle to a studio."""

    def chunks() -> Iterator[studio_pb2.ImportPersonalityRequest]:
        with bundle_path.open("rb") as bundle:
            while chunk := bundle.read(CHUNK_BYTES):
                yield studio_pb2.ImportPersonalityRequest(chunk=chunk, deu=deu)

    return PersonalitiesStub(channel).ImportPersonality(chunks())


def by_digest(digest: str) -> personality_pb2.PersonalityReference:
    """Names a personality wherever it is."""
    return personality_pb2.PersonalityReference(digest=digest)


def by_name(deu: str, generation: int | None) -> personality_pb2.PersonalityReference:
    """Names a generation of a deu of the studio; None: the current one."""
    named = personality_pb2.GenerationReference(deu=deu, generation=generation or 0)
    return personality_pb2.PersonalityReference(generation=named)


def configure(
    reference: personality_pb2.PersonalityReference,
    profile: profiles_pb2.PlayerProfile,
    *,
    sample_rate: int = 0,
    octave: int | None = None,
) -> perform_pb2.PerformConfiguration:
    """Says how to play."""
    configuration = perform_pb2.PerformConfiguration(
        personality=reference, player_profile=profile, sample_rate=sample_rate
    )
    if octave is not None:
        configuration.octave = octave
    return configuration


def _play(
    channel: grpc.Channel,
    source: Source,
    configuration: perform_pb2.PerformConfiguration,
) -> Played:
    full = perform_pb2.PerformConfiguration()
    full.CopyFrom(configuration)
    full.block_size = BLOCK_SIZE
    full.clock = perform_pb2.PERFORM_CLOCK_CLIENT
    full.send_controls = True
    if source.audio is not None:
        full.mode = perform_pb2.PERFORM_MODE_TRANSFER
        full.input_sample_rate = source.sample_rate
    rates: queue.SimpleQueue[int] = queue.SimpleQueue()
    blocks, notices, counts, started = [], [], {}, None
    sung = SungLines()
    for response in StudioStub(channel).Perform(_requests(full, source, rates)):
        kind = response.WhichOneof("message")
        if kind == "started":
            started = response.started
            rates.put(started.configuration.sample_rate)
        elif kind == "audio":
            blocks.append(np.frombuffer(response.audio.samples, "<f4"))
        elif kind == "sung":
            sung.add(response.sung)
        elif kind == "notice":
            notices.append(response.notice.text)
        elif kind == "ended":
            counts = dict(response.ended.notice_counts)
    if started is None:
        raise StudioError("the studio ended a performance without a word: try again.")
    audio = np.concatenate([np.zeros(0, np.float32), *blocks])
    return Played(
        audio[started.latency_samples :],
        started.configuration.sample_rate,
        make_record(started, sung),
        _shorten(notices, sum(counts.values())),
    )


def _requests(
    configuration: perform_pb2.PerformConfiguration,
    source: Source,
    rates: queue.SimpleQueue[int],
) -> Iterator[perform_pb2.PerformRequest]:
    yield perform_pb2.PerformRequest(configuration=configuration)
    if source.audio is not None:
        yield from _sound(source)
    else:  # offsets count samples at a rate that only the studio may know
        yield from _score(source, rates.get(timeout=START_TIMEOUT_S))


def _score(source: Source, rate: int) -> Iterator[perform_pb2.PerformRequest]:
    """Events in order, those of one time together, and time going on behind them."""
    place = 0
    for place, group in itertools.groupby(
        source.events, key=lambda event: round(event[0] * rate)
    ):
        yield perform_pb2.PerformRequest(
            advance=perform_pb2.Advance(sample_offset=place)
        )
        for data in _gather(data for _, data in group):
            event = perform_pb2.MidiEvent(sample_offset=place, data=data)
            yield perform_pb2.PerformRequest(midi=event)
    yield perform_pb2.PerformRequest(
        advance=perform_pb2.Advance(sample_offset=place + 1)
    )


def _gather(messages: Iterable[bytes]) -> Iterator[bytes]:
    """Joins MIDI messages to as much as one event may hold; what is longer alone is no music, and is left out."""
    joined = b""
    for message in messages:
        if len(message) > MAX_MIDI_BYTES:
            continue
        if len(joined) + len(message) > MAX_MIDI_BYTES:
            yield joined
            joined = b""
        joined += message
    if joined:
        yield joined


def _sound(source: Source) -> Iterator[perform_pb2.PerformRequest]:
    assert source.audio is not None
    n_chunk = round(AUDIO_CHUNK_S * source.sample_rate)
    for first in range(0, len(source.audio), n_chunk):
        samples = source.audio[first : first + n_chunk].astype("<f4").tobytes()
        yield perform_pb2.PerformRequest(audio=perform_pb2.InputAudio(samples=samples))


def _shorten(notices: list[str], n_all: int) -> list[str]:
    """Each sentence once, and how many there were besides."""
    told = list(dict.fromkeys(notices))
    if n_all > len(told):
        told.append(f"{n_all} notices in all, some of them of the same kind.")
    return told
