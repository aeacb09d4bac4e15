"""What it is like to play a studio over gRPC: delay, many voices, many players, files, a long night.

    python -m benchmarks perform [--only PART ...] [--notes 1000] [--seconds 60] [--hours 2] [--learner KEY=VALUE ...]

A studio of its own process (`amadeus studio`, embedded model server) holds a `live` voice with random weights; the
client is this process, both on loopback and on the same cores. The parts:

  latency       5 ms blocks at 48 kHz, the studio's clock: from the moment a note-on is sent to the moment the first
                block that holds sound (above -100 dBFS) has been received
  voices        32 voices in one performance, 5 ms blocks
  performances  16 performances of 2 voices each, blocks of 20 ms (--block)
  swap          the same, while a new generation of the voice appears every 10 s
  render        a MIDI file of 3 minutes, 4 voices at a time, the client's clock
  transfer      another sound followed: the latency stated, and the one measured
  night         hours of playing, faster than real time, as many as --minutes allow: resident memory at the quarters

A block is late when it is ready later than the moment the one after it is due. The studio counts that for itself; the
client counts gaps: blocks that arrive more than two blocks and 10 ms after the one before. A performance that is more
than four blocks late begins its clock anew, so one long hold-up counts a few blocks, not all that follow.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from concurrent import futures
from pathlib import Path

import numpy as np

from amadeus.errors import AmadeusError

PARTS = ("latency", "voices", "performances", "swap", "render", "transfer", "night")
RATE = 48_000
SOUNDING = 1e-5
LIMITS = {
    "latency p50": 8.0,
    "latency p99": 20.0,
    "render": 20.0,
    "transfer": 60.0,
}
JITTER_S = 0.010
N_TOGETHER, NIGHT_PIECE_S = 4, 45.0  # performances at a time, and how long each is


def build_parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks perform")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--notes", type=int, default=1000, help="of the part latency")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="of voices, performances and swap"
    )
    parser.add_argument("--hours", type=float, default=2.0, help="of the part night")
    parser.add_argument(
        "--minutes", type=float, default=20.0, help="that the part night may take"
    )
    parser.add_argument(
        "--block", type=int, default=960, help="samples, of performances and swap"
    )
    parser.add_argument("--learner", action="append", default=[], metavar="KEY=VALUE")
    return parser


def main(argv: list[str]) -> int:
    """Runs the benchmark and prints its numbers."""
    options = build_parser().parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        with tempfile.TemporaryDirectory() as scratch:
            _run(options, Path(scratch))
    except AmadeusError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace, scratch: Path) -> None:
    from benchmarks.measures import studios, timing

    voice_path = studios.add_voice(scratch, "cello", options.learner or ["preset=live"])
    parts = {
        "latency": _latency,
        "voices": _voices,
        "performances": _performances,
        "swap": _swap,
        "render": _render,
        "transfer": _transfer,
        "night": _night,
    }
    with studios.running(scratch) as studio:
        for name in options.only:
            parts[name](options, studio, voice_path)
            sys.stdout.flush()
    print(timing.describe_machine())


def _configuration(**fields):
    from amadeus.v1 import perform_pb2, personality_pb2

    named = personality_pb2.GenerationReference(deu="cello")
    fields.setdefault("sample_rate", RATE)
    return perform_pb2.PerformConfiguration(
        personality=personality_pb2.PersonalityReference(generation=named), **fields
    )


def _midi(*data: int, at: int | None = None):
    from amadeus.v1 import perform_pb2

    event = perform_pb2.MidiEvent(data=bytes(data))
    if at is not None:
        event.sample_offset = at
    return perform_pb2.PerformRequest(midi=event)


class _Player:
    """One performance in the studio's own time, over an aio channel."""

    def __init__(self, channel, configuration) -> None:
        from amadeus.v1 import perform_pb2

        self._requests: asyncio.Queue = asyncio.Queue()
        self._requests.put_nowait(
            perform_pb2.PerformRequest(configuration=configuration)
        )
        self._channel = channel
        self.configuration = configuration
        self.arrivals: list[float] = []
        self.ended = None
        self.changes = 0

    def send(self, request) -> None:
        """Sends a message; None ends."""
        self._requests.put_nowait(request)

    async def listen(self, on_block=None) -> None:
        """Takes what comes until it ends."""
        from amadeus.v1 import perform_pb2
        from amadeus.v1.studio_pb2_grpc import StudioStub

        changed = perform_pb2.PerformanceNotice.KIND_PERSONALITY_CHANGED
        async for response in StudioStub(self._channel).Perform(self._send()):
            kind = response.WhichOneof("message")
            if kind == "audio":
                self.arrivals.append(time.perf_counter())
                if on_block is not None:
                    on_block(response.audio)
            elif kind == "notice" and response.notice.kind == changed:
                self.changes += 1
            elif kind == "ended":
                self.ended = response.ended

    async def _send(self) -> AsyncIterator:
        while (request := await self._requests.get()) is not None:
            yield request

    @property
    def n_late(self) -> int:
        """Blocks that a player with a block and a little in hand would have waited for."""
        block_s = self.configuration.block_size / RATE
        return int(np.sum(np.diff(self.arrivals) > 2 * block_s + JITTER_S))


def _latency(options, studio, _voice_path) -> None:
    from amadeus.v1 import perform_pb2

    block_size = 240
    waits_s: list[float] = []
    sent_at: list[float] = []

    def hear(audio) -> None:
        if sent_at and np.abs(np.frombuffer(audio.samples, "<f4")).max() > SOUNDING:
            waits_s.append(time.perf_counter() - sent_at.pop())

    async def play() -> None:
        import grpc.aio

        rng = np.random.default_rng(0)
        async with grpc.aio.insecure_channel(studio.target) as channel:
            clock = perform_pb2.PERFORM_CLOCK_STUDIO
            player = _Player(
                channel, _configuration(block_size=block_size, clock=clock)
            )
            listening = asyncio.create_task(player.listen(hear))
            await asyncio.sleep(1.0)
            for _ in range(options.notes):
                await asyncio.sleep(0.04 + rng.uniform(0, 0.02))
                sent_at.append(time.perf_counter())
                player.send(_midi(0x90, int(rng.integers(48, 72)), 100))
                await asyncio.sleep(0.05)
                player.send(_midi(0xB0, 120, 0))  # silent at once
            player.send(None)
            await listening

    asyncio.run(play())
    waits_ms = 1000 * np.array(waits_s)
    p50, p99 = np.percentile(waits_ms, [50, 99])
    print(
        f"\nlatency: {len(waits_ms)} notes, blocks of {block_size} samples at {RATE} Hz: p50 {p50:.1f} ms (at most "
        f"{LIMITS['latency p50']:g}), p99 {p99:.1f} ms (at most {LIMITS['latency p99']:g}), longest "
        f"{waits_ms.max():.1f}"
    )


def _voices(options, studio, _voice_path) -> None:
    _play_chords(options, studio, n_performances=1, n_notes=32, block_size=240)


def _performances(options, studio, _voice_path) -> None:
    _play_chords(
        options, studio, n_performances=16, n_notes=2, block_size=options.block
    )


def _swap(options, studio, voice_path) -> None:
    from benchmarks.measures import studios

    async def appear() -> None:
        while True:
            await asyncio.sleep(10)
            await asyncio.to_thread(studios.add_copy, voice_path)

    _play_chords(
        options,
        studio,
        n_performances=16,
        n_notes=2,
        block_size=options.block,
        beside=appear,
    )


def _play_chords(
    options, studio, *, n_performances, n_notes, block_size, beside=None
) -> None:
    players, n_late, cpu = asyncio.run(
        _gather(options, studio, n_performances, n_notes, block_size, beside)
    )
    n_blocks = sum(len(player.arrivals) for player in players)
    swapped = sum(player.changes for player in players)
    failed = sum(player.ended is None for player in players)
    print(
        f"\n{n_performances} performance(s) of {n_notes} voices, {options.seconds:g} s, blocks of {block_size} samples "
        f"at {RATE} Hz: {n_blocks} blocks, late by the studio's count {n_late:g}, at the client "
        f"{sum(player.n_late for player in players)}; failed {failed}; {swapped} took over a new generation; the "
        f"studio takes {cpu:.2f} cores"
    )


async def _gather(options, studio, n_performances, n_notes, block_size, beside):
    import grpc.aio

    from amadeus.v1 import perform_pb2

    clock = perform_pb2.PERFORM_CLOCK_STUDIO
    helper = asyncio.create_task(beside()) if beside else None
    async with grpc.aio.insecure_channel(studio.target) as channel:
        players = [
            _Player(
                channel,
                _configuration(
                    block_size=block_size,
                    clock=clock,
                    player_profile={"voice_count": n_notes},
                ),
            )
            for _ in range(n_performances)
        ]
        listening = [asyncio.create_task(player.listen()) for player in players]
        await asyncio.sleep(2.0)
        for player in players:
            player.arrivals.clear()
        late_before = studio.counter("amadeus_late_blocks_total")
        cpu_before, began_s = studio.cpu_s(), time.monotonic()
        await asyncio.gather(
            *(_hold_chords(player, n_notes, options.seconds) for player in players)
        )
        cpu = (studio.cpu_s() - cpu_before) / (time.monotonic() - began_s)
        n_late = studio.counter("amadeus_late_blocks_total") - late_before
        for player in players:
            player.send(None)
        await asyncio.gather(*listening, return_exceptions=True)
    if helper:
        helper.cancel()
    return players, n_late, cpu


async def _hold_chords(player: _Player, n_notes: int, seconds: float) -> None:
    """Holds n notes, and strikes them anew every two seconds, one after the other."""
    keys = [40 + (7 * i) % 40 for i in range(n_notes)]
    ends_s = time.monotonic() + seconds
    while time.monotonic() < ends_s:
        for key in keys:
            player.send(_midi(0x90, key, 100))
            await asyncio.sleep(1.0 / n_notes)
        await asyncio.sleep(1.0)
        for key in keys:
            player.send(_midi(0x80, key, 64))


def _tune(n_seconds: float, n_voices: int = 4) -> Iterator:
    """Chords of half a second, as requests; time goes on behind them."""
    from amadeus.v1 import perform_pb2

    n_step = RATE // 2
    for step in range(int(2 * n_seconds)):
        place = step * n_step
        keys = [48 + (5 * step + 4 * i) % 30 for i in range(n_voices)]
        for key in keys:
            yield _midi(0x90, key, 90, at=place)
            yield _midi(0x80, key, 64, at=place + n_step - 2_000)
        advance = perform_pb2.Advance(sample_offset=place + n_step)
        yield perform_pb2.PerformRequest(advance=advance)


def _perform(studio, requests, configuration) -> tuple[list, float]:
    import grpc

    from amadeus.v1 import perform_pb2
    from amadeus.v1.studio_pb2_grpc import StudioStub

    def send():
        yield perform_pb2.PerformRequest(configuration=configuration)
        yield from requests

    began_s = time.perf_counter()
    with grpc.insecure_channel(studio.target) as channel:
        answers = list(StudioStub(channel).Perform(send()))
    return answers, time.perf_counter() - began_s


def _render(_options, studio, _voice_path) -> None:
    configuration = _configuration(block_size=4096)
    _perform(studio, _tune(2), configuration)  # the first call prepares graphs
    rates = []
    for _ in range(3):
        answers, took_s = _perform(studio, _tune(180), configuration)
        n_samples = answers[-1].ended.sample_count
        rates.append(n_samples / RATE / took_s)
    print(
        f"\nrender: 3 minutes, 4 voices, blocks of 4096 samples at {RATE} Hz: {np.median(rates):.0f} times real time "
        f"(at least {LIMITS['render']:g}), runs {', '.join(f'{rate:.0f}' for rate in rates)}"
    )


def _transfer(_options, studio, _voice_path) -> None:
    from amadeus.v1 import perform_pb2

    # a tone that begins after a silence: the answer begins after the same silence and the latency
    begin = RATE
    tone = 0.3 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)
    sound = np.concatenate([np.zeros(begin), tone, np.zeros(RATE // 2)]).astype("<f4")
    requests = (
        perform_pb2.PerformRequest(
            audio=perform_pb2.InputAudio(samples=sound[i : i + 240].tobytes())
        )
        for i in range(0, len(sound), 240)
    )
    configuration = _configuration(
        block_size=240, mode=perform_pb2.PERFORM_MODE_TRANSFER
    )
    answers, _ = _perform(studio, requests, configuration)
    started = answers[0].started
    stated_ms = 1000 * (started.latency_samples + started.lookahead_samples) / RATE
    heard = np.concatenate(
        [
            np.frombuffer(answer.audio.samples, "<f4")
            for answer in answers
            if answer.WhichOneof("message") == "audio"
        ]
    )
    first = int(np.flatnonzero(np.abs(heard) > 1e-3 * np.abs(heard).max())[0])
    print(
        f"\ntransfer: {stated_ms:.1f} ms from sound in to sound out (at most {LIMITS['transfer']:g}), of it "
        f"{1000 * started.lookahead_samples / RATE:.1f} listening; in the file a tone is answered "
        f"{1000 * (first - begin) / RATE:.1f} ms after it began (at -60 dB of the answer's peak)"
    )


def _night(options, studio, _voice_path) -> None:
    configuration = _configuration(block_size=4096)
    _play_together(studio, configuration, 60)
    marks = [(0.0, studio.memory_bytes())]  # hours played, resident bytes
    began_s, cpu_s = time.monotonic(), studio.cpu_s()
    ends_s = began_s + 60 * options.minutes
    while marks[-1][0] < options.hours and time.monotonic() < ends_s:
        _play_together(studio, configuration, NIGHT_PIECE_S)
        played = marks[-1][0] + N_TOGETHER * NIGHT_PIECE_S / 3600
        marks.append((played, studio.memory_bytes()))
    took_s, cpu_s = time.monotonic() - began_s, studio.cpu_s() - cpu_s
    hours, sizes = (np.array(column) for column in zip(*marks, strict=True))
    quarters = np.interp(hours[-1] * np.arange(5) / 4, hours, sizes / 1e6)
    is_later = hours >= hours[-1] / 4
    slope = np.polyfit(hours[is_later], sizes[is_later] / 1e6, 1)[0]
    told = ", ".join(f"{quarter:.0f}" for quarter in quarters)
    cut = "" if hours[-1] >= options.hours else f" ({options.hours:g} were asked for)"
    print(
        f"\nnight: {hours[-1]:.2f} hours of music{cut}, {N_TOGETHER} performances of 4 voices at a time, in "
        f"{took_s / 60:.1f} minutes: {3600 * hours[-1] / took_s:.0f} times real time, "
        f"{3600 * hours[-1] / cpu_s:.0f} by the studio's processor time; resident memory at the quarters: {told} MB; "
        f"growth over the last three quarters {quarters[-1] - quarters[1]:+.1f} MB, {slope:+.1f} MB an hour"
    )


def _play_together(studio, configuration, n_seconds: float) -> None:
    """Plays side by side, so that the studio sings all of them as one."""
    with futures.ThreadPoolExecutor(N_TOGETHER) as threads:
        for playing in [
            threads.submit(_perform_away, studio, _tune(n_seconds), configuration)
            for _ in range(N_TOGETHER)
        ]:
            playing.result()


def _perform_away(studio, requests, configuration) -> None:
    """Plays and forgets what comes back."""
    import grpc

    from amadeus.v1 import perform_pb2
    from amadeus.v1.studio_pb2_grpc import StudioStub

    def send():
        yield perform_pb2.PerformRequest(configuration=configuration)
        yield from requests

    with grpc.insecure_channel(studio.target) as channel:
        for _ in StudioStub(channel).Perform(send()):
            pass
