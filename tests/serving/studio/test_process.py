"""The studio as it is really run: a process with all its rooms, its port, its signals and its log."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import wave
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from amadeus.home import Home
from amadeus.v1 import (
    lineage_pb2,
    lineage_pb2_grpc,
    perform_pb2,
    personality_pb2,
    studio_pb2,
    studio_pb2_grpc,
)
from tests import processes
from tests.cli.terminal import COMMAND, amadeus, environment, wait_for
from tests.export.voices import SMALL, write_voice
from tests.protos.elements import PROTO_ROOT
from tests.serving.studio import node_client

TOKEN = "a-token-of-a-process-0123456789abcdef"
ANY_PORTS = [
    *("--port", "0", "--model-server-port", "0"),
    *("--model-server-rest-port", "0", "--metrics-port", "0"),
]
STARTED_S = 120
EXAMPLE = Path(__file__).parents[3] / "examples" / "play_note.py"

pytestmark = pytest.mark.slow


class Process:
    """`amadeus studio`, with what it says while it runs."""

    def __init__(self, home, *arguments, **variables):
        self.process = processes.start(
            [*COMMAND, "studio", *ANY_PORTS, *arguments],
            env={**environment(home), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said, self.log = [], []
        self._ready = threading.Event()
        self._readers = [
            threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            for stream, lines in (
                (self.process.stdout, self.said),
                (self.process.stderr, self.log),
            )
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream, lines):
        for line in stream:
            lines.append(line)
            if line.startswith("stop "):
                self._ready.set()

    def wait_ready(self):
        assert self._ready.wait(STARTED_S), "".join(self.log)
        return self

    def address(self, name):
        """Where something listens, as the page says."""
        (line,) = [line for line in self.said if line.startswith(f"{name} ")]
        return re.search(r"127\.0\.0\.1:\d+", line).group()

    def channel(self):
        return grpc.insecure_channel(self.address("studio"))

    def wait(self, timeout_s=120):
        status = self.process.wait(timeout_s)
        for reader in self._readers:
            reader.join(10)
        return status

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def cello_home(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("home"))
    write_voice(home.create_deu("cello").voices_path / "1", **SMALL)
    return home


@pytest.fixture(scope="module")
def guarded(cello_home):
    """A studio with a token that tells all it can."""
    process = Process(
        cello_home,
        *("--log-level", "debug", "--log-format", "json"),
        AMADEUS_STUDIO_TOKEN=TOKEN,
    )
    yield process.wait_ready()
    process.kill()


def _bearer(token=TOKEN):
    return [("authorization", f"Bearer {token}")]


def _configuration(deu="cello"):
    return perform_pb2.PerformRequest(
        configuration=perform_pb2.PerformConfiguration(
            personality=personality_pb2.PersonalityReference(
                generation=personality_pb2.GenerationReference(deu=deu)
            ),
            sample_rate=48_000,
        )
    )


def _note(channel, metadata=None, deu="cello"):
    requests = [
        _configuration(deu),
        perform_pb2.PerformRequest(
            midi=perform_pb2.MidiEvent(sample_offset=0, data=b"\x90\x45\x64")
        ),
        perform_pb2.PerformRequest(
            midi=perform_pb2.MidiEvent(sample_offset=24_000, data=b"\x80\x45\x40")
        ),
        perform_pb2.PerformRequest(advance=perform_pb2.Advance(sample_offset=24_000)),
    ]
    return list(
        studio_pb2_grpc.StudioStub(channel).Perform(
            iter(requests), metadata=metadata, timeout=60
        )
    )


def _sound(answers):
    blocks = [answer.audio.samples for answer in answers if answer.HasField("audio")]
    return np.frombuffer(b"".join(blocks), "<f4")


def test_all_services_are_there_and_a_note_is_played(guarded):
    with guarded.channel() as channel:
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
        (listed,) = reflection.ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")]),
            metadata=_bearer(),
        )
        names = {service.name for service in listed.list_services_response.service}
        assert names >= {
            "amadeus.v1.Studio",
            "amadeus.v1.PracticeSessions",
            "amadeus.v1.Personalities",
            "amadeus.v1.Lineages",
            "grpc.health.v1.Health",
        }
        for name in ("", "amadeus.v1.Studio"):
            health = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=name)
            )
            assert health.status == health_pb2.HealthCheckResponse.SERVING
        sessions = studio_pb2_grpc.PracticeSessionsStub(channel).ListPracticeSessions(
            studio_pb2.ListPracticeSessionsRequest(), metadata=_bearer()
        )
        assert not sessions.sessions
        (held,) = (
            studio_pb2_grpc.PersonalitiesStub(channel)
            .ListPersonalities(
                studio_pb2.ListPersonalitiesRequest(), metadata=_bearer()
            )
            .personalities
        )
        assert (held.deu, held.generation) == ("cello", 1)
        lineage = lineage_pb2_grpc.LineagesStub(channel).ListGenerations(
            lineage_pb2.ListGenerationsRequest(deu="cello"), metadata=_bearer()
        )
        assert lineage.current_generation == 1
        answers = _note(channel, _bearer())
    kinds = [answer.WhichOneof("message") for answer in answers]
    assert (kinds[0], kinds[-1]) == ("started", "ended")
    sound = _sound(answers)
    assert np.all(np.isfinite(sound))
    assert np.max(np.abs(sound)) > 0
    assert len(sound) == answers[-1].ended.sample_count


def test_the_model_server_and_the_metrics_answer_beside_it(guarded):
    url = f"http://{guarded.address('REST')}/v1/models/cello"
    status = json.load(urllib.request.urlopen(url, timeout=20))
    (version,) = status["model_version_status"]
    assert (version["version"], version["state"]) == ("1", "AVAILABLE")
    with grpc.insecure_channel(guarded.address("model server")) as channel:
        grpc.channel_ready_future(channel).result(20)
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(f"{url}:predict", data=b"no JSON", timeout=20)
    text = urllib.request.urlopen(
        f"http://{guarded.address('metrics')}/metrics", timeout=20
    ).read()
    names = {family.name for family in text_string_to_metric_families(text.decode())}
    assert names >= {
        "amadeus_performances_open",
        "amadeus_blocks",
        "amadeus_late_blocks",
        "amadeus_practice_sessions",
        "amadeus_calls",
        "amadeus_call_seconds",
        ":tensorflow:serving:request_count",
    }


@pytest.fixture(scope="session")
def node_modules():
    try:
        return node_client.fetch()
    except RuntimeError as error:
        pytest.skip(str(error))


def _play_in_node(node_modules, address, **variables):
    script = Path(__file__).parent / "play_note.mjs"
    done = subprocess.run(
        ["node", script, PROTO_ROOT, address, "cello"],
        env={**os.environ, "MODULES": str(node_modules), **variables},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_client_of_another_language_plays(guarded, node_modules):
    heard = _play_in_node(node_modules, guarded.address("studio"), TOKEN=TOKEN)
    assert (heard["code"], heard["kinds"][0], heard["kinds"][-1]) == (
        grpc.StatusCode.OK.value[0],
        "started",
        "ended",
    )
    with guarded.channel() as channel:
        sound = _sound(_note(channel, _bearer()))
    assert heard["n_samples"] == len(sound)
    assert heard["peak"] == pytest.approx(np.max(np.abs(sound)), rel=1e-4)
    assert heard["offsets"] == list(range(0, heard["n_samples"], 512))


def test_a_client_of_another_language_can_act_on_a_refusal(guarded, node_modules):
    heard = _play_in_node(node_modules, guarded.address("studio"))
    assert heard["code"] == grpc.StatusCode.UNAUTHENTICATED.value[0]
    assert "Bearer" in heard["details"]
    assert "TOKEN_MISSING" in heard["trailers"][0]


def test_the_token_is_asked_for_and_stands_nowhere(guarded):
    wrong = "another-token-0123456789abcdef"
    with guarded.channel() as channel:
        for metadata in (None, _bearer(wrong)):
            with pytest.raises(grpc.RpcError) as caught:
                _note(channel, metadata)
            assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    said = "".join(guarded.said) + "".join(guarded.log)
    assert "UNAUTHENTICATED" in said
    pid = guarded.process.pid
    for secret in (TOKEN, wrong):
        assert secret not in said
        assert secret.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
    for line in guarded.log:
        assert json.loads(line)["level"] in ("debug", "info", "warning")


def test_the_page_says_how_it_is_guarded(guarded):
    page = "".join(guarded.said)
    assert "cello (generation 1)" in page
    assert "this machine only, with a token, no TLS" in page
    assert f"--studio {guarded.address('studio')}" in page


def test_a_studio_plays_with_a_model_server_elsewhere(guarded, cello_home):
    address = guarded.address("model server")
    process = Process(cello_home, "--model-server", address).wait_ready()
    try:
        page = "".join(process.said)
        assert f"{address} (a TF Serving)" in page
        assert "REST" not in page
        with process.channel() as channel:
            remote = _sound(_note(channel))
        with guarded.channel() as channel:
            embedded = _sound(_note(channel, _bearer()))
        np.testing.assert_allclose(remote, embedded, atol=1e-4)
        assert np.max(np.abs(remote)) > 0
    finally:
        process.kill()


def test_the_example_writes_a_note_down_and_a_sigterm_lets_performances_end(
    cello_home, tmp_path
):
    process = Process(cello_home).wait_ready()
    _run_example(tmp_path / "note.wav", process.address("studio"))
    with process.channel() as channel:
        asked = threading.Event()
        more = threading.Event()

        def requests():
            yield _configuration()
            yield perform_pb2.PerformRequest(
                midi=perform_pb2.MidiEvent(sample_offset=0, data=b"\x90\x45\x64")
            )
            yield perform_pb2.PerformRequest(
                advance=perform_pb2.Advance(sample_offset=48_000)
            )
            asked.set()
            more.wait(60)

        call = studio_pb2_grpc.StudioStub(channel).Perform(requests(), timeout=60)
        assert next(call).HasField("started")
        assert asked.wait(30)
        assert next(call).HasField("audio")
        process.process.send_signal(signal.SIGTERM)
        kinds = [answer.WhichOneof("message") for answer in call]
        more.set()
        assert kinds[-1] == "ended"
        assert call.code() == grpc.StatusCode.OK
        assert process.wait() == 0
        assert "Stopping" in process.said[-1]
        with pytest.raises(grpc.RpcError) as caught:
            _note(channel)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def _run_example(path, address):
    subprocess.run(
        [sys.executable, EXAMPLE, "cello", path, address], check=True, timeout=180
    )
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate()) == (1, 48_000)
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert len(sound) >= 2 * 48_000
    assert np.max(np.abs(sound[:48_000])) > 0


def test_a_second_signal_ends_the_studio_at_once(cello_home):
    process = Process(cello_home).wait_ready()
    with process.channel() as channel:
        silent = threading.Event()

        def requests():
            yield studio_pb2.ImportPersonalityRequest(chunk=b"the beginning of")
            silent.wait(60)

        call = studio_pb2_grpc.PersonalitiesStub(channel).ImportPersonality.future(
            requests(), timeout=60
        )
        time.sleep(0.5)  # for the call to have come
        process.process.send_signal(signal.SIGTERM)
        time.sleep(1.0)  # beyond what passes for an echo
        assert process.process.poll() is None
        process.process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 128 + signal.SIGTERM
        silent.set()
        assert call.code() == grpc.StatusCode.UNAVAILABLE


def test_a_studio_that_is_still_loading_can_be_stopped(cello_home):
    process = Process(cello_home)
    wait_for(lambda: _catches_sigterm(process.process.pid))
    process.process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert process.said == []


def _catches_sigterm(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(re.search(r"SigCgt:\s*([0-9a-f]+)", status).group(1), 16)
    return caught >> (signal.SIGTERM - 1) & 1


def test_ctrl_c_is_told_by_the_status(cello_home):
    process = Process(cello_home).wait_ready()
    process.process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert process.log == []


def test_a_taken_port_is_a_sentence_that_comes_at_once(home):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = amadeus("studio", "--port", port, home=home)
    assert done.returncode == 2
    assert re.fullmatch(
        rf"amadeus: the studio cannot listen on 127\.0\.0\.1:{port} \(Address already in use\): choose another port "
        r"with --port, .*\.\n",
        done.stderr,
    )
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--host", "0.0.0.0"], "without a token"),
        (["--model-server-host", "0.0.0.0"], "its protocol knows no token"),
        (["--tls-cert", "nowhere.pem"], "--tls-cert was given without --tls-key"),
        (["--token-file", "nowhere"], "cannot be read"),
        (["--max-calls", "0"], "--max-calls 0 cannot be"),
    ],
)
def test_a_studio_that_would_not_be_safe_does_not_start(home, arguments, sentence):
    done = amadeus("studio", *arguments, home=home)
    assert done.returncode == 2
    assert done.stderr.startswith("amadeus: ")
    assert done.stderr.count("\n") == 1
    assert sentence in done.stderr


def test_settings_come_from_the_environment_too(home, monkeypatch):
    monkeypatch.setenv("AMADEUS_STUDIO_MAX_CALLS", "0")
    assert "--max-calls 0 cannot be" in amadeus("studio", home=home).stderr
    monkeypatch.setenv("AMADEUS_STUDIO_MAX_CALLS", "4")
    monkeypatch.setenv("AMADEUS_STUDIO_TLS_CERT", "cert.pem")
    assert "without --tls-key" in amadeus("studio", home=home).stderr
    monkeypatch.setenv("AMADEUS_STUDIO_TLS_KEY", "key.pem")
    monkeypatch.setenv("AMADEUS_STUDIO_PORT", "0")
    assert "cert.pem cannot be read" in amadeus("studio", home=home).stderr


def test_a_port_that_is_no_number_is_a_usage_error(home):
    done = amadeus("studio", "--metrics-port", "many", home=home)
    assert done.returncode == 2
    assert "0 for any, or off" in done.stderr


def test_the_token_does_not_reach_processes_the_studio_starts(monkeypatch):
    from serving.studio.config import read_token

    monkeypatch.setenv("AMADEUS_STUDIO_TOKEN", TOKEN)
    assert read_token(os.environ) == TOKEN
    child = subprocess.run(["env"], capture_output=True, text=True, check=True)
    assert TOKEN not in child.stdout


@pytest.mark.cluster
def test_a_studio_ends_although_a_store_hangs(tmp_path):
    """Somebody waits for a voice from a store that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        process = Process(
            Home(tmp_path / "home"),
            *("--personalities", "s3://voices/store", "--grace-s", "1"),
            AWS_ENDPOINT_URL_S3=f"http://127.0.0.1:{silent.getsockname()[1]}",
            AWS_ACCESS_KEY_ID="an-ama",
            AWS_SECRET_ACCESS_KEY="a secret",
            AWS_DEFAULT_REGION="us-east-1",
            AWS_EC2_METADATA_DISABLED="true",
        )
        try:
            process.wait_ready()
            with process.channel() as channel:
                call = studio_pb2_grpc.StudioStub(channel).Perform(
                    iter([_configuration()])
                )
                silent.settimeout(60)
                connection, _ = silent.accept()
                with connection:
                    process.process.send_signal(signal.SIGTERM)
                    assert process.wait(60) == 0
                call.cancel()
        finally:
            process.kill()
