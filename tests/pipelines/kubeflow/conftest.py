"""A cluster of Kubeflow's as a client sees it: a stand-in that holds requests to the published API."""

import pytest

from pipelines.kubeflow import client_patience
from pipelines.kubeflow.client import Cluster
from pipelines.kubeflow.client_endpoint import Endpoint
from tests.personality.conftest import bundle_bytes, voice_path  # noqa: F401
from tests.pipelines.kubeflow.stand_in import StandIn


@pytest.fixture(scope="module")
def server():
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def api(server, monkeypatch):
    monkeypatch.setattr(client_patience, "BACKOFF_S", (0.001, 0.01))
    server.clear()
    yield server
    assert server.complaints == []


@pytest.fixture
def cluster(api):
    return Cluster(Endpoint(url=api.url), patience_s=60.0)
