"""A file of resources: what it says comes out, and what it cannot say is refused with the way out."""

import pytest

from amadeus.errors import ConfigError
from pipelines.kubeflow import resources
from pipelines.kubeflow.resources import parse_resources, read_resources

GIVEN = {
    "defaults": {
        "memory_limit": "4Gi",
        "node_selector": {"pool": "practice"},
        "secrets": [
            {"name": "bucket", "key": "access", "env": "AWS_ACCESS_KEY_ID"},
            {"name": "tls", "path": "/etc/tls"},
        ],
    },
    "components": {
        "Trainer": {
            "cpu_request": 4,
            "gpu": "nvidia.com/gpu",
            "node_selector": {"gpu": True},
            "timeout_s": 600,
        }
    },
}


def test_a_component_adds_to_the_defaults():
    given = parse_resources(GIVEN)
    trainer, other = given.of("Trainer"), given.of("Pusher")
    assert (trainer.cpu_request, trainer.memory_limit) == ("4", "4Gi")
    assert trainer.node_selector == {"pool": "practice", "gpu": "true"}
    assert (trainer.gpu, trainer.gpu_count, trainer.timeout_s) == (
        "nvidia.com/gpu",
        1,
        600,
    )
    assert other.node_selector == {"pool": "practice"}
    assert (other.cpu_request, other.gpu, other.retries) == (None, None, 2)
    assert trainer.secrets == other.secrets


def test_the_example_in_the_docstring_can_be_read(tmp_path):
    lines = resources.__doc__.splitlines()
    example = [line[4:] for line in lines if line.startswith("    ")]
    path = tmp_path / "resources.yaml"
    path.write_text("\n".join(example))
    trainer = read_resources(path).of("Trainer")
    assert trainer.shared_memory == "2Gi"
    assert trainer.env == {"AWS_ENDPOINT_URL_S3": "http://minio-service.kubeflow:9000"}
    assert [one["effect"] for one in trainer.tolerations] == ["NoSchedule"]


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"default": {}}, "'default', which is not known: did you mean defaults"),
        ({"defaults": {"cpu_requests": 1}}, "did you mean cpu_request"),
        ({"components": {"Trainor": {}}}, "did you mean Trainer"),
        ({"components": {"Trainer": {"memory": "4Gi"}}}, "memory_limit"),
        ({"defaults": {"memory_limit": "4 GB"}}, "no quantity of Kubernetes"),
        ({"defaults": {"cpu_limit": True}}, "no quantity"),
        ({"defaults": {"retries": -1}}, "whole number from 0"),
        ({"components": {"Trainer": {"gpu_count": 2}}}, "gpu_count of Trainer counts"),
        ({"defaults": {"retry_backoff_factor": 0.5}}, "number from 1"),
        ({"defaults": {"retry_backoff_factor": float("inf")}}, "number from 1"),
        ({"defaults": {"env": {"A": None}}}, "env of defaults holds None"),
        ({"defaults": {"node_selector": {"a": ["b"]}}}, "write a text"),
        ({"defaults": {"timeout_s": "1h"}}, "whole number from 1"),
        ({"defaults": {"tolerations": [{"operator": "Is"}]}}, "one of Exists, Equal"),
        ({"defaults": {"tolerations": {"key": "gpu"}}}, "write a list"),
        ({"defaults": {"secrets": [{"name": "x"}]}}, "how x comes in"),
        ({"defaults": {"secrets": [{"name": "x", "value": "y"}]}}, "'value'"),
        ({"defaults": {"volumes": [{"claim": "x"}]}}, "lacks path"),
        ({"defaults": {"env": {"AMADEUS_METADATA_PASSWORD": "x"}}}, "Secret"),
        ({"defaults": {"image_pull_secrets": ["A B"]}}, "names nothing"),
        (["defaults"], "no mapping"),
    ],
)
def test_what_cannot_be_is_refused_with_the_way_out(given, match):
    with pytest.raises(ConfigError, match=match):
        parse_resources(given)


def test_a_file_that_is_none_is_named(tmp_path):
    path = tmp_path / "resources.yaml"
    with pytest.raises(ConfigError, match=r"cannot read .*resources\.yaml: No such"):
        read_resources(path)
    path.write_text("defaults: [")
    with pytest.raises(ConfigError, match="is no YAML"):
        read_resources(path)
    path.write_text("defaults: {env: {SINCE: 2026-02-30}}")
    with pytest.raises(ConfigError, match="is no YAML"):
        read_resources(path)
    path.write_text("defaults: {retries: 7}\n" + "#" * 2**20)
    with pytest.raises(ConfigError, match="is larger than 1 MB"):
        read_resources(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="it is no text"):
        read_resources(path)
    path.write_text("defaults: {retrys: 1}")
    with pytest.raises(ConfigError, match=r"resources\.yaml: .*retries"):
        read_resources(path)
    path.write_text("")
    assert read_resources(path).of("Trainer").retries == 2
