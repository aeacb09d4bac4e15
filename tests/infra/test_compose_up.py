"""`compose up` without an engine: services as processes, with the file's environments, arguments, secrets and health
checks, and what is of this machine (ports, names, paths) in the place of what is of the containers. MariaDB is MariaDB;
our model server takes TF Serving's place. One practice is submitted, and one tune played."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests import processes
from tests.cli.terminal import wait_for
from tests.e2e.sounds import write_takes
from tests.infra import containerfiles
from tests.infra.manifests import INFRA
from tests.infra.settings import ROOT
from tests.lineage import mariadb

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

SERVICES = yaml.safe_load((INFRA / "compose.yaml").read_text())["services"]
TOKEN = "0123456789abcdef" * 4
PASSWORD = "fedcba9876543210" * 4
PATIENCE_S = 300
BIN = Path(sys.executable).parent
AMADEUS = BIN / "amadeus"


class Host:
    """The host that the file is brought up on."""

    def __init__(self, folder, mysql_port):
        self.home, self.log = folder / "home", folder / "log"
        for name in ("home", "config", "secrets", "log"):
            (folder / name).mkdir()
        (folder / "secrets" / "token").write_text(f"{TOKEN}\n")
        (folder / "secrets" / "metadata-password").write_text(f"{PASSWORD}\n")
        serving_port = _free_port()
        self._here = {
            "mysql:3306": f"127.0.0.1:{mysql_port}",
            "tf-serving:8500": f"127.0.0.1:{serving_port}",
            "127.0.0.1/8500": f"127.0.0.1/{serving_port}",
            "--port=8500": f"--port={serving_port}",
            "--rest_api_port=8501": "--rest_api_port=0",
            "/var/lib/amadeus": str(self.home),
            "/run/secrets/": f"{folder}/secrets/",
            "/config/": f"{folder}/config/",
        }
        self._processes = {}
        self.addresses = {}

    def here(self, text):
        """What a text of the file means on this machine."""
        for there, here in self._here.items():
            text = text.replace(there, here)
        return text

    def start(self, name, words):
        """Starts a service with the environment of its image and of the file."""
        with (self.log / name).open("wb") as log:
            self._processes[name] = processes.start(
                [self.here(word) for word in words],
                env=self._environment(name), cwd=self.home, process_group=0,
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def environment(self, name):
        service = SERVICES[name]
        image = service["image"].partition(":")[0].rpartition("/")[2]
        brought = {}
        if image in containerfiles.NAMES:
            brought = containerfiles.variables(image)
        return brought | service.get("environment", {})

    def _environment(self, name):
        told = {k: self.here(v) for k, v in self.environment(name).items()}
        for port in ("AMADEUS_STUDIO_PORT", "AMADEUS_STUDIO_METRICS_PORT"):
            if port in told:  # whichever is free
                told[port] = "0"
        kept = {k: v for k, v in os.environ.items() if not k.startswith("AMADEUS_")}
        path = f"{BIN}:{os.environ['PATH']}"
        return kept | told | {"PATH": path, "PYTHONPATH": str(ROOT)}

    def said(self, name):
        return (self.log / name).read_text()

    def is_healthy(self, name):
        """Asks the file's own health check."""
        words = SERVICES[name]["healthcheck"]["test"]
        assert words[0] == "CMD"
        asked = subprocess.run(
            [self.here(word) for word in words[1:]], capture_output=True, timeout=60
        )
        return asked.returncode == 0

    def wait(self, name, what):
        def is_so():
            assert self._processes[name].poll() is None, self.said(name)
            return what()

        return wait_for(is_so, timeout_s=PATIENCE_S)

    def address(self, name, kind):
        """Where a studio says it listens."""
        return self.wait(
            name, lambda: re.search(rf"^{kind} .*?:(\d+)", self.said(name), re.M)
        ).group(1)

    def run(self, name, *words, **more):
        """Runs a command as in a container of a service."""
        done = subprocess.run(
            words, env=self._environment(name) | more,
            capture_output=True, text=True, timeout=PATIENCE_S,
        )  # fmt: skip
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def stop(self, name):
        """Stops a service as Compose does; says how it ended."""
        self._processes[name].send_signal(signal.SIGTERM)
        grace_s = int(SERVICES[name].get("stop_grace_period", "10s").rstrip("s"))
        return self._processes[name].wait(4 * grace_s)  # this machine is busy

    def clear(self):
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """MariaDB with what its image makes of the file's environment."""
    told = SERVICES["mysql"]["environment"]
    user = f"'{told['MARIADB_USER']}'@'%'"
    with mariadb.serving(tmp_path_factory.mktemp("mysql")) as server:
        said = server.say(
            f"create database {told['MARIADB_DATABASE']};"
            f"create user {user} identified by '{PASSWORD}';"
            f"grant all on {told['MARIADB_DATABASE']}.* to {user};"
        )
        assert not said.returncode, said.stderr
        yield server


@pytest.fixture(scope="module")
def host(database, tmp_path_factory):
    host = Host(tmp_path_factory.mktemp("host"), database.port)
    try:
        _up(host)
        yield host
    finally:
        host.clear()


def _up(host):
    """In the order that `depends_on` asks for."""
    listing, serving = SERVICES["listing"], SERVICES["tf-serving"]
    host.start("listing", [*listing["entrypoint"], *listing["command"]])
    assert serving["depends_on"] == {"listing": {"condition": "service_healthy"}}
    host.wait("listing", lambda: host.is_healthy("listing"))
    host.start(
        "tf-serving", ["python", "-m", "serving.model_server", *serving["command"]]
    )
    for name in ("studio", "practice"):
        assert SERVICES[name]["depends_on"]["tf-serving"]["condition"] == (
            "service_started"
        )
        host.start(name, containerfiles.command(name))
    host.wait("tf-serving", lambda: host.is_healthy("tf-serving"))


def test_one_practises_and_another_plays(host, tmp_path, rng):
    takes = write_takes(tmp_path / "takes", rng)
    studio = f"127.0.0.1:{host.address('studio', 'studio')}"
    client = {"AMADEUS_STUDIO_TOKEN": TOKEN, "AMADEUS_HOME": str(tmp_path / "ama")}
    for name in ("studio", "practice"):
        metrics = host.address(name, "metrics")
        probe = ("python", "-m", "serving.studio.probe")
        said = host.run(name, *probe, AMADEUS_STUDIO_METRICS_PORT=metrics)
        assert said == "SERVING\n"
    tiny = ("--steps", "5", "--seed", "1", "--learner", "preset=tiny")
    ama = subprocess.run(
        [AMADEUS, "practice", "imitate", "cello", takes, *tiny, "--studio", studio],
        env={**os.environ, **client}, capture_output=True, text=True,
        timeout=PATIENCE_S,
    )  # fmt: skip
    assert ama.returncode == 0, f"{ama.stderr}\n{host.said('practice')}"
    voices = host.home / "deus" / "cello" / "voices"
    assert [path.name for path in voices.iterdir()] == ["1"]
    tune = tmp_path / "ode.wav"
    played = subprocess.run(
        [
            *(AMADEUS, "perform", "cello", ROOT / "examples" / "ode.mid"),
            *("-o", tune, "--studio", studio),
        ],
        env={**os.environ, **client}, capture_output=True, text=True,
        timeout=PATIENCE_S,
    )  # fmt: skip
    assert played.returncode == 0, f"{played.stderr}\n{host.said('studio')}"
    assert tune.stat().st_size > 100_000
    assert "generation 1" in host.run("practice", "amadeus", "lineage", "cello")


def test_a_stranger_is_turned_away(host, tmp_path):
    studio = f"127.0.0.1:{host.address('studio', 'studio')}"
    said = subprocess.run(
        [AMADEUS, "practice", "sessions", "--studio", studio],
        env={**os.environ, "AMADEUS_STUDIO_TOKEN": "wrong" * 8}, capture_output=True,
        text=True, timeout=PATIENCE_S,
    )  # fmt: skip
    assert said.returncode == 2
    assert "token" in said.stderr


def test_all_stop_within_the_time_they_are_given(host):
    for name in ("studio", "practice", "tf-serving", "listing"):
        assert host.stop(name) == 0, host.said(name)
