import asyncio
import contextlib
import socket
import threading

import pytest

from serving.studio import probe
from serving.studio.config import StudioConfig
from serving.studio.metrics import Metrics, MetricsEndpoint


def _probe(is_healthy):
    async def ask():
        endpoint = MetricsEndpoint(Metrics(), lambda: is_healthy)
        await endpoint.start("127.0.0.1", 0)
        environment = {probe.PORT_VARIABLE: str(endpoint.port)}
        try:
            return await asyncio.to_thread(_run, environment)
        finally:
            await endpoint.stop()

    return asyncio.run(ask())


def _run(environment):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return probe.main()


@pytest.mark.parametrize(
    ("is_healthy", "status", "word"),
    [(True, 0, "SERVING\n"), (False, 1, "NOT_SERVING\n")],
)
def test_a_container_hears_whether_its_studio_plays(capsys, is_healthy, status, word):
    assert _probe(is_healthy) == status
    assert capsys.readouterr().out == word


def test_a_studio_that_is_not_there_does_not_play(capsys, monkeypatch):
    monkeypatch.setenv(probe.PORT_VARIABLE, "1")
    assert probe.main() == 1
    assert "no answer from http://127.0.0.1:1/health" in capsys.readouterr().out


def test_a_studio_without_metrics_cannot_be_asked(capsys, monkeypatch):
    monkeypatch.setenv(probe.PORT_VARIABLE, "off")
    assert probe.main() == 1
    assert "no answer from http://127.0.0.1:off/health" in capsys.readouterr().out


def test_what_speaks_no_http_does_not_play(capsys, monkeypatch):
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.settimeout(60)

        def answer():
            with listener.accept()[0] as client:
                client.recv(1024)
                client.sendall(b"220 mail\r\n")

        stranger = threading.Thread(target=answer)
        stranger.start()
        monkeypatch.setenv(probe.PORT_VARIABLE, str(listener.getsockname()[1]))
        assert probe.main() == 1
        stranger.join()
    assert "no answer from" in capsys.readouterr().out


def test_no_proxy_is_asked_for_a_studio_beside(capsys, monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert _probe(True) == 0
    assert capsys.readouterr().out == "SERVING\n"


def test_the_default_port_is_the_studios():
    assert int(probe.DEFAULT_PORT) == StudioConfig.metrics_port
