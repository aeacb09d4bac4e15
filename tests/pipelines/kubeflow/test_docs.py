"""What docs/kubeflow.md has a newcomer type exists (`tests/test_readme.py` looks at the commands of amadeus)."""

import functools
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from amadeus import __version__
from amadeus.cli import kubeflow_options
from pipelines.kubeflow import client_endpoint
from pipelines.kubeflow.resources import parse_resources
from tests.infra import npm

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "kubeflow.md").read_text()
LINES = [
    shlex.split(line, comments=True)
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]


def _lines(*begin):
    return [words for words in LINES if tuple(words[: len(begin)]) == begin]


@functools.cache
def _help(verb):
    done = subprocess.run(
        [npm.kubectl(), verb, "--help"], capture_output=True, text=True, check=True
    )
    shared = subprocess.run(
        [npm.kubectl(), "options"], capture_output=True, text=True, check=True
    )
    return done.stdout + shared.stdout


@pytest.mark.parametrize("words", _lines("kubectl"), ids=" ".join)
def test_kubectl_knows_what_it_is_told(words):
    told = _help(words[1])
    for word in words[2:]:
        if word.startswith("-"):
            name = word.partition("=")[0]
            assert re.search(rf"(^|\s){re.escape(name)}[=,:\s]", told), word


def test_all_of_kubeflow_is_of_one_release_and_has_a_bucket_that_can_be_pulled():
    """Before 2.15 it brings a MinIO of 2019, whose image is gone and which ignores conditional writes."""
    refs = {words[-1].rpartition("?ref=")[2] for words in _lines("kubectl", "apply")}
    (release,) = refs
    assert tuple(map(int, release.split("."))) >= (2, 15, 0)


def test_nothing_waits_for_pods_that_end():
    """A pod of a job that is done is never ready again: `--all` of them would be waited for in vain."""
    waits = _lines("kubectl", "wait")
    assert waits
    assert not any("pod" in words for words in waits)


def test_the_image_is_built_from_a_file_of_ours_and_carried_under_its_name():
    (build,) = _lines("docker", "build")
    options = dict(zip(build[2:-1:2], build[3:-1:2], strict=True))
    assert (ROOT / options["-f"]).exists()
    assert options["-t"] == f"amadeus/practice:{__version__}"
    (carry,) = _lines("kind", "load")
    assert carry[-1] == options["-t"]
    assert _exported()["AMADEUS_IMAGE"] == options["-t"]


def test_the_resources_that_are_shown_are_taken():
    (shown,) = re.findall(r"```yaml\n# resources.yaml\n(.*?)```", PAGE, re.DOTALL)
    given = parse_resources(yaml.safe_load(shown)).of("prepare")
    told = {secret["env"] for secret in given.secrets} | set(given.env)
    here = {name for name in _exported() if name.startswith("AWS_")}
    assert told == here, "a container reaches the bucket by what a terminal does"


def test_every_variable_that_is_set_is_read():
    known = {
        *(name for name in vars(client_endpoint).values() if isinstance(name, str)),
        *re.findall(r'envvar="(\w+)"', Path(kubeflow_options.__file__).read_text()),
        *("AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    }
    assert set(_exported()) <= known


def test_ports_that_are_forwarded_are_those_that_are_asked():
    forwarded = {
        words[-1].partition(":")[0] for words in _lines("kubectl", "port-forward")
    }
    asked = {
        re.search(r"localhost:(\d+)", value)[1]
        for value in _exported().values()
        if "localhost" in value
    }
    assert asked == forwarded


def _exported():
    """Variables with what was set last."""
    return dict(word.split("=", 1) for words in _lines("export") for word in words[1:])
