"""What the runbook says exists: its commands, files, settings, metrics and alerts."""

import functools
import itertools
import re
import shlex
import subprocess

import click
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from amadeus import __version__
from amadeus.cli.main import cli
from serving.model_server import metrics as serving_metrics
from serving.studio.metrics import Metrics
from tests.infra import containerfiles, manifests, npm, settings
from tests.infra.manifests import INFRA
from tests.infra.runbook import BLOCKS, PLACES, RUNBOOK, inside, the_one, without_files

PROSE = re.sub(r"```.*?```", "", RUNBOOK, flags=re.DOTALL)
INLINE = re.findall(r"`([^`\n]+)`", PROSE)
COMMANDS = [
    *BLOCKS,
    *(c for c in INLINE if re.match(r"(amadeus|kubectl|docker|curl) .", c)),
]
ALERTS = yaml.safe_load((INFRA / "base" / "alerts.yml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]


def _simple(line):
    """The commands of a line, those in quotes for another shell left out."""
    for part in re.split(r"\s\|\s", line):
        words = shlex.split(without_files(part), comments=True)
        while re.match(r"[A-Z_]+=", words[0]):
            words = words[1:]
        yield words


def _programs(program):
    found = []
    for line in COMMANDS:
        for words in _simple(line):
            if words[0] == program:
                found.append(words[1:])
            if words[0] == "kubectl" and "--" in words:
                inner = words[words.index("--") + 1 :]
                if inner[0] == program:
                    found.append(inner[1:])
    return found


@pytest.mark.parametrize("words", _programs("amadeus"), ids=" ".join)
def test_every_command_of_ours_parses(words):
    command, context = cli, click.Context(cli)
    while isinstance(command, click.Group):
        _, command, words = command.resolve_command(context, words)
    command.make_context("runbook", list(words))


@functools.cache
def _help(*command):
    done = subprocess.run(
        [npm.kubectl(), *command, "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("words", _programs("kubectl"), ids=" ".join)
def test_every_option_of_kubectl_is_known_to_it(words):
    if "--" in words:
        words = words[: words.index("--")]
    names = [w for w in words if not w.startswith("-")]
    namespaced = words[:1] == ["--namespace"]
    command = names[1:] if namespaced else names
    depth = 2 if command[0] in ("rollout", "create") else 1
    if command[:2] == ["create", "secret"]:
        depth = 3
    said = _help(*command[:depth])
    everywhere = {"--namespace"}
    for word in words:
        if word.startswith("-") and word not in ("-k",):
            option = word.partition("=")[0]
            assert option in everywhere or re.search(rf"{option}\b", said), (
                f"{command[:depth]} knows no {option}"
            )
    if "-k" in words:
        assert (settings.ROOT / words[words.index("-k") + 1]).is_dir()


@pytest.mark.parametrize("words", _programs("docker"), ids=" ".join)
def test_files_that_docker_is_given_are_there(words):
    for option, value in itertools.pairwise(words):
        if option == "-f":
            assert (settings.ROOT / value).is_file()


def test_images_are_tagged_as_the_overlay_asks_for_them():
    wanted = {
        container["image"]
        for workload in manifests.workloads("local")
        for container in manifests.containers(workload)
        if "/amadeus/" in container["image"]
    }
    made = {words[2] for words in _programs("docker") if words[0] == "tag"}
    (loaded,) = [words[2:] for words in _programs("kind")]
    assert wanted == made == set(loaded)


def test_secrets_of_compose_are_made_before_it_starts():
    compose = yaml.safe_load((INFRA / "compose.yaml").read_text())
    install = RUNBOOK.partition("\n## Upgrade")[0]
    before = install.partition("docker compose -f infra/compose.yaml up")[0]
    for secret in compose["secrets"].values():
        assert f"infra/{secret['file'].removeprefix('./')}\n" in before


def test_commands_of_every_kind_are_looked_at():
    assert len(_programs("kubectl")) > 25
    assert len(_programs("amadeus")) >= 5
    assert len(_programs("docker")) >= 4


@pytest.mark.parametrize("path", sorted({w for w in INLINE if w.startswith("infra/")}))
def test_every_file_is_there(path):
    path = path.partition(" ")[0]
    assert (settings.ROOT / path).exists() or path.startswith("infra/secrets/")


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\bAMADEUS_\w+", RUNBOOK))))
def test_every_setting_is_read_by_the_code(name):
    assert name in settings.read_names()


def _there(line, home):
    """What a line has a container do, done to another home."""
    return [word.replace("/var/lib/amadeus", str(home)) for word in inside(line)]


@pytest.mark.parametrize("place", PLACES)
def test_what_is_backed_up_can_be_put_back_by_who_does_not_own_the_volume(
    place, tmp_path
):
    home, new = tmp_path / "home", tmp_path / "new"
    for kept in ("deus/cello/voices/1", "deus/cello/pipeline", "lost+found"):
        (home / kept).mkdir(parents=True)
        (home / kept / "file").write_text(kept)
    new.mkdir()
    save = the_one("Back up", place, "tar --create")
    restore = the_one("Restore", place, "tar --extract")
    saved = subprocess.run(_there(save, home), capture_output=True, check=True)
    listed = subprocess.run(
        ["tar", "--list", "--gzip"], input=saved.stdout, capture_output=True, check=True
    )
    assert "deus/" in listed.stdout.decode().split()
    assert not {".", "./"} & set(listed.stdout.decode().split())
    subprocess.run(_there(restore, new), input=saved.stdout, check=True)
    files = [str(p.relative_to(new)) for p in new.rglob("*") if p.is_file()]
    assert files == ["deus/cello/voices/1/file"]


def test_services_that_compose_is_asked_for_are_in_its_file():
    services = yaml.safe_load((INFRA / "compose.yaml").read_text())["services"]
    named = set()
    for words in _programs("docker"):
        if words[0] == "compose" and words[3] in ("exec", "stop", "start", "restart"):
            asked = [word for word in words[4:] if not word.startswith("-")]
            named |= set(asked[:1] if words[3] == "exec" else asked)
    assert {"mysql", "practice", "studio"} <= named <= services.keys()


def test_images_of_others_are_looked_up_by_the_tags_that_are_used():
    used = {
        container["image"]
        for workload in manifests.workloads("local")
        for container in manifests.containers(workload)
    }
    asked = {words[-1] for words in _programs("docker") if words[0] == "buildx"}
    assert asked == {image for image in used if "/amadeus/" not in image}


def test_buildah_pushes_what_smoke_builds():
    pushed = [words for words in _programs("buildah") if words[0] == "push"]
    names = {words[1].rpartition("/")[2] for words in pushed}
    assert names == {f"{name}:{__version__}" for name in containerfiles.NAMES}
    for _, _, where in pushed:
        name = where.removeprefix("docker://").partition(":")[0]
        overlay = (INFRA / "overlays" / "gke" / "kustomization.yaml").read_text()
        assert f"newName: {name}\n" in overlay


def test_whoever_enters_a_pod_that_was_just_made_waits_for_it_before():
    for block in re.findall(r"```sh\n(.*?)```", RUNBOOK, re.DOTALL):
        started = set()
        for line in block.splitlines():
            if " apply -k " in line:
                started |= {"mysql", "practice"}
            if " scale " in line:
                started |= set(re.findall(r"deployment/([a-z-]+)", line))
            if " rollout status " in line:
                started -= set(re.findall(r"(?:deployment|statefulset)/(\w+)", line))
            entered = re.search(r" exec (?:--stdin )?(?:deployment/)?([a-z]+)", line)
            assert not entered or entered.group(1) not in started, line


def _samples():
    metrics = Metrics()
    metrics.watch_sessions(lambda: {"queued": 1})
    metrics.watch_successors(lambda: {("cello", "NotServedError"): 1})
    metrics.calls.labels("m", "OK").inc()
    metrics.calls_open.labels("m").inc()
    metrics.call_s.labels("m").observe(1)
    names = set()
    for family in text_string_to_metric_families(metrics.text().decode()):
        names |= {family.name, *(sample.name for sample in family.samples)}
    return names | {serving_metrics.REQUEST_COUNT, serving_metrics.REQUEST_LATENCY}


def _metrics_in(text):
    return set(re.findall(r"(?::tensorflow:|\bamadeus_|\bprocess_)[a-z_:]+", text))


def test_every_metric_of_the_runbook_and_of_the_alerts_exists():
    named = {m for text in INLINE for m in _metrics_in(text)}
    alarmed = {m for rule in RULES for m in _metrics_in(rule["expr"])}
    assert len(named) > 8
    assert len(alarmed) >= 5
    assert (named | alarmed) <= _samples()


def test_every_state_and_code_that_an_alert_asks_for_exists():
    import grpc

    from serving.studio.sessions import State

    for rule in RULES:
        for states in re.findall(r'state=~?"([A-Za-z|_]+)"', rule["expr"]):
            assert set(states.split("|")) <= {state.value for state in State}
        for code in re.findall(r'code="([A-Z_]+)"', rule["expr"]):
            assert code in grpc.StatusCode.__members__


def test_every_alert_is_explained_and_nothing_else_is():
    alerts = [rule["alert"] for rule in RULES]
    assert len(set(alerts)) == len(alerts)
    _, _, section = RUNBOOK.partition("\n## Alerts\n")
    assert re.findall(r"^### (\w+)$", section, re.MULTILINE) == alerts


def test_what_was_asked_for_is_there():
    headings = re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE)
    assert headings == [
        "Install",
        "Upgrade",
        "Back up",
        "Restore",
        "Rotate a token",
        "Rotate certificates",
        "Read the metrics",
        "Alerts",
    ]
