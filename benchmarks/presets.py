"""What each preset costs: to train, and to play.

    python -m benchmarks presets [--runs 15] [--learner KEY=VALUE ...]

A row a preset: parameters; a training step (forward, gradient, update) on random crops, for each second of
audio in it; and one block of one voice, a frame through `VoiceModel.perform` as a graph. Best and median of
runs taken in turns, so that whatever else the machine does falls on all alike. `amadeus presets` shows them
against each other; its table `MEASURED` is this one's medians.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from amadeus.errors import AmadeusError

if TYPE_CHECKING:
    from amadeus.v1 import profiles_pb2

BLOCKS_PER_RUN = 50


class Row(NamedTuple):
    """A preset, ready to be timed.

    Attributes:
      name: Of the preset.
      n_parameters: Of the network.
      audio_s: Sound in a training step.
      first_step_s: The first step took, tracing included.
      step: Does a training step.
      play: Plays `BLOCKS_PER_RUN` blocks of one frame.
    """

    name: str
    n_parameters: int
    audio_s: float
    first_step_s: float
    step: Callable[[], None]
    play: Callable[[], None]


def build_parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks presets")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--learner", action="append", default=[], metavar="KEY=VALUE")
    return parser


def main(argv: list[str]) -> int:
    """Runs the benchmark and prints its table."""
    options = build_parser().parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        rows = _rows(options.learner)
    except AmadeusError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    steps = _time([row.step for row in rows], options.runs)
    blocks = _time([row.play for row in rows], options.runs)
    _print_table(rows, steps, blocks)
    return 0


def _rows(settings: list[str]) -> list[Row]:
    from amadeus.personality import presets, profiles

    rows = []
    for preset in presets.PRESETS:
        profile = profiles.parse_learner_settings(settings)
        profile.preset = preset.number
        rows.append(_row(preset.name, profiles.complete_learner_profile(profile)))
    return rows


def _row(name: str, profile: "profiles_pb2.LearnerProfile") -> Row:
    from amadeus.personality import profiles, size
    from amadeus.voice.learner import Learner

    learner, spec = Learner(profile), profiles.spec(profile)
    crops, rate = _random_crops(profile), np.float32(profile.learning_rate)

    def step() -> None:
        learner.learn(*crops, rate).numpy()

    started_at = time.perf_counter()
    step()
    first_step_s = time.perf_counter() - started_at
    audio_s = crops[0].shape[0] * crops[0].shape[1] / spec.sample_rate
    n_network = size.measure(profile).n_network
    return Row(name, n_network, audio_s, first_step_s, step, _player(learner.model))


def _random_crops(profile: "profiles_pb2.LearnerProfile") -> tuple:
    """Audio, f0_hz and loudness_db as `sampler.Crops` has them."""
    import tensorflow as tf

    from amadeus.personality import profiles
    from amadeus.voice.sampler import WARM_UP_FRAMES

    spec, rng = profiles.spec(profile), np.random.default_rng(0)
    n_frames = round(profile.crop_duration_s * spec.frame_rate)
    n_audio, n_controls = n_frames * spec.hop_size, n_frames + WARM_UP_FRAMES
    ranges = ((-0.3, 0.3, n_audio), (150, 300, n_controls), (-40, -10, n_controls))
    return tuple(
        tf.constant(rng.uniform(low, high, (profile.batch_size, size)), tf.float32)
        for low, high, size in ranges
    )


def _player(model) -> Callable[[], None]:
    import tensorflow as tf

    perform = tf.function(model.perform, autograph=False)
    frame = tf.constant([[220.0]]), tf.constant([[-20.0]])

    def play() -> None:
        state = tf.zeros([1, model.state_size])
        for _ in range(BLOCKS_PER_RUN):
            audio, state = perform(*frame, state)
        audio.numpy()

    play()
    return play


def _time(jobs: list[Callable[[], None]], n_runs: int) -> list[list[float]]:
    """Seconds of each run of each job, taken in turns."""
    taken: list[list[float]] = [[] for _ in jobs]
    for _ in range(n_runs):
        for job, durations in zip(jobs, taken, strict=True):
            started_at = time.perf_counter()
            job()
            durations.append(time.perf_counter() - started_at)
    return taken


def _print_table(
    rows: list[Row], steps: list[list[float]], blocks: list[list[float]]
) -> None:
    print(
        f"\n{'':8}{'parameters':>12}{'first step, s':>15}"
        f"{'training, ms per s of audio':>30}{'a block of one frame, ms':>27}"
    )
    for row, step_s, block_s in zip(rows, steps, blocks, strict=True):
        training = [1e3 * duration_s / row.audio_s for duration_s in step_s]
        playing = [1e3 * duration_s / BLOCKS_PER_RUN for duration_s in block_s]
        print(
            f"{row.name:8}{row.n_parameters:12,}{row.first_step_s:15.1f}{_say(training, 1):>30}{_say(playing, 3):>27}"
        )
    print(
        f"\nbest / median of {len(steps[0])} runs on {os.cpu_count()} cores; load of the machine now "
        f"{os.getloadavg()[0]:.1f}"
    )


def _say(durations_ms: list[float], digits: int) -> str:
    best, median = min(durations_ms), statistics.median(durations_ms)
    return f"{best:.{digits}f} / {median:.{digits}f}"
