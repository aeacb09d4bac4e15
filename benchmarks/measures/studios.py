"""A real studio as a process of its own, with voices of random weights."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

START_S = 180.0


class RunningStudio:
    """A studio that listens on loopback.

    Attributes:
      target: `host:port`.
      model_server: `host:port` of its embedded model server.
    """

    def __init__(self, process: subprocess.Popen, ports: dict[str, int], home) -> None:
        self.process, self.home = process, home
        self.target = f"127.0.0.1:{ports['studio']}"
        self.model_server = f"127.0.0.1:{ports['models']}"
        self._metrics = f"http://127.0.0.1:{ports['metrics']}/metrics"

    def memory_bytes(self) -> int:
        """Resident memory of the process."""
        fields = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu_s(self) -> float:
        """Processor time it has taken."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1]
        ticks = fields.split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")

    def counter(self, name: str) -> float:
        """Reads a counter of /metrics."""
        import urllib.request

        with urllib.request.urlopen(self._metrics) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(f"{name} "):
                    return float(line.split()[-1])
        return 0.0


@contextlib.contextmanager
def running(home_path: Path, *options: str) -> Iterator[RunningStudio]:
    """Starts a studio on a home and stops it afterwards.

    Raises:
      RuntimeError: It does not start.
    """
    from amadeus.home import open_home

    ports = {name: _free_port() for name in ("studio", "models", "metrics")}
    command = [
        *(sys.executable, "-m", "amadeus.cli.main", "--home", str(home_path), "studio"),
        *("--port", str(ports["studio"]), "--model-server-rest-port", "off"),
        *("--model-server-port", str(ports["models"])),
        *("--metrics-port", str(ports["metrics"])),
        *options,
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait_until_it_plays(process, ports["studio"])
        yield RunningStudio(process, ports, open_home(str(home_path)))
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()


def add_voice(home_path: Path, deu_name: str, settings: Iterable[str]) -> Path:
    """Gives a deu a voice with random weights, as its next generation; returns its folder."""
    from amadeus.errors import HomeError
    from amadeus.home import open_home
    from amadeus.personality import content, profiles
    from amadeus.v1 import personality_pb2
    from amadeus.voice import export
    from amadeus.voice.model import VoiceModel

    home = open_home(str(home_path))
    with contextlib.suppress(HomeError):
        home.create_deu(deu_name)
    deu = home.deu(deu_name)
    generation = deu.current_generation() + 1
    profile = profiles.complete_learner_profile(
        profiles.parse_learner_settings(tuple(settings))
    )
    profile.seed = profile.seed or generation  # generations differ
    model = VoiceModel(profile)
    personality = personality_pb2.Personality(
        deu=deu_name,
        generation=generation,
        learner_profile=profile,
        player_profile=profiles.complete_player_profile(),
    )
    personality.digest = content.digest(
        model.weights(), profile, personality.player_profile, personality.statistics
    )
    deu.voices_path.mkdir(exist_ok=True)
    path = deu.voices_path / str(generation)
    export.export(model, path.with_name(f".{generation}"), personality)
    return path.with_name(f".{generation}").rename(path)


def add_copy(voice_path: Path) -> Path:
    """Puts the same voice down as the next generation, in one rename; returns its folder."""
    from amadeus.personality import content

    number = max(int(p.name) for p in voice_path.parent.iterdir() if p.name.isdecimal())
    path = voice_path.with_name(str(number + 1))
    scratch = path.with_name(f".{path.name}")
    shutil.copytree(voice_path, scratch)
    personality = content.read_personality(scratch)
    personality.generation = number + 1
    content.write_personality(scratch, personality)
    return scratch.rename(path)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_it_plays(process: subprocess.Popen, port: int) -> None:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s:
            if process.poll() is not None:
                break
            with contextlib.suppress(grpc.RpcError):
                answer = health.Check(health_pb2.HealthCheckRequest(), timeout=2)
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            time.sleep(0.2)
    raise RuntimeError(f"the studio did not start within {START_S:g} s")
