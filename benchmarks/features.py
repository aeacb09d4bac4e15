"""How many times faster than real time features are extracted.

    python -m benchmarks features [RECORDINGS ...] [--minutes 10] [--runs 3] [--no-beam]

Every row is the median of several runs in this process, taken in turns so that whatever else the
machine does falls on all alike. The rows:

  - the whole extraction (pitch, confidence, voicing, A-weighted loudness) by the default tracker, and
    by the other fast ones;
  - the same through Beam: decoding, AudioExampleGen's and DdspTransform's work, records written and
    read in between, statistics taken;
  - the peer: CREPE tiny as DDSP uses it, on a shorter stretch of the same sound, at its own usual
    step of 10 ms and at DDSP's 250 frames a second.

Recordings are repeated until they fill the minutes asked for.
"""

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from amadeus.errors import AmadeusError

EXAMPLES = Path(__file__).parents[1] / "examples" / "cello"
PEER_S = 20.0  # CREPE is slow: its speed shows on a short stretch


class Row(NamedTuple):
    """One thing to time: what it is, how much sound it takes, and the doing."""

    name: str
    audio_s: float
    run: Callable[[], None]


class Cost(NamedTuple):
    """What a run takes: time on the clock and time of all processors, in seconds."""

    wall_s: float
    cpu_s: float


def build_parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks features")
    parser.add_argument("recordings", nargs="*", help="files, folders or globs")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--no-beam", action="store_true")
    parser.add_argument("--beam-arg", action="append", default=[], metavar="OPTION")
    return parser


def main(argv: list[str]) -> int:
    """Runs the benchmark and prints its table."""
    options = build_parser().parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with tempfile.TemporaryDirectory() as scratch:
            rows = _rows(options, Path(scratch))
            _print_table(rows, _time(rows, options.runs))
    except AmadeusError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def _rows(options: argparse.Namespace, scratch: Path) -> list[Row]:
    from amadeus.audio.recordings import find_recordings

    paths = find_recordings(options.recordings or [str(EXAMPLES)])
    audio, takes = _gather(paths, 60 * options.minutes)
    rows = [_extraction(audio, "f0_tracker=swift_f0")]
    rows.append(_extraction(audio, "f0_tracker=swift_f0", "frame_rate=250"))
    rows.append(_extraction(audio, "f0_tracker=auto"))
    rows.append(_extraction(audio, "f0_tracker=yin"))
    if not options.no_beam:
        rows.append(_beam(takes, len(audio) / 16_000, scratch, options.beam_arg))
    peer = audio[: round(PEER_S * 16_000)]
    rows.append(_extraction(peer, "f0_tracker=crepe_tiny"))
    rows.append(_extraction(peer, "f0_tracker=crepe_tiny", "frame_rate=250"))
    return rows


def _gather(paths: list[Path], seconds: float) -> tuple[np.ndarray, list[Path]]:
    """Reads recordings again and again until they last `seconds`; returns sound and takes."""
    from amadeus.audio import decode

    sounds = {path: decode.read(path, sample_rate=16_000) for path in paths}
    n_samples, takes = 0, []
    for path in itertools.cycle(paths):
        takes.append(path)
        n_samples += len(sounds[path])
        if n_samples >= seconds * 16_000:
            return np.concatenate([sounds[path] for path in takes]), takes


def _extraction(audio: np.ndarray, *settings: str) -> Row:
    from amadeus.features.extract import extract, make_tracker
    from amadeus.personality import profiles

    profile = profiles.complete_learner_profile(
        profiles.parse_learner_settings(settings)
    )
    tracker = make_tracker(profile)
    extract(audio[:16_000], profile=profile, tracker=tracker)  # traces, allocates
    tracker_name = settings[0].removeprefix("f0_tracker=")
    return Row(
        f"features, {tracker_name}, {profile.frame_rate} frames/s",
        len(audio) / 16_000,
        lambda: extract(audio, profile=profile, tracker=tracker) and None,
    )


def _beam(
    takes: list[Path], audio_s: float, scratch: Path, beam_args: list[str]
) -> Row:
    from amadeus.personality import profiles
    from components.audio_example_gen.takes import gather

    profile = profiles.complete_learner_profile()
    gathered = gather(_distinct(takes, scratch / "takes"))
    numbers = itertools.count()

    def run() -> None:
        root = scratch / str(next(numbers))
        _decode(gathered, root / "audio", profile, beam_args)
        _transform(root, profile, beam_args)

    return Row("decoding to records through Beam, swift_f0", audio_s, run)


def _decode(gathered, root: Path, profile, beam_args: list[str]) -> None:
    from components.audio_example_gen import ingest

    uris = {split: str(root / split) for split in ("train", "eval")}
    for uri in uris.values():
        os.makedirs(uri)
    with _pipeline(beam_args) as pipeline:
        ingest.run(
            gathered,
            uris,
            str(root / "takes.json"),
            settings=ingest.settings_of(profile),
            pipeline=pipeline,
        )


def _distinct(takes: list[Path], folder: Path) -> list[str]:
    """Copies recordings, of which some are the same, so that each is a take of its own: its last sample differs."""
    import soundfile

    folder.mkdir()
    found = []
    for number, path in enumerate(takes):
        audio, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)
        audio[-1] = number * 1e-6
        found.append(str(folder / f"{number:05d}.wav"))
        soundfile.write(found[-1], audio, sample_rate, subtype="FLOAT")
    return found


def _transform(root: Path, profile, beam_args: list[str]) -> None:
    from components import records
    from components.ddsp_transform import transform

    files = []
    for split in ("train", "eval"):
        os.makedirs(root / "features" / split)
        for source in records.list_files(str(root / "audio" / split)):
            target = root / "features" / split / os.path.basename(source)
            files.append(transform.RecordFile(source, str(target), split))
    with _pipeline(beam_args) as pipeline:
        transform.run(files, str(root), profile=profile, pipeline=pipeline)


def _pipeline(beam_args: list[str]):
    import apache_beam as beam

    from pipelines import runner

    return beam.Pipeline(argv=runner.beam_args(beam_args))


def _time(rows: list[Row], n_runs: int) -> list[Cost]:
    """Median cost of each row."""
    costs: list[list[Cost]] = [[] for _ in rows]
    for _ in range(n_runs):
        for row, taken in zip(rows, costs, strict=True):
            wall_s, cpu_s = time.perf_counter(), _cpu_s()
            row.run()
            taken.append(Cost(time.perf_counter() - wall_s, _cpu_s() - cpu_s))
    return [
        Cost(*(statistics.median(kind) for kind in zip(*taken, strict=True)))
        for taken in costs
    ]


def _cpu_s() -> float:
    """Processor time of this process and of those it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _print_table(rows: list[Row], costs: list[Cost]) -> None:
    print(f"\n{'':44}{'sound, s':>9}{'time, s':>9}{'CPU, s':>9}{'x real time':>13}")
    for row, cost in zip(rows, costs, strict=True):
        speed = row.audio_s / cost.wall_s
        print(
            f"{row.name:44}{row.audio_s:9.0f}{cost.wall_s:9.2f}{cost.cpu_s:9.2f}{speed:13.1f}"
        )
    load = os.getloadavg()[0]
    print(
        f"\nmedians on {os.cpu_count()} cores (load of the machine now {load:.1f}), "
        "imports and loading of networks not counted"
    )
