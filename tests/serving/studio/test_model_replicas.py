"""Two model servers that serve the same home, and a studio that plays with both."""

import contextlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import numpy as np
import pytest

from amadeus.home import Home
from amadeus.personality.content import read_personality, write_personality
from serving.model_server.listing import main as list_home
from serving.model_server.wishes import Wishes
from serving.studio.remote import RemoteCaller
from serving.studio.voices import EmbeddedCaller, HomeVoices
from tests import processes
from tests.cli.terminal import environment, wait_for
from tests.export.voices import SMALL, write_voice
from tests.serving.studio.guard import guarded
from tests.serving.studio.names import name_server
from tests.serving.studio.stage import Heard, RunningStage, advance, configure, midi

HOSTS = ("127.0.0.1", "127.0.0.2")
N_BLOCKS, BLOCK = 300, 480
PATIENCE_S = 120

pytestmark = pytest.mark.cluster


class Server:
    """A model server on an address of its own."""

    def __init__(self, host, port, config, home, watch):
        self.host, self.port = host, port
        self._start = lambda: subprocess.Popen(
            [
                *(sys.executable, "-m", "serving.model_server"),
                *("--bind_address", host, "--port", str(port), "--rest_api_port", "0"),
                *("--model_config_file", str(config)),
                *("--model_config_file_poll_wait_seconds", "0.2"),
                *("--file_system_poll_wait_seconds", "0.2"),
            ],
            env=environment(home), stdout=subprocess.PIPE, text=True, process_group=0,
        )  # fmt: skip
        self._watch = watch
        self.process = None

    def start(self):
        if self.process is None or self.process.poll() is not None:
            self.process = self._start()
            self._watch(self.process.pid)

    def wait_ready(self):
        if not hasattr(self.process, "rest"):
            line = self.process.stdout.readline()
            self.process.rest = int(re.search(r"RestServer (\d+)", line).group(1))

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def n_predicts(self):
        """Counts what it was asked to sing since it started."""
        url = f"http://{self.host}:{self.process.rest}/monitoring/prometheus/metrics"
        text = urllib.request.urlopen(url).read().decode()
        counts = re.findall(
            r"request_latency_count\{[^}]*[pP]redict[^}]*\} (\S+)", text
        )
        return sum(map(float, counts))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("replicas") / "home")
    deu = home.create_deu("cello")
    write_voice(deu.voices_path / "1", **SMALL)
    for generation in range(2, 5):
        path = deu.voices_path / str(generation)
        shutil.copytree(deu.voices_path / "1", path)
        who = read_personality(path)
        who.generation = generation
        write_personality(path, who)
    return home


@pytest.fixture(scope="module")
def started(home, tmp_path_factory):
    config = tmp_path_factory.mktemp("config") / "models.config"
    with pytest.MonkeyPatch.context() as changed, guarded() as watch:
        changed.setenv("AMADEUS_HOME", str(home.path))
        assert list_home(["--output", str(config)]) == 0
        port = _free_port()
        yield [Server(host, port, config, home, watch) for host in HOSTS], config


@pytest.fixture
def servers(started):
    """Both of them, and alive."""
    for server in started[0]:
        server.start()
    for server in started[0]:
        server.wait_ready()
    return started[0]


def _free_port():
    while True:
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            first, second = (held.enter_context(socket.socket()) for _ in HOSTS)
            first.bind((HOSTS[0], 0))
            port = first.getsockname()[1]
            second.bind((HOSTS[1], port))
            return port


@pytest.fixture(params=["list", "name"])
def address(request, servers):
    port = servers[0].port
    if request.param == "list":
        yield ",".join(f"{host}:{port}" for host in HOSTS)
        return
    with name_server(HOSTS) as place:
        yield f"dns://{place}/tf-serving.test:{port}"


def _play(stub, generation=4, during=lambda _n: None):
    """Holds a note over many blocks, and hears all of it; `during` is told the number of each block."""
    asked = threading.Semaphore(1)

    def requests():
        yield configure("cello", generation, block_size=BLOCK)
        yield midi(0x90, 60, 100)
        for n in range(N_BLOCKS):
            asked.acquire(timeout=PATIENCE_S)
            during(n)
            yield advance((n + 1) * BLOCK)

    def answers():
        for response in stub.Perform(requests(), timeout=PATIENCE_S):
            if response.WhichOneof("message") == "audio":
                asked.release()
            yield response

    return Heard(answers())


def _stage(home, address, wishes=None):
    return RunningStage(HomeVoices(home, RemoteCaller(address, wishes)))


def _is_whole(heard):
    offsets = [block.sample_offset for block in heard.blocks[:N_BLOCKS]]
    assert offsets == list(range(0, N_BLOCKS * BLOCK, BLOCK)), "no block is lost"
    assert np.abs(heard.sound[BLOCK:]).max() > 0


def test_both_get_load_and_sing_the_same_note_in_turns(home, servers, address):
    from serving.model_server.config import home_models
    from serving.model_server.core import ModelServer

    before = [server.n_predicts() for server in servers]
    with _stage(home, address) as stage:
        heard = _play(stage.stub)
    _is_whole(heard)
    shares = [
        server.n_predicts() - n for server, n in zip(servers, before, strict=True)
    ]
    assert min(shares) > 0.1 * sum(shares)  # one may be connected to sooner
    embedded = ModelServer(discover=lambda: home_models(home))
    embedded.start()
    try:
        with RunningStage(HomeVoices(home, EmbeddedCaller(embedded))) as stage:
            alone = _play(stage.stub)
    finally:
        embedded.close()
    np.testing.assert_allclose(heard.sound, alone.sound, atol=1e-4)


def test_one_that_dies_in_the_middle_of_a_note_costs_no_block(home, servers, address):
    def during(n):
        if n == N_BLOCKS // 3:
            servers[0].kill()

    with _stage(home, address) as stage:
        heard = _play(stage.stub, during=during)
        _is_whole(heard)
        servers[0].start()
        servers[0].wait_ready()

        def is_back():
            before = servers[0].n_predicts()
            _is_whole(_play(stage.stub))
            return servers[0].n_predicts() > before

        wait_for(is_back, timeout_s=PATIENCE_S)


def test_one_that_stands_still_holds_a_note_up_and_does_not_end_it(
    home, servers, address
):
    def during(n):
        if n == N_BLOCKS // 3:
            servers[1].process.send_signal(signal.SIGSTOP)
        if n == N_BLOCKS // 3 + 3:
            servers[1].process.send_signal(signal.SIGCONT)

    with _stage(home, address) as stage:
        _is_whole(_play(stage.stub, during=during))


def test_an_old_generation_is_served_once_it_is_asked_for(home, servers, started):
    """The list has what plays and the two newest; a studio's wish adds to it."""
    config = started[1]
    assert re.findall(r"versions: (\d+)", config.read_text()) == ["3", "4"]
    listing = processes.start(
        [
            *(sys.executable, "-m", "serving.model_server.listing"),
            *("--output", str(config), "--every-s", "0.2"),
        ],
        env=environment(home), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = ",".join(f"{server.host}:{server.port}" for server in servers)
    try:
        with _stage(home, address, Wishes(home)) as stage:
            began_s = time.monotonic()
            heard = _play(stage.stub, generation=1)
        assert heard.started.personality.generation == 1
        assert time.monotonic() - began_s < PATIENCE_S
        _is_whole(heard)
        assert "versions: 1" in config.read_text()
    finally:
        listing.kill()
        listing.wait()
