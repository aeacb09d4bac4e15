"""Fetches gRPC for Node by npm, once into a cache folder: a client that shares no line of code with the studio."""

import os
import shutil
import subprocess
from pathlib import Path

PACKAGES = ("@grpc/grpc-js@1.14.7", "@grpc/proto-loader@0.8.1")
REPOSITORY = Path(__file__).parents[3]


def fetch() -> Path:
    """Returns the folder whose `node_modules` has the packages.

    Raises:
      RuntimeError: node or npm is missing, or could not fetch them.
    """
    cache = Path(os.environ.get("AMADEUS_TEST_CACHE", REPOSITORY / ".cache"))
    folder = cache / "-".join(name.rpartition("/")[2] for name in PACKAGES)
    if folder.is_dir():
        return folder
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise RuntimeError(f"node and npm are not installed; they fetch {PACKAGES}")
    scratch = cache / f".node-client.{os.getpid()}"
    scratch.mkdir(parents=True)
    try:
        install = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix"]
        done = subprocess.run(
            [*install, ".", "--ignore-scripts", *PACKAGES],
            cwd=scratch,
            capture_output=True,
            text=True,
            timeout=180,
        )
        if done.returncode:
            raise RuntimeError(f"npm cannot fetch {PACKAGES}: {done.stderr[-200:]}")
        if not folder.is_dir():
            scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder
