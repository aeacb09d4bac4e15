"""What a step of training costs, beside the peer, in turns in one process.

    python -m benchmarks train [--batch 4] [--rounds 7] [--no-peer]
    python -m benchmarks train --rates 48000 [44100 ...] [--rounds 40] [--learner KEY=VALUE ...]

The rows:

  - the peer: ddsp 3.7.0's solo_instrument with its own processors, decoder, loss and optimiser, 4 s crops;
  - the same network on our engine: same layers, same crops, same loss, from the peer's weights after its first step;
  - our presets as a practice trains them, each with its own batch and crops.

`--rates` asks another question: how many times as long does a second of sound take to learn from at these rates as at
16 kHz? Steps take turns, so that what else the machine does falls on all alike.

A step is forward, gradient and update. The first step includes building and tracing the graph. Crops are random.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from amadeus.errors import AmadeusError

PRESETS = (
    ("preset=tiny",),
    ("preset=live",),
    ("preset=live", "sample_rate=48000"),
    ("preset=solo",),
    ("preset=vst",),
)
REFERENCE_RATE, RATE_GOAL = 16_000, 2.0  # Hz; times as long, at most
SAME_STEP_GOAL, FIRST_STEP_GOAL, LIVE_GOAL = 4.0, 5.0, 15.0


class Row(NamedTuple):
    """A trainer that has taken its first step.

    Attributes:
      name: What it trains.
      step: Takes one more step and returns the loss.
      sound_s: Sound in a step.
      first_s: What the first step took.
      loss: The loss before it.
    """

    name: str
    step: Callable[[], float]
    sound_s: float
    first_s: float
    loss: float


def build_parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks train")
    parser.add_argument(
        "--batch", type=int, default=4, help="crops a step, peer and same network"
    )
    parser.add_argument("--rounds", type=int, help="7, with --rates 40")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument(
        "--rates", type=int, nargs="+", metavar="HZ", help="beside 16 kHz, alone"
    )
    parser.add_argument(
        "--learner", action="append", default=[], metavar="KEY=VALUE", help="of --rates"
    )
    return parser


def main(argv: list[str]) -> int:
    """Runs the benchmark and prints its table."""
    options = build_parser().parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")  # what ddsp is written for
    try:
        if options.rates:
            _compare_rates(options)
        else:
            _run(options)
    except AmadeusError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace) -> None:
    from benchmarks.measures import timing

    rows = []
    if not options.no_peer:
        rows += _peer_and_same_network(options.batch)
    rows += [_preset(settings) for settings in PRESETS]
    timings = timing.take_turns(
        [row.step for row in rows], n_rounds=options.rounds or 7
    )
    _print_table(rows, timings)
    if not options.no_peer:
        _print_goals(rows, timings)
    print(timing.describe_machine())


def _compare_rates(options: argparse.Namespace) -> None:
    from benchmarks.measures import timing

    rates = [REFERENCE_RATE, *(r for r in options.rates if r != REFERENCE_RATE)]
    rows = [_preset((*options.learner, f"sample_rate={rate}")) for rate in rates]
    timings = timing.take_turns(
        [row.step for row in rows], n_rounds=options.rounds or 40, n_warm_up=3
    )
    print(f"\nms a second of sound, and times that of {REFERENCE_RATE} Hz")
    print(f"{'':9}{'best':>16}{'median':>16}{'processors':>16}")
    costs = [
        1000 * np.array([t.best_s, t.median_s, t.cpu_s]) / row.sound_s
        for row, t in zip(rows, timings, strict=True)
    ]
    for rate, cost in zip(rates, costs, strict=True):
        pairs = zip(cost, cost / costs[0], strict=True)
        cells = "".join(f"{ms:9.2f} {times:6.2f}" for ms, times in pairs)
        missed = "" if (cost / costs[0])[:2].max() <= RATE_GOAL else "   missed"
        print(f"{rate:9}{cells}{missed}")
    print(f"at most {RATE_GOAL:g} times; {timing.describe_machine()}")


def _peer_and_same_network(n_batch: int) -> list[Row]:
    from amadeus.personality import profiles
    from amadeus.voice.learner import Learner
    from benchmarks.measures import peer, same_network

    n_frames = round(peer.CROP_S * peer.FRAME_RATE)
    audio, f0_hz, loudness_db = _crops(n_batch, n_frames, peer.HOP_SIZE)
    sound_s = n_batch * peer.CROP_S
    started_at = time.perf_counter()
    theirs = peer.SoloInstrument()
    step = _learn_with(theirs.learn, audio, f0_hz[:, :-1], loudness_db[:, :-1])
    rows = [_begin("ddsp solo_instrument", step, sound_s, started_at)]
    weights = same_network.read_weights(theirs.decoder)
    reverb = theirs.impulse_response
    print(f"\nat the same weights: loss of the peer {step():.3f}", end=", ")

    settings = [*same_network.SETTINGS, f"batch_size={n_batch}"]
    profile = profiles.complete_learner_profile(
        profiles.parse_learner_settings(settings)
    )
    started_at = time.perf_counter()
    learner = Learner(profile, make_voice=same_network.SoloVoice)
    same_network.take_weights(learner.model.decoder, weights)
    same_network.take_reverb(learner.model, reverb)
    step = _learn_with(learner.learn, audio, f0_hz, loudness_db, peer.LEARNING_RATE)
    rows.append(_begin("same network, our engine", step, sound_s, started_at))
    print(f"of ours {rows[-1].loss:.3f}")
    return rows


def _preset(settings: tuple[str, ...]) -> Row:
    from amadeus.personality import profiles
    from amadeus.voice.learner import Learner

    profile = profiles.complete_learner_profile(
        profiles.parse_learner_settings(settings)
    )
    spec = profiles.spec(profile)
    n_frames = round(profile.crop_duration_s * profile.frame_rate)
    crops = _crops(profile.batch_size, n_frames, spec.hop_size)
    started_at = time.perf_counter()
    learner = Learner(profile)
    step = _learn_with(learner.learn, *crops, profile.learning_rate)
    sound_s = profile.batch_size * n_frames / profile.frame_rate
    return _begin(" ".join(settings), step, sound_s, started_at)


def _crops(n_batch: int, n_frames: int, hop_size: int) -> tuple[np.ndarray, ...]:
    """Random audio, f0_hz and loudness_db; of the latter two one frame more than blocks of audio."""
    rng = np.random.default_rng(0)
    audio = 0.1 * rng.standard_normal((n_batch, n_frames * hop_size))
    f0_hz = rng.uniform(100, 400, (n_batch, n_frames + 1))
    loudness_db = rng.uniform(-60, -10, (n_batch, n_frames + 1))
    return tuple(part.astype(np.float32) for part in (audio, f0_hz, loudness_db))


def _learn_with(learn: Callable, *arguments) -> Callable[[], float]:
    import tensorflow as tf

    tensors = [tf.constant(argument, tf.float32) for argument in arguments]
    return lambda: float(learn(*tensors))


def _begin(
    name: str, step: Callable[[], float], sound_s: float, started_at: float
) -> Row:
    loss = step()
    return Row(name, step, sound_s, time.perf_counter() - started_at, loss)


def _print_table(rows, timings) -> None:
    print(
        "\nfirst step s   step ms: median (10 % .. 90 %)   ms a second of sound   trains"
    )
    for row, taken in zip(rows, timings, strict=True):
        low, median, high = (1000 * s for s in taken[:3])
        spread = f"{median:8.1f} ({low:.1f} .. {high:.1f})"
        print(
            f"{row.first_s:12.2f}   {spread:<31}   {median / row.sound_s:20.2f}   {row.name}"
        )


def _print_goals(rows, timings) -> None:
    theirs, same = (timing.median_s for timing in timings[:2])
    live = next(i for i, row in enumerate(rows) if row.name == "preset=live")
    live_speed = (theirs / rows[0].sound_s) / (
        timings[live].median_s / rows[live].sound_s
    )
    ratios = (
        ("a step of the same network", theirs / same, SAME_STEP_GOAL),
        ("its first step", rows[0].first_s / rows[1].first_s, FIRST_STEP_GOAL),
        ("a second of sound with preset live", live_speed, LIVE_GOAL),
    )
    print("\ntimes as fast as the peer   at least")
    for name, ratio, goal in ratios:
        verdict = "" if ratio >= goal else "   missed"
        print(f"{ratio:25.1f}   {goal:8g}   {name}{verdict}")
