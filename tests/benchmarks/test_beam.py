"""What the benchmark of Beam measures on, and how it watches memory."""

import subprocess
import sys
import time

import numpy as np
import soundfile

from benchmarks import beam
from tests.components import sounds


def make(folder, recordings, *, hours):
    words = [str(recordings), "--take-minutes=0.1", "--seed=7"]
    options = beam.build_parser().parse_args(words)
    return beam.make_takes(folder, options, hours=hours)


def test_takes_depend_on_the_seed_and_their_number_alone(tmp_path):
    recordings = tmp_path / "recordings"
    sounds.write_takes(recordings, np.random.default_rng(1), n_takes=2, seconds=10)
    few = make(tmp_path / "few", recordings, hours=2 * 0.1 / 60)
    more = make(tmp_path / "more", recordings, hours=3 * 0.1 / 60)
    assert [len(few), len(more)] == [2, 3]
    heard = [soundfile.read(path) for path in more]
    assert all(rate == 16_000 for _, rate in heard)
    assert all(len(audio) == 6 * 16_000 for audio, _ in heard)
    assert all(0.01 < np.abs(audio).max() <= 1 for audio, _ in heard)
    for one, other in zip(few, more, strict=False):
        assert one.read_bytes() == other.read_bytes()
    assert few[0].read_bytes() != few[1].read_bytes()
    before = few[0].stat().st_mtime_ns
    make(tmp_path / "few", recordings, hours=2 * 0.1 / 60)
    assert few[0].stat().st_mtime_ns == before, "what is there is not made again"


def test_memory_is_that_of_a_process_and_all_it_started():
    hold = "held = b'x' * 60_000_000; input()"
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", start], stdin=subprocess.PIPE
    ) as process:
        watch = beam._Watch(process.pid)
        deadline_s = time.monotonic() + 60
        while watch.peak_mb < 60 and time.monotonic() < deadline_s:
            time.sleep(0.05)
        process.stdin.close()
        process.wait()
        watch.stop()
    assert 60 < watch.peak_mb < 600
    assert watch.n_most == 2
