"""An ama before Kubeflow: commands in this process, against a server that holds every request to the published API."""

import pytest

from pipelines.kubeflow import client_patience, client_practice
from pipelines.kubeflow.client_follow import Pace
from tests.cli.pipeline.words import imitate
from tests.pipelines.kubeflow.small_package import small_package
from tests.pipelines.kubeflow.stand_in import StandIn

VARIABLES = (
    "AMADEUS_KFP_TOKEN",
    "AMADEUS_KFP_TOKEN_FILE",
    "AMADEUS_KFP_CA",
    "KF_PIPELINES_UI_ENDPOINT",
    "AMADEUS_PERSONALITIES",
    "AMADEUS_PIPELINE_ROOT",
    "AMADEUS_IMAGE",
)


@pytest.fixture(scope="module")
def server():
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def api(server, monkeypatch, home):
    monkeypatch.setenv("AMADEUS_KFP_ENDPOINT", server.url)
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(client_patience, "BACKOFF_S", (0.001, 0.01))
    quick = Pace(poll_s=(0.001, 0.01), log_s=0.0)
    monkeypatch.setattr(client_practice, "Pace", lambda: quick)
    server.clear()
    yield server
    assert server.complaints == []


@pytest.fixture
def package(tmp_path):
    path = tmp_path / "practice.yaml"
    path.write_text(small_package().to_yaml())
    return path


@pytest.fixture
def takes(tmp_path):
    """A folder in a store that holds something."""
    folder = tmp_path / "takes"
    folder.mkdir()
    (folder / "a.wav").write_bytes(b"RIFF")
    return f"file://{folder}"


@pytest.fixture
def run(capsys):
    """Runs a command in this process: status, and what it said."""

    def run(*arguments):
        from amadeus.cli.main import main

        status = main([str(one) for one in arguments])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


@pytest.fixture
def begin(run, api, package, takes):
    """Begins a run, and hands out its id."""

    def begin(*options):
        status, said = run(*imitate(package, takes), *options)
        assert status == 0, said
        return next(reversed(api.runs))

    return begin
