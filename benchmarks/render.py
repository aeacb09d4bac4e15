"""How many times faster than real time whole phrases are rendered, with the learned reverb, beside the peer.

    python -m benchmarks render [--seconds 10] [--runs 7] [--no-peer]

All rows are timed in turns in this process, all cores at work, graphs traced before. The rows:

  - voices with random weights, exported, loaded and played by `Voice.render`: `live` and `solo` as they
    are, and `live` at 48 kHz;
  - the peer: ddsp 3.7.0's solo_instrument with random weights, 250 frames a second at 16 kHz, compiled as
    one function.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from amadeus.errors import AmadeusError

VOICES = (
    (("preset=live",), 60.0),
    (("preset=solo",), 15.0),
    (("preset=live", "sample_rate=48000"), None),
)


class Row(NamedTuple):
    """One thing to time: what it is, how many times real time it must reach if any, and the doing."""

    name: str
    least: float | None
    render: Callable[[], object]


def build_parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks render")
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="of sound, for each row"
    )
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--no-peer", action="store_true")
    return parser


def main(argv: list[str]) -> int:
    """Runs the benchmark and prints its table."""
    options = build_parser().parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")  # what ddsp is written for
    try:
        with tempfile.TemporaryDirectory() as scratch:
            _run(options, Path(scratch))
    except AmadeusError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace, scratch: Path) -> None:
    from benchmarks.measures import timing

    rows = [
        _voice(settings, least, options.seconds, scratch / str(number))
        for number, (settings, least) in enumerate(VOICES)
    ]
    if not options.no_peer:
        rows.append(_peer(options.seconds))
    timings = timing.take_turns([row.render for row in rows], n_rounds=options.runs)
    print(f"\n{options.seconds:g} s of sound, {options.runs} runs each")
    _print_table(rows, timings, options.seconds)
    print(timing.describe_machine())


def _voice(
    settings: tuple[str, ...], least: float | None, seconds: float, path: Path
) -> Row:
    from benchmarks.measures import voices

    voice = voices.make(settings, str(path))
    f0_hz, loudness_db = _phrase(round(seconds * voice.spec.frame_rate))
    name = " ".join(settings).removeprefix("preset=")
    return Row(name, least, lambda: voice.render(f0_hz, loudness_db))


def _phrase(n_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """A slow glide over two octaves that swells and fades."""
    turn = np.linspace(0, 2 * np.pi, n_frames)
    f0_hz = 220 * 2 ** np.sin(turn)
    return f0_hz.astype(np.float32), (-30 - 15 * np.cos(turn)).astype(np.float32)


def _peer(seconds: float) -> Row:
    from benchmarks.measures import peer

    theirs = peer.SoloInstrument(crop_s=seconds)
    import tensorflow as tf

    f0_hz, loudness_db = _phrase(round(seconds * peer.FRAME_RATE))
    phrase = {
        "f0_hz": tf.constant(f0_hz[None]),
        "loudness_db": tf.constant(loudness_db[None]),
    }

    @tf.function(autograph=False)
    def render(phrase: dict) -> tf.Tensor:
        return theirs.model(phrase, training=False)["audio_synth"]

    return Row("ddsp solo_instrument", None, lambda: render(phrase).numpy())


def _print_table(rows, timings, seconds: float) -> None:
    print(
        f"\n{'times real time':30}{'p10':>8}{'median':>8}{'p90':>8}{'CPU, s':>8}{'at least':>10}"
    )
    for row, timing in zip(rows, timings, strict=True):
        speeds = (seconds / s for s in (timing.high_s, timing.median_s, timing.low_s))
        low, median, high = speeds
        least = f"{row.least:10.0f}" if row.least else ""
        print(
            f"{row.name:30}{low:8.1f}{median:8.1f}{high:8.1f}{timing.cpu_s:8.2f}{least}"
        )
    print()
