"""The harness itself: no container outlives the run it was started for."""

import pytest

from tests.pipelines.kubeflow.cluster import Cluster
from tests.pipelines.kubeflow.small_package import small_package

SLEEPS = ["python", "-c", "import time; time.sleep(600)"]


@pytest.fixture
def text():
    """A package whose only container sleeps."""
    package = small_package()
    executors = package.pipeline["deploymentSpec"]["executors"]
    executors["exec-prepare"]["container"] |= {
        "command": SLEEPS[:2],
        "args": SLEEPS[2:],
    }
    return package.to_yaml()


def test_a_container_is_ended_when_whoever_watches_it_fails(text, tmp_path):
    processes = []

    def watch(_task, _attempt, process):
        processes.append(process)
        raise AssertionError("it did not come to that in time")

    cluster = Cluster(tmp_path, "minio://bucket/root", {}, publish_logs=False)
    with pytest.raises(AssertionError, match="in time"):
        cluster.run(text, watch=watch)
    (process,) = processes
    try:
        assert process.poll() is not None
    finally:
        process.kill()
        process.wait()
