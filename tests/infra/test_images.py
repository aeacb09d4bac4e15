"""Images hold what the rooms import and nothing else; how they are built is read from their Containerfiles."""

import ast
import functools
import json
import re
import sys
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from amadeus import __version__
from tests.infra import containerfiles, manifests
from tests.infra.containerfiles import IMAGES, NAMES, final, instructions
from tests.infra.settings import ROOT

REQUIREMENTS = ROOT / "requirements"
# Names of modules that say nothing of the distribution they come in.
SHARED = {"google": {"protobuf", "googleapis-common-protos"}}

of_both = pytest.mark.parametrize("name", NAMES)


def _locked(path):
    """Names and versions of a lock."""
    lines = path.read_text().splitlines()
    return dict(line.split("==") for line in lines if re.match(r"[a-z0-9]", line))


LOCK = _locked(REQUIREMENTS / "requirements.lock")
STUDIO = _locked(REQUIREMENTS / "studio.lock")


def _left_out():
    """Distributions of the lock that the practice image does without."""
    text = " ".join(rest for _, rest in instructions("practice"))
    return set(re.search(r"'\^\(([a-z0-9|-]+)\)=='", text).group(1).split("|"))


PRACTICE = {name: v for name, v in LOCK.items() if name not in _left_out()}


@functools.cache
def _distributions():
    """Which distributions bring a top-level module."""
    found = metadata.packages_distributions()
    return {module: {canonicalize_name(d) for d in ds} for module, ds in found.items()}


def _imported(*rooms):
    """Top-level modules that the source of rooms imports, anywhere in it."""
    found = set()
    for room in rooms:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    found |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.level == 0:
                    found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names)


def _dropped(overrides):
    """Dependencies that an overrides file takes away."""
    lines = (REQUIREMENTS / overrides).read_text().splitlines()
    return {
        line.partition(";")[0].strip() for line in lines if "python_version <" in line
    }


def test_the_studios_lock_is_part_of_the_one_lock():
    assert STUDIO.items() <= LOCK.items()


@pytest.mark.parametrize("name", ["requirements.lock", "studio.lock"])
def test_a_lock_says_what_and_not_where_from(name):
    lines = (REQUIREMENTS / name).read_text().splitlines()
    for line in lines:
        assert line.startswith("#") or re.fullmatch(r"[a-z0-9.-]+==[\w.+!]+", line), (
            line
        )
    assert not any("://" in line for line in lines)


def test_the_studios_lock_is_what_its_list_needs_and_no_more():
    lines = (REQUIREMENTS / "studio.in").read_text().splitlines()
    waiting = [line for line in lines if line and not line.startswith("#")]
    without, found = _dropped("studio-overrides.txt"), set()
    while waiting:
        requirement = Requirement(waiting.pop())
        name = canonicalize_name(requirement.name)
        extras = requirement.extras or {""}
        if (name, *sorted(extras)) in found:
            continue
        found.add((name, *sorted(extras)))
        for text in metadata.requires(name) or ():
            needed = Requirement(text)
            marker = needed.marker
            if canonicalize_name(needed.name) in without:
                continue
            if marker is None or any(marker.evaluate({"extra": e}) for e in extras):
                waiting.append(text.partition(";")[0])
    assert {name for name, *_ in found} == STUDIO.keys()


def test_the_studio_is_without_tfx_and_all_that_comes_with_it():
    assert not STUDIO.keys() & {
        *("tfx", "apache-beam", "kfp", "ml-pipelines-sdk", "tensorflow-model-analysis"),
        *("pandas", "pytest", "grpcio-tools", "librosa", "numba", "ddsp", "torch"),
    }
    assert len(STUDIO) < len(LOCK) / 2


@of_both
def test_an_image_holds_what_its_rooms_import(name):
    rooms = ("amadeus", "serving")
    held = STUDIO
    if name == "practice":
        rooms, held = (*rooms, "components", "pipelines"), PRACTICE
    # Asked for only where they are used, with a sentence where they are not there.
    optional = {"onnx", "sounddevice", "rtmidi", "components", "pipelines", "tfx"}
    optional |= {"kfp", "kfp_server_api", "yaml"} if name == "studio" else set()
    for module in _imported(*rooms) - {"amadeus", "serving", *optional}:
        brings = SHARED.get(module) or _distributions().get(module)
        if brings is None:  # what is loaded by a name that a test or a comment makes up
            continue
        assert brings & held.keys(), f"{module} comes in {brings}"


def test_practice_leaves_out_only_what_nothing_in_it_needs():
    left_out = _left_out()
    assert left_out <= LOCK.keys() | {"uv"}
    unneeded = _dropped("overrides.txt")
    for name in PRACTICE:
        try:
            requires = metadata.requires(name) or ()
        except metadata.PackageNotFoundError:  # for another platform
            continue
        for text in requires:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert canonicalize_name(needed.name) not in left_out - unneeded, (
                    f"{name} needs {needed.name}"
                )


@of_both
def test_an_image_runs_as_nobody_in_particular(name):
    last = dict(final(name))
    assert last["USER"] == "10001:10001"
    overlay = manifests.workloads("local")
    for workload in overlay:
        if workload["metadata"]["name"] == name:
            context = manifests.pod(workload)["securityContext"]
            ids = f"{context['runAsUser']}:{context['runAsGroup']}"
            assert ids == last["USER"]
    assert last["STOPSIGNAL"] == "SIGTERM"


@of_both
def test_the_last_stage_holds_no_tools_and_no_source(name):
    stage = final(name)
    runs = " ".join(rest for word, rest in stage if word == "RUN")
    assert not re.search(r"\b(gcc|make|pip|git|curl|build)\b", runs)
    copies = [rest for word, rest in stage if word in ("COPY", "ADD")]
    assert copies == ["--from=build /opt/amadeus /opt/amadeus"]
    assert all(
        "--without-pip" in rest for _, rest in instructions(name) if "venv " in rest
    )


@of_both
def test_no_secret_is_built_in(name):
    for word, rest in instructions(name):
        if word in ("ENV", "ARG"):
            assert not re.search(r"TOKEN|PASSWORD|SECRET|KEY", rest)


@of_both
def test_what_an_image_says_of_itself_is_what_the_code_means(name, monkeypatch):
    from tests.infra import settings

    last = dict(final(name))
    told = containerfiles.variables(name)
    ours = {key: value for key, value in told.items() if key.startswith("AMADEUS_")}
    assert ours.keys() <= settings.read_names()
    monkeypatch.setenv("AMADEUS_STUDIO_INSECURE", "true")
    config, _ = settings.parse(containerfiles.command(name)[1:], ours, monkeypatch)
    ports = [int(port) for port in last["EXPOSE"].split()]
    assert ports == [config.port, config.metrics_port]
    assert last["VOLUME"] == ours["AMADEUS_HOME"]
    assert containerfiles.command(name)[0] == "amadeus"
    probe = json.loads(last["HEALTHCHECK"].partition("CMD ")[2])
    assert probe == ["python", "-m", "serving.studio.probe"]


def test_practice_has_the_entrypoint_that_pipelines_call():
    text = (IMAGES / "practice.Containerfile").read_text()
    (module,) = re.findall(r"python -m ([a-z.]+)", text.partition("\nFROM")[0])
    assert (ROOT / module.replace(".", "/")).with_suffix(".py").exists()


@of_both
def test_everything_an_image_is_built_from_is_let_in(name):
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    copied = {
        word.split("/")[0]
        for instruction, rest in instructions(name)
        if instruction == "COPY" and not rest.startswith("--from")
        for word in rest.split()[:-1]
    }
    assert copied <= {line[1:] for line in lines if line.startswith("!")}
    assert all((ROOT / path).exists() for path in copied)


def test_images_of_compose_and_of_the_cluster_are_the_same():
    compose = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text())
    theirs = {s["image"].rpartition("/")[2] for s in compose["services"].values()}
    ours = {
        container["image"].rpartition("/")[2]
        for workload in manifests.workloads("local")
        for container in manifests.containers(workload)
    }
    assert theirs == {image for image in ours if not image.startswith("prometheus")}


def test_workers_of_beam_are_the_practice_image_with_the_launcher_of_the_same_beam():
    found = instructions("beam")
    told = dict(rest.split("=", 1) for word, rest in found if word == "ARG")
    assert told["PRACTICE"] == f"amadeus/practice:{__version__}"
    image, _, tag = told["BEAM"].partition(":")
    assert tag == LOCK["apache-beam"]
    assert image == f"apache/beam_python{sys.version_info[0]}.{sys.version_info[1]}_sdk"
    last = dict(final("beam"))
    assert last["FROM"] == "${PRACTICE}"
    assert last["ENV"] == "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1"
    (launcher,) = json.loads(last["ENTRYPOINT"])
    copied = last["COPY"].split()
    assert copied[0] == "--from=beam"
    assert launcher.startswith(f"{copied[-1]}/")
