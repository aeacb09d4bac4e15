"""What a crowd of takes costs: many tiny WAV files in one folder, from finding them to the records of a practice.

    python -m benchmarks crowd [--takes N] [--duration-s S] [--beam-arg ARG ...]

Every step is timed by itself, in the order a practice takes them; the last column is what 100 of them cost, which stays
the same where nothing grows faster than the number of takes. The peak of memory is that of the process so far.
"""

import argparse
import os
import resource
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

SAMPLE_RATE = 16_000


def main(argv: list[str] | None = None) -> int:
    """Prints the table."""
    options = build_parser().parse_args(argv)
    print(
        f"{options.takes:,} takes of {options.duration_s:g} s, {os.cpu_count()} processors"
    )
    print(f"{'step':<46}{'time':>10}{'each 100':>12}{'peak':>10}")
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        for name, step in _steps(Path(scratch), options):
            started_at = time.perf_counter()
            step()
            took_s = time.perf_counter() - started_at
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            each_ms = 1e5 * took_s / options.takes
            print(
                f"{name:<46}{took_s:>8.1f} s{each_ms:>9.1f} ms{peak_mb:>7.0f} MB",
                flush=True,
            )
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks crowd")
    parser.add_argument("--takes", type=int, default=100_000, help="how many")
    parser.add_argument(
        "--duration-s", type=float, default=0.25, help="length of each, in seconds"
    )
    parser.add_argument(
        "--beam-arg", action="append", default=[], help="an option for Beam"
    )
    parser.add_argument("--scratch", help="folder for scratch")
    return parser


def write_takes(folder: Path, *, n_takes: int, duration_s: float) -> None:
    """Writes short notes, every one another."""
    folder.mkdir()
    rng = np.random.default_rng(440)
    time_s = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    for number in range(n_takes):
        f0_hz = 220 * 2 ** (number % 24 / 12)
        phase = 2 * np.pi * f0_hz * time_s + rng.uniform(0, 2 * np.pi)
        audio = 0.3 * np.sin(phase) + 0.05 * np.sin(3 * phase)
        path = folder / f"{number:06d}.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
            file.writeframes((audio * 32_767).astype("<i2").tobytes())


def _steps(
    scratch: Path, options: argparse.Namespace
) -> Iterator[tuple[str, Callable[[], Any]]]:
    import apache_beam as beam

    from amadeus.audio.recordings import find_recordings
    from amadeus.cli.practice import listen_first
    from amadeus.personality import profiles
    from amadeus.v1 import practice_pb2
    from components import records
    from components.audio_example_gen import describing, ingest, listing, takes
    from pipelines import runner

    folder = scratch / "takes"
    profile = profiles.complete_learner_profile()
    uris = {split: str(scratch / split) for split in ("train", "eval")}
    for uri in uris.values():
        os.makedirs(uri)
    known: dict[str, Any] = {}

    def find() -> None:
        known["paths"] = find_recordings([folder])

    def gather() -> None:
        known["takes"] = takes.gather(list(map(str, known["paths"])))

    def name() -> None:
        given = practice_pb2.Recordings(uri=map(str, known["paths"]))
        listing.lengthen(listing.shorten(given, scratch / "lists"))

    def write() -> None:
        with beam.Pipeline(argv=runner.beam_args(options.beam_arg)) as pipeline:
            ingest.run(
                known["takes"],
                uris,
                str(scratch / "takes.json"),
                settings=ingest.settings_of(profile),
                pipeline=pipeline,
            )

    def describe() -> None:
        found = describing.complete(str(scratch / "takes.json"), [])
        size = sum(len(str(value)) for value in found.properties().values())
        print(f"  ({found.n_takes:,} takes; {size:,} characters of properties)")

    def read() -> None:
        files = [path for uri in uris.values() for path in records.list_files(uri)]
        n_records = sum(1 for path in files for _ in records.read_records(path))
        print(f"  ({len(files)} files of {n_records:,} records)")

    yield (
        "write the takes",
        lambda: write_takes(
            folder, n_takes=options.takes, duration_s=options.duration_s
        ),
    )
    yield "find them", find
    yield (
        "listen first (open each, hear a minute)",
        lambda: listen_first(known["paths"], profile),
    )
    yield "put them into a parameter", name
    yield "digest them", gather
    yield "digest them again, in the same process", gather
    yield "decode and write records (Beam)", write
    yield "describe them for the lineage", describe
    yield "read all records", read
