"""A decoding that dies, or runs out of space, leaves nothing that looks complete; the same run again heals it."""

import json
import resource
import signal
import subprocess
import sys

import pytest

from amadeus.errors import HomeError
from components import records
from components.audio_example_gen import describing
from components.split_names import SPLITS
from pipelines.blame import find_reason
from tests.components import sounds

DECODE = """
import json, os, signal, sys
from components.audio_example_gen import ingest, takes
from pipelines.runner import beam_args
import apache_beam as beam
dies, out, *paths = sys.argv[1:]
passages, seen = ingest._passages, []
def dying(*args):
    for passage in passages(*args):
        yield passage
        seen.append(passage)
        if len(seen) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
if dies == "dies":
    ingest._passages = dying
uris = {split: f"{out}/{split}" for split in ("train", "eval")}
for uri in uris.values():
    os.makedirs(uri, exist_ok=True)
try:
    with beam.Pipeline(argv=beam_args([])) as pipeline:
        settings = ingest.Settings(16_000, 0.3, 0.0)
        gathered = takes.gather(paths)
        ingest.run(gathered, uris, f"{out}/takes.json", settings=settings, pipeline=pipeline)
except Exception as error:
    from pipelines.blame import find_reason
    reason = find_reason(error, place=out)
    if reason is None:
        raise
    print(f"{type(reason).__name__}: {reason}")
    sys.exit(2)
"""


def decode(out, paths, *, dies=False, limit_bytes=None):
    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    command = [sys.executable, "-c", DECODE, "dies" if dies else "lives", out, *paths]
    return subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        preexec_fn=limited if limit_bytes else None,
    )


def complete_files(out):
    """Files that look complete, with their bytes; reading each to its end makes sure that they are."""
    found = {}
    for split in SPLITS:
        for path in records.list_files(str(out / split)):
            assert list(records.read_records(path))
            with open(path, "rb") as file:
                found[path.removeprefix(str(out))] = file.read()
    return found


@pytest.fixture
def paths(tmp_path, rng):
    return sounds.write_takes(tmp_path / "takes", rng, n_takes=5, seconds=1.0)


@pytest.mark.cluster
def test_who_is_killed_while_decoding_leaves_whole_files_or_none(tmp_path, paths):
    whole = decode(tmp_path / "whole", paths)
    assert whole.returncode == 0, whole.stderr[-2000:]
    out = tmp_path / "out"
    died = decode(out, paths, dies=True)
    assert died.returncode == -signal.SIGKILL, died.stderr[-2000:]
    left, expected = complete_files(out), complete_files(tmp_path / "whole")
    assert len(left) < len(expected)
    assert left.items() <= expected.items()
    assert not (out / describing.FILE_NAME).exists()  # nothing says that it is complete
    again = decode(out, paths)
    assert again.returncode == 0, again.stderr[-2000:]
    assert complete_files(out) == expected
    assert len(json.loads((out / describing.FILE_NAME).read_text())["takes"]) == 5


@pytest.mark.cluster
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, paths):
    out = tmp_path / "out"
    full = decode(out, paths, limit_bytes=40_000)
    assert full.returncode == 2, full.stderr[-2000:]
    assert full.stdout.startswith("HomeError: ")
    assert "no space left" in full.stdout
    assert [path for path in out.rglob("*") if path.is_file()] == []
    assert decode(out, paths).returncode == 0
    assert len(complete_files(out)) == 5


def test_a_file_too_large_is_a_full_disk():
    reason = find_reason(OSError(27, "File too large"), place="home")
    assert isinstance(reason, HomeError)
