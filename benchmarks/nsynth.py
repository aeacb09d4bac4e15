"""Sorting NSynth by instrument family: how fast with one process and with two, and against a way through JSON.

    python -m benchmarks nsynth [--records 2000] [--peer-records 40] [--keep FOLDER]

The records are made up (seeded), in the schema and the size of the GANSynth subset with pitch and loudness that
TensorFlow Datasets writes: 64,000 samples and four curves of 1,000, 272 kB each, in files of 250 notes. Before every
run the system forgets what it holds of them, so that they come from the disk; what is written is flushed to it. Each
run is a process of its own, as the command is, with all of its starting.

The peer is what people do who know tf.train.Example only: parse a record, make JSON of it, read that again, and write
the record into the file of its family. A public account of sorting the subset in this manner tells of 10 hours. Beside
it the same without JSON.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from amadeus.datasets import example, nsynth, tfrecord
from benchmarks.measures.timing import describe_machine

SUBSET = nsynth.GANSYNTH_NOTES
TARGET_S = 600.0
NOTES_A_FILE = 250
N_SAMPLES, N_FRAMES = 64_000, 1_000
_POLL_S = 0.02
_VELOCITIES = (25, 50, 75, 100, 127)
_PITCHES = (24, 84)  # of the subset


def make_records(n_records: int, *, seed: int = 440) -> Iterator[bytes]:
    """Makes records of the GANSynth subset with pitch and loudness, as TensorFlow Datasets writes them."""
    rng = np.random.default_rng(seed)
    for number in range(n_records):
        family = int(rng.integers(len(nsynth.FAMILIES)))
        pitch = int(rng.integers(*_PITCHES, endpoint=True))
        velocity = int(rng.choice(_VELOCITIES))
        instrument = f"{nsynth.FAMILIES[family]}_acoustic_{number % 1000:03d}"
        name = nsynth.name_note(nsynth.Note(instrument, pitch, velocity))
        curve = rng.random(N_FRAMES, np.float32)
        audio = rng.random(N_SAMPLES, np.float32) - np.float32(0.5)
        yield example.encode(
            {
                "audio": audio,
                "f0/confidence": curve,
                "f0/hz": 440 * curve,
                "f0/midi": 69 * curve,
                "id": name.encode(),
                "instrument/family": family,
                "instrument/label": number % 1006,
                "instrument/source": 0,
                "loudness/db": -80 * curve,
                "pitch": pitch,
                **{f"qualities/{quality}": 0 for quality in nsynth.QUALITIES},
                "velocity": velocity,
            }
        )


def write_files(folder: Path, n_records: int) -> list[Path]:
    """Writes records in files of `NOTES_A_FILE`."""
    n_files = -(-n_records // NOTES_A_FILE)
    paths = [
        folder / f"nsynth-train.tfrecord-{n:05d}-of-{n_files:05d}"
        for n in range(n_files)
    ]
    records = make_records(n_records)
    for path in paths:
        with path.open("wb") as file:
            for _, record in zip(range(NOTES_A_FILE), records, strict=False):
                file.write(tfrecord.frame(record))
    return paths


def sort(folder: Path, target: Path, n_processes: int) -> float:
    """Sorts a folder with the command, and returns the peak of resident memory of all its processes, in MB."""
    mode = "in_memory" if n_processes == 1 else "multi_processing"
    command = [
        *(sys.executable, "-m", "amadeus.cli.main", "dataset", "nsynth", str(folder)),
        *("--sort", str(target), "--shard-mb", "64", "--json"),
        f"--beam-arg=--direct_running_mode={mode}",
        f"--beam-arg=--direct_num_workers={n_processes}",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        peak = _Peak(process.pid)
        if process.wait():
            raise SystemExit(f"sorting ended with status {process.returncode}")
    return peak.mb


def forget(paths: Sequence[Path]) -> None:
    """Has the system drop what it holds of files, once they are on the disk."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def run_peer(paths: Sequence[Path], target: Path, n_records: int) -> dict[str, float]:
    """Sorts some records as the peer does, through JSON and without it; returns seconds of processors a record."""
    import tensorflow as tf
    from google.protobuf import json_format

    records = tf.data.TFRecordDataset([str(path) for path in paths]).take(n_records)
    took_s = {}
    for way in ("through JSON", "parsed and written again"):
        start_s = time.process_time()
        writers: dict[int, tf.io.TFRecordWriter] = {}
        for record in records:
            message = tf.train.Example.FromString(record.numpy())
            if way == "through JSON":
                text = json.dumps(json.loads(json_format.MessageToJson(message)))
                message = json_format.Parse(text, tf.train.Example())
            (family,) = message.features.feature["instrument/family"].int64_list.value
            if family not in writers:
                path = target / f"{way[:3]}-{nsynth.FAMILIES[family]}.tfrecord"
                writers[family] = tf.io.TFRecordWriter(str(path))
            writers[family].write(message.SerializeToString())
        for writer in writers.values():
            writer.close()
        took_s[way] = (time.process_time() - start_s) / n_records
    return took_s


class Cost(NamedTuple):
    """What a run took: time on the clock, time of all processors, and memory of all processes at its peak."""

    wall_s: float
    cpu_s: float
    peak_mb: float


class _Peak:
    """Watches the resident memory of a process and those it starts."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak_kb = 0
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    @property
    def mb(self) -> float:
        self._thread.join()
        return self._peak_kb / 1e3

    def _watch(self) -> None:
        while Path(f"/proc/{self._pid}").exists():
            total = sum(map(_resident_kb, _family(self._pid)))
            if not total:
                return
            self._peak_kb = max(self._peak_kb, total)
            time.sleep(_POLL_S)


def _family(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        try:
            words = Path(f"/proc/{one}/task/{one}/children").read_text().split()
        except OSError:
            continue
        found += map(int, words)
    return found


def _resident_kb(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * resource.getpagesize() // 1000


def main(argv: list[str]) -> int:
    """Makes records, sorts them, and has the peer sort some."""
    parser = argparse.ArgumentParser("benchmarks nsynth", description=__doc__)
    parser.add_argument("--records", type=int, default=2_000)
    parser.add_argument("--peer-records", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--keep", type=Path, help="where to write; default: a folder that is removed"
    )
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(dir=options.keep) as scratch:
        _measure(Path(scratch), options)
    return 0


def _measure(scratch: Path, options: argparse.Namespace) -> None:
    folder, few = scratch / "records", scratch / "few"
    folder.mkdir()
    few.mkdir()
    paths = write_files(folder, options.records)
    write_files(few, 2)
    n_bytes = sum(path.stat().st_size for path in paths)
    print(
        f"{describe_machine()}\n{options.records} records, {n_bytes / 1e6:.0f} MB, "
        f"{n_bytes / options.records / 1e3:.0f} kB each; the subset has {SUBSET:,}"
    )
    best: dict[int, float] = {}
    for n_processes in (1, 2):
        starting = _time(few, [], scratch / f"few-{n_processes}", n_processes)
        print(
            f"2 records, {n_processes} at work: {starting.wall_s:.2f} s ({starting.cpu_s:.2f} s of processors), "
            f"peak {starting.peak_mb:.0f} MB"
        )
        for turn in range(options.rounds):
            target = scratch / f"{n_processes}-{turn}"
            took = _time(folder, paths, target, n_processes)
            shutil.rmtree(target)
            _tell(n_processes, took, starting, n_bytes, options.records)
            best[n_processes] = min(took.cpu_s, best.get(n_processes, took.cpu_s))
    peer = run_peer(paths, scratch, options.peer_records)
    ours_s = min(best.values()) / options.records
    for way, took_s in peer.items():
        print(
            f"peer, {way}: {1e3 * took_s:.1f} ms of processors a record, of {options.peer_records}; the subset in "
            f"{took_s * SUBSET / 3600:.2f} h; ours, with all of its starting for {options.records}, takes "
            f"{1e3 * ours_s:.2f} ms: {took_s / ours_s:.1f} times as fast"
        )


def _time(folder: Path, paths: Sequence[Path], target: Path, n_processes: int) -> Cost:
    forget(paths)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start_s = time.perf_counter()
    peak_mb = sort(folder, target, n_processes)
    wall_s = time.perf_counter() - start_s
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall_s, cpu_s, peak_mb)


def _tell(
    n_processes: int, took: Cost, starting: Cost, n_bytes: int, n_records: int
) -> None:
    scale = SUBSET / n_records
    once_s = (took.wall_s - starting.wall_s) * scale + starting.wall_s
    cpu_s = (took.cpu_s - starting.cpu_s) * scale + starting.cpu_s
    print(
        f"{n_processes} process{'es' if n_processes > 1 else ''}: {took.wall_s:.2f} s ({took.cpu_s:.2f} s of "
        f"processors), {n_records / took.wall_s:.0f} records/s, {n_bytes / took.wall_s / 1e6:.0f} MB/s, peak "
        f"{took.peak_mb:.0f} MB; the subset in {took.wall_s * scale / 60:.1f} minutes, {once_s / 60:.1f} as it starts "
        f"once, {cpu_s / 60:.1f} of processors (at most {TARGET_S / 60:.0f})",
        flush=True,
    )
