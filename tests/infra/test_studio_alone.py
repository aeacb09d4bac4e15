"""The studio runs with its own dependencies and no others, from a wheel, in an environment made for it: what its image
does, without an image."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
from importlib import metadata
from pathlib import Path

import pytest

from tests import processes
from tests.cli.terminal import wait_for
from tests.export.voices import SMALL, write_voice
from tests.infra.settings import ROOT

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

# None of it may be there, let alone be loaded.
FOREIGN = ("tfx", "apache_beam", "kfp", "pandas", "pytest", "grpc_tools", "librosa")
MAX_SIZE_MB = 3_200  # with TensorFlow's headers, which the image removes
STARTED_S = 300
EXAMPLE = ROOT / "examples" / "play_note.py"


def _run(*words, **options):
    done = subprocess.run(words, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of an environment with studio.lock and a wheel of this checkout."""
    folder = tmp_path_factory.mktemp("studio")
    source = folder / "source"
    source.mkdir()
    # As they are now, and nothing that was generated or built before: .dockerignore leaves out the same.
    for room in ("amadeus", "serving", "proto"):
        shutil.copytree(ROOT / room, source / room, ignore=_generated)
    for name in ("setup.py", "pyproject.toml"):
        shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip"]
    _run(
        *(*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--wheel-dir", str(folder), "."),
        cwd=source,
    )
    _run(sys.executable, "-m", "venv", "--without-pip", str(folder / "venv"))
    found = folder / "venv" / "bin" / "python"
    (wheel,) = folder.glob("*.whl")
    install = [*pip, "--python", str(found), "install", "--quiet", "--no-deps"]
    _run(*install, "--no-compile", "--no-index", str(wheel))
    for line in (ROOT / "requirements" / "studio.lock").read_text().splitlines():
        if "==" in line:
            _bring(*line.split("=="), folder / "venv")
    return found


def _generated(folder, names):
    found = {n for n in names if n == "__pycache__" or n.endswith((".so", ".pyc"))}
    return found | ({"v1"} & set(names) if Path(folder) == ROOT / "amadeus" else set())


def _bring(name, version, environment):
    """Brings a package over from this environment, as pip has put it here; half a gigabyte need not come twice."""
    package = metadata.distribution(name)
    assert package.version == version
    here = Path(sysconfig.get_path("purelib")).resolve()
    target = environment / "lib" / f"python{sysconfig.get_python_version()}"
    for file in package.files:
        source = Path(package.locate_file(file)).resolve()
        if source.is_relative_to(here) and source.suffix != ".pyc":
            place = target / "site-packages" / source.relative_to(here)
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, place)
            except FileExistsError:  # of two packages
                pass
            except OSError:  # on another disk
                shutil.copy2(source, place)


class Studio:
    """A studio of that environment, on ports of its choice."""

    def __init__(self, python, home):
        self.process = processes.start(
            [
                *(python.with_name("amadeus"), "studio", "--port", "0"),
                *("--model-server-port", "off", "--model-server-rest-port", "off"),
                *("--metrics-port", "0", "--practices-here", "0"),
            ],
            env=_environment(python, AMADEUS_HOME=str(home)),
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        self.said.extend(self.process.stdout)

    def __enter__(self):
        wait_for(
            lambda: self.address("stop") or self.process.poll() is not None,
            timeout_s=STARTED_S,
        )
        assert self.process.poll() is None, "".join(self.said)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def address(self, name):
        lines = [line for line in list(self.said) if line.startswith(f"{name} ")]
        return lines and (re.search(r"127\.0\.0\.1:\d+", lines[0]) or lines)


def _environment(python, **more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "AMAD"))}
    return {**kept, "PATH": f"{python.parent}:/usr/bin:/bin", **more}


def test_nothing_foreign_is_there(python):
    probe = (
        "import importlib.util, json; "
        f"print(json.dumps([n for n in {FOREIGN!r} if importlib.util.find_spec(n)]))"
    )
    said = _run(str(python), "-c", probe, env=_environment(python), cwd="/")
    assert json.loads(said) == []


def test_every_module_of_the_studio_can_be_imported(python):
    probe = (
        "import importlib, pkgutil, sys\n"
        "import serving.studio as studio, serving.model_server as server\n"
        "for room in (studio, server):\n"
        "    for found in pkgutil.iter_modules(room.__path__, room.__name__ + '.'):\n"
        "        if not found.name.endswith('__main__'):\n"
        "            importlib.import_module(found.name)\n"
        "print(len(sys.modules))"
    )
    environment = _environment(python, TF_CPP_MIN_LOG_LEVEL="3")
    assert int(_run(str(python), "-c", probe, env=environment, cwd="/")) > 500


def test_it_is_as_small_as_is_said(python):
    root = Path(python).parents[1]
    size_b = sum(p.lstat().st_size for p in root.rglob("*") if not p.is_dir())
    assert size_b / 1e6 < MAX_SIZE_MB


def test_it_opens_plays_tells_its_health_and_stops(python, tmp_path):
    home = tmp_path / "home"
    deu = home / "deus" / "cello"
    deu.mkdir(parents=True)
    created = {"name": "cello", "created_at": "2026-01-01T00:00:00Z"}
    (deu / "deu.json").write_text(json.dumps(created))
    write_voice(deu / "voices" / "1", **SMALL)
    with Studio(python, home) as studio:
        address = studio.address("studio").group()
        metrics = studio.address("metrics").group()
        maps = Path(f"/proc/{studio.process.pid}/maps").read_text()
        assert not re.search(r"site-packages/(tfx|apache_beam|pandas)/", maps)
        port = metrics.rpartition(":")[2]
        told = _environment(python, AMADEUS_STUDIO_METRICS_PORT=port)
        probe = [str(python), "-m", "serving.studio.probe"]
        assert _run(*probe, env=told, cwd="/") == "SERVING\n"
        note = tmp_path / "note.wav"
        _run(str(python), str(EXAMPLE), "cello", str(note), address, env=told)
        assert note.stat().st_size > 48_000
        studio.process.send_signal(signal.SIGTERM)
        assert studio.process.wait(120) == 0
