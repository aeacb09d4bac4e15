"""What it costs to play live: blocks of one frame through an exported voice, on one core.

    python -m benchmarks streaming [--seconds 4] [--learner KEY=VALUE ...]

A voice with random weights is exported and loaded again; TensorFlow gets one thread. All rows are
timed in turns of 20 blocks, state handed on from block to block. Without --learner it is the `live`
voice at 48 kHz in blocks of 5 ms. The rows:

  - one note, and 32 notes as one batch, as a studio plays them: the signature `step`, asked through the embedded model
    server's session;
  - the same by `Voice.perform`, TensorFlow's own functions;
  - one note by the signature `perform`, which takes any number of frames: what another server calls;
  - the learned reverb on the sum of all notes.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from amadeus.errors import AmadeusError

SETTINGS = ("preset=live", "sample_rate=48000", "frame_rate=200")
N_NOTES = 32
LIMITS_MS = {1: 1.0, N_NOTES: 4.0}  # medians, on one core
_N_IN_TURN = 20  # blocks: a voice plays several in a row


class Row(NamedTuple):
    """One thing to time: what it is, the median allowed if any, and the doing."""

    name: str
    limit_ms: float | None
    play_block: Callable[[], None]


def build_parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks streaming")
    parser.add_argument(
        "--seconds", type=float, default=4.0, help="of sound, for each row"
    )
    parser.add_argument("--learner", action="append", default=[], metavar="KEY=VALUE")
    return parser


def main(argv: list[str]) -> int:
    """Runs the benchmark and prints its table."""
    options = build_parser().parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with tempfile.TemporaryDirectory() as scratch:
            _run(options, scratch)
    except AmadeusError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace, scratch: str) -> None:
    import tensorflow as tf

    from benchmarks.measures import timing, voices

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    voice = voices.make(options.learner or SETTINGS, scratch)
    rows = [
        _served(voice, scratch, 1),
        _served(voice, scratch, N_NOTES),
        _notes(voice, 1),
        _notes(voice, N_NOTES),
        _by_perform(voice, scratch),
        _reverb(voice),
    ]
    n_blocks = round(options.seconds * voice.spec.frame_rate)
    timings = timing.take_turns(
        [row.play_block for row in rows],
        n_rounds=max(1, n_blocks // _N_IN_TURN),
        n_in_turn=_N_IN_TURN,
    )
    _print_table(voice, rows, timings, n_blocks)
    print(timing.describe_machine())


def _served(voice, path: str, n_notes: int) -> Row:
    from pathlib import Path

    from serving.model_server.servable import Servable

    model = Servable.load(Path(path))
    inputs = {
        "f0_hz": np.linspace(110, 880, n_notes, dtype=np.float32)[:, None],
        "loudness_db": np.full([n_notes, 1], -20, np.float32),
        "state": np.zeros([n_notes, voice.state_size], np.float32),
    }
    for name in ("harmonic_gain_db", "noise_gain_db", "brightness"):
        inputs[name] = np.zeros([n_notes, 1], np.float32)

    def play_block() -> None:
        inputs["state"] = model.call("step", inputs)["state"]

    name = "1 note, served" if n_notes == 1 else f"{n_notes} notes, served"
    return Row(name, LIMITS_MS.get(n_notes), play_block)


def _notes(voice, n_notes: int) -> Row:
    f0_hz = np.linspace(110, 880, n_notes, dtype=np.float32)[:, None]
    loudness_db = np.full([n_notes, 1], -20, np.float32)
    state = voice.perform(f0_hz, loudness_db).state

    def play_block() -> None:
        nonlocal state
        state = voice.perform(f0_hz, loudness_db, state).state

    name = "1 note" if n_notes == 1 else f"{n_notes} notes, one batch"
    return Row(name, None, play_block)


def _by_perform(voice, path: str) -> Row:
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    perform = loaded.signatures["perform"]
    frame = {"f0_hz": tf.fill([1, 1], 220.0), "loudness_db": tf.fill([1, 1], -20.0)}
    state = np.zeros([1, voice.state_size], np.float32)

    def play_block() -> None:
        nonlocal state
        output = perform(**frame, state=tf.constant(state))
        state = output["state"].numpy()
        output["audio"].numpy()

    play_block.module = loaded  # its functions hold their variables weakly
    return Row("1 note by `perform`", None, play_block)


def _reverb(voice) -> Row:
    audio = np.full(voice.spec.hop_size, 0.1, np.float32)
    state = voice.reverberate(audio).state

    def play_block() -> None:
        nonlocal state
        state = voice.reverberate(audio, state).state

    return Row("the learned reverb", None, play_block)


def _print_table(voice, rows, timings, n_blocks: int) -> None:
    learned, spec = voice.personality.learner_profile, voice.spec
    block_ms = 1000 * spec.hop_size / spec.sample_rate
    print(
        f"\nblocks of {spec.hop_size} samples, {block_ms:g} ms at {spec.sample_rate} Hz; {learned.harmonic_count} "
        f"harmonics, {learned.noise_band_count} noise bands, {learned.recurrent_unit_count} recurrent units; "
        f"{n_blocks} blocks each, one thread"
    )
    print(
        f"\n{'ms a block':24}{'p10':>8}{'median':>8}{'p90':>8}{'CPU':>8}{'x real time':>13}{'at most':>9}"
    )
    for row, timing in zip(rows, timings, strict=True):
        low, median, high, cpu = (1000 * seconds for seconds in timing)
        limit = f"{row.limit_ms:9.1f}" if row.limit_ms else f"{'':9}"
        print(
            f"{row.name:24}{low:8.2f}{median:8.2f}{high:8.2f}{cpu:8.2f}{block_ms / median:13.1f}{limit}"
        )
    print()
