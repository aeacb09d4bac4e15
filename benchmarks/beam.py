"""Time and memory of AudioExampleGen and DdspTransform over hours of sound, on one and on two worker processes.

    python -m benchmarks beam [RECORDINGS ...] [--hours 1] [--hours 10 ...] [--workers threads 1@1 1 2]
        [--take-minutes 10] [--sample-rate 16000] [--tracker auto] [--takes FOLDER] [--seed 440]

Takes are made once, block by block: stretches of the recordings, faster or slower and louder or softer, between notes
of plain harmonic tones and rests. `--takes` keeps them for the next run; of several `--hours`, fewer are the first of
more. Each row is a run of both components' own executors, through Beam, in a process of its own. Beside the time stands
the highest memory of that process and all workers it started, sampled every second (to count pages takes time that the
workers want): what they take together, with what they share counted once (PSS), and the sum of their resident sets, in
which that counts for each (RSS).
`threads` is what a practice does where nothing is asked for; a number is so many worker processes, which share the
processors out (a worker that is alone works with a thread on each of two), and `1@1` is one worker on a machine of one
core: against that, two workers on two cores are measured.

Ten hours at 16 kHz need 1 GB for the takes and 5 GB for the records of the run, which are removed after it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from amadeus.errors import AmadeusError, ConfigError

EXAMPLES = Path(__file__).parents[1] / "examples" / "cello"
MEMORY_GOAL_MB = 2_000
SPEED_GOAL = 1.6  # of two processes on two cores against one on one
FLAT_GOAL = 1.2  # memory of the longest run against the shortest

_BLOCK_S = 8.0
_SAMPLE_S = 1.0
_PHASES = ("decode", "features")


class Run(NamedTuple):
    """What a run took."""

    hours: float
    workers: str
    decode_s: float
    features_s: float
    peak_mb: float
    peak_rss_mb: float
    n_processes: int

    @property
    def total_s(self) -> float:
        """Time of both components."""
        return self.decode_s + self.features_s


def build_parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks beam")
    parser.add_argument("recordings", nargs="*", help="files, folders or globs")
    parser.add_argument("--hours", type=float, action="append", help="may be repeated")
    parser.add_argument(
        "--workers", nargs="+", default=["threads", "1@1", "1", "2"], metavar="N"
    )
    parser.add_argument("--take-minutes", type=float, default=10.0)
    parser.add_argument("--sample-rate", type=int, default=16_000, help="of the takes")
    parser.add_argument("--takes", type=Path, help="folder that keeps the takes")
    parser.add_argument("--seed", type=int, default=440)
    parser.add_argument("--tracker", default="auto", help="of pitch, as f0_tracker")
    parser.add_argument("--run", nargs=4, help=argparse.SUPPRESS)
    return parser


def main(argv: list[str]) -> int:
    """Runs the benchmark and prints its table."""
    options = build_parser().parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        if options.run:
            _work(*options.run)
        else:
            _measure_all(options)
    except AmadeusError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def _measure_all(options: argparse.Namespace) -> None:
    hours = sorted(options.hours or [1.0])
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.takes or Path(scratch, "takes")
        started_at = time.monotonic()
        takes = make_takes(folder, options, hours=hours[-1])
        print(
            f"{len(takes)} takes of {options.take_minutes:g} minutes, made or found in "
            f"{time.monotonic() - started_at:.0f} s",
            flush=True,
        )
        runs = []
        _print_head()
        for span in hours:
            n_takes = _count_takes(options, span)
            for workers in options.workers:
                runs.append(_measure(takes[:n_takes], span, workers, options.tracker))
                _print_run(runs[-1])
        _print_goals(runs)


def make_takes(folder: Path, options: argparse.Namespace, *, hours: float) -> list:
    """Makes the takes that are missing; each depends on the seed and its number alone."""
    from amadeus.audio import decode
    from amadeus.audio.recordings import find_recordings

    rate = options.sample_rate
    paths = find_recordings(options.recordings or [str(EXAMPLES)])
    sounds = [decode.read(path, sample_rate=rate) for path in paths]
    folder.mkdir(parents=True, exist_ok=True)
    takes = []
    for number in range(_count_takes(options, hours)):
        name = f"take-{options.seed}-{rate}-{options.take_minutes:g}-{number:05d}.flac"
        takes.append(folder / name)
        if not takes[-1].exists():
            _write_take(takes[-1], sounds, options, number)
    return takes


def _count_takes(options: argparse.Namespace, hours: float) -> int:
    return max(2, round(60 * hours / options.take_minutes))


def _write_take(path: Path, sounds: list, options, number: int) -> None:
    import soundfile

    rate = options.sample_rate
    n_left = round(60 * options.take_minutes * rate)
    scratch = path.with_suffix(".part")
    with soundfile.SoundFile(
        scratch, "w", samplerate=rate, channels=1, format="FLAC", subtype="PCM_16"
    ) as file:
        for block in _blocks(
            sounds, np.random.default_rng([options.seed, number]), rate
        ):
            file.write(block[:n_left])
            n_left -= len(block)
            if n_left <= 0:
                break
    scratch.rename(path)


def _blocks(sounds: list, rng: np.random.Generator, rate: int) -> Iterator[np.ndarray]:
    while True:
        sound = sounds[rng.integers(len(sounds))]
        yield _stretch(sound, rng, rate)
        yield _notes(rng, rate)
        yield np.zeros(round(rng.uniform(0.1, 1.0) * rate), np.float32)


def _stretch(sound: np.ndarray, rng: np.random.Generator, rate: int) -> np.ndarray:
    """A stretch of a recording, up to three semitones higher or lower, and softer."""
    speed = 2 ** (rng.uniform(-3, 3) / 12)
    n_samples = min(round(_BLOCK_S * rate), int(len(sound) / speed) - 1)
    start = rng.uniform(0, len(sound) - n_samples * speed)
    positions = start + speed * np.arange(n_samples)
    gain = rng.uniform(0.3, 1.0)
    return (gain * np.interp(positions, np.arange(len(sound)), sound)).astype("f4")


def _notes(rng: np.random.Generator, rate: int) -> np.ndarray:
    """A row of harmonic notes, each with an attack, a decay and some vibrato."""
    return np.concatenate([_note(rng, rate) for _ in range(rng.integers(4, 12))])


def _note(rng: np.random.Generator, rate: int) -> np.ndarray:
    duration_s, midi = rng.uniform(0.2, 1.5), rng.integers(40, 76)
    time_s = np.arange(round(duration_s * rate)) / rate
    cents = 15 * np.sin(2 * np.pi * 5.5 * time_s)
    f0_hz = 440 * 2 ** ((midi - 69) / 12 + cents / 1200)
    phase = 2 * np.pi * np.cumsum(f0_hz) / rate
    n_partials = max(1, min(20, int(0.45 * rate / f0_hz.max())))
    tone = sum(np.sin(k * phase) / k for k in range(1, n_partials + 1))
    envelope = np.minimum(time_s / 0.03, 1) * np.exp(-time_s / duration_s)
    return (rng.uniform(0.05, 0.3) * tone * envelope).astype("f4")


def _measure(takes: list[Path], hours: float, workers: str, tracker: str) -> Run:
    """Runs both components in a process of their own and watches its memory."""
    with tempfile.TemporaryDirectory() as scratch:
        listed, told = Path(scratch, "takes.json"), Path(scratch, "told.json")
        listed.write_text(json.dumps([str(take) for take in takes]))
        command = [sys.executable, "-m", "benchmarks", "beam", "--run"]
        process = subprocess.Popen(
            [*command, str(listed), str(told), workers, tracker],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        watch = _Watch(process.pid)
        _, words = process.communicate()
        watch.stop()
        if process.returncode:
            raise ConfigError(
                f"the run over {hours:g} hours on {workers} failed: {words.strip()[-2000:]}"
            )
        times = json.loads(told.read_text())
    return Run(hours, workers, *(times[phase] for phase in _PHASES), *watch.found)


class _Watch(threading.Thread):
    """Watches the memory of a process and of all that it started."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._over = pid, threading.Event()
        self.peak_mb, self.peak_rss_mb, self.n_most = 0.0, 0.0, 0
        self.start()

    @property
    def found(self) -> tuple[float, float, int]:
        return self.peak_mb, self.peak_rss_mb, self.n_most

    def stop(self) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        import psutil

        while not self._over.wait(_SAMPLE_S):
            try:
                root = psutil.Process(self._pid)
                every = (root, *root.children(recursive=True))
                resident = [process.memory_info().rss for process in every]
                shared = [_proportional(process.pid) for process in every]
            except (psutil.Error, OSError):
                continue  # one has just ended
            self.peak_mb = max(self.peak_mb, sum(shared) / 1e6)
            self.peak_rss_mb = max(self.peak_rss_mb, sum(resident) / 1e6)
            self.n_most = max(self.n_most, len(every))


def _proportional(pid: int) -> int:
    """Reads the memory of a process in bytes, in which what it shares is divided among those who share it."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return 1024 * int(line.split()[1])
    return 0  # it has ended, and nobody has asked how


def _work(listed: str, told: str, workers: str, tracker: str) -> None:
    """Runs the executors of both components, in the process that is measured."""
    from components.audio_example_gen.executor import Executor as Decode
    from components.ddsp_transform.executor import Executor as Transform
    from pipelines.beam_options import beam_args

    n_workers, _, n_cores = workers.partition("@")
    if n_cores:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: _number(n_cores)])
    args = beam_args([] if workers == "threads" else _in_processes(n_workers))
    root = Path(listed).parent
    times, started_at = {}, time.monotonic()
    examples = _decode(Decode, json.loads(Path(listed).read_text()), root, args)
    times["decode"] = time.monotonic() - started_at
    started_at = time.monotonic()
    _transform(Transform, examples, root, args, tracker)
    times["features"] = time.monotonic() - started_at
    Path(told).write_text(json.dumps(times))


def _in_processes(workers: str) -> list[str]:
    return [
        "--direct_running_mode=multi_processing",
        f"--direct_num_workers={_number(workers)}",
    ]


def _number(word: str) -> int:
    if not word.isdecimal() or not int(word):
        raise ConfigError(
            f"--workers {word} cannot be: say threads, a number of processes, or PROCESSES@CORES."
        )
    return int(word)


def _decode(kind: type, paths: list[str], root: Path, args: list[str]):
    from tfx.types import standard_artifacts

    from amadeus.v1 import practice_pb2, profiles_pb2

    examples = _artifact(standard_artifacts.Examples, root / "decoded")
    _executor(kind, args).Do(
        {},
        {"examples": [examples]},
        {
            "recordings": practice_pb2.Recordings(uri=paths),
            "learner_profile": profiles_pb2.LearnerProfile(),
        },
    )
    return examples


def _transform(kind: type, examples, root: Path, args: list[str], tracker: str) -> None:
    from tfx.types import standard_artifacts

    from amadeus.personality import profiles
    from components import artifacts

    made = _artifact(standard_artifacts.Examples, root / "features")
    statistics = _artifact(artifacts.Statistics, root / "statistics")
    _executor(kind, args).Do(
        {"examples": [examples]},
        {"transformed_examples": [made], "statistics": [statistics]},
        {"learner_profile": profiles.parse_learner_settings([f"f0_tracker={tracker}"])},
    )


def _artifact(kind: type, path: Path):
    artifact = kind()
    path.mkdir()
    artifact.uri = str(path)
    return artifact


def _executor(kind: type, args: list[str]):
    return kind(kind.Context(beam_pipeline_args=args))


def _print_head() -> None:
    print(
        f"\n{'hours':>6}{'workers':>9}{'decode, s':>11}{'features, s':>13}{'both, s':>9}"
        f"{'x real time':>13}{'PSS, MB':>9}{'RSS, MB':>9}{'processes':>11}"
    )


def _print_run(run: Run) -> None:
    speed = 3600 * run.hours / run.total_s
    print(
        f"{run.hours:6.2f}{run.workers:>9}{run.decode_s:11.1f}{run.features_s:13.1f}{run.total_s:9.1f}"
        f"{speed:13.0f}{run.peak_mb:9.0f}{run.peak_rss_mb:9.0f}{run.n_processes:11d}",
        flush=True,
    )


def _print_goals(runs: list[Run]) -> None:
    print()
    for workers in dict.fromkeys(run.workers for run in runs):
        own = [run for run in runs if run.workers == workers]
        growth = own[-1].peak_mb / own[0].peak_mb
        if own[1:]:
            print(
                f"memory of {own[-1].hours:g} h against {own[0].hours:g} h on {workers}: {growth:.2f} times (at most "
                f"{FLAT_GOAL:g})"
            )
    for hours in dict.fromkeys(run.hours for run in runs):
        times = {run.workers: run.total_s for run in runs if run.hours == hours}
        if {"1@1", "2"} <= set(times):
            print(
                f"{hours:g} h, two workers on two cores against one on one: {times['1@1'] / times['2']:.2f} times as "
                f"fast (at least {SPEED_GOAL:g})"
            )
        if {"1", "2"} <= set(times):
            print(
                f"{hours:g} h, two workers on two cores against one on two: {times['1'] / times['2']:.2f} times as fast"
            )
    most_mb = max(run.peak_mb for run in runs)
    print(f"most memory of all runs: {most_mb:.0f} MB (at most {MEMORY_GOAL_MB})")
    load = os.getloadavg()[0]
    print(f"on {os.cpu_count()} cores, load of the machine now {load:.1f}")
