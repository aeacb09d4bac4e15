"""What is large goes through little memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_MEASURED = """
import resource, sys
from pathlib import Path
from amadeus.stores import open_store
from amadeus.stores.folders import digest_file
store, take = open_store(sys.argv[1]), Path(sys.argv[2])
store.write("warm", b"up")
store.read("warm", max_bytes=10)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
store.upload(take, "large", sha256=digest_file(take))
store.download("large", Path(sys.argv[3]), max_bytes=1 << 30)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.cluster
def test_a_large_file_needs_little_memory(reach, url, tmp_path):
    scheme = url.partition(":")[0] if "://" in url else "file"
    take, back = tmp_path / "take.wav", tmp_path / "back.wav"
    block = os.urandom(1 << 20)
    with take.open("wb") as file:
        for _ in range(64):
            file.write(block)
    ran = subprocess.run(
        [sys.executable, "-c", _MEASURED, url, str(take), str(back)],
        env=reach(scheme), cwd=ROOT, capture_output=True, text=True, check=True, timeout=240,
    )  # fmt: skip
    assert int(ran.stdout) < 32 * 1024  # KiB
    assert back.stat().st_size == 64 << 20
