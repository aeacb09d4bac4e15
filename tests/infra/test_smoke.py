"""The script that builds and tries the images: what it asks for, what it says where it cannot, and that it can fail."""

import os
import re
import runpy
import shutil
import signal
import subprocess

import pytest
import yaml

from tests import processes
from tests.cli.terminal import wait_for
from tests.infra import containerfiles, manifests
from tests.infra.containerfiles import IMAGES, NAMES
from tests.test_processes import is_alive

SCRIPT = IMAGES / "smoke.sh"
TEXT = SCRIPT.read_text()
SMOKE = runpy.run_path(str(IMAGES / "smoke.py"))


def _run(*words, path=None):
    environment = os.environ if path is None else {"PATH": str(path)}
    return subprocess.run(
        [shutil.which("bash"), SCRIPT, *words],
        capture_output=True, text=True, timeout=60, env=environment,
    )  # fmt: skip


@pytest.mark.parametrize("words", [(), ("--base",), ("paint",)], ids=str)
def test_who_does_not_know_how_is_told(words):
    done = _run(*words)
    assert done.returncode == 2
    assert "infra/images/smoke.sh --base" in done.stderr


@pytest.mark.parametrize("tool", ["buildah", "debootstrap", "setpriv"])
def test_what_is_missing_is_said_in_a_sentence(tool, tmp_path):
    for name in (
        "dirname",
        "sed",
        "buildah",
        "debootstrap",
        "unshare",
        "setpriv",
        "ip",
    ):
        if name != tool:
            real = shutil.which(name) or shutil.which("true")
            (tmp_path / name).symlink_to(real)
    done = _run("--stand-in", path=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        f"smoke.sh: {tool} is not installed; the images can be built, and tried, only where it is.\n"
    )


@pytest.mark.parametrize(
    ("words", "tool"),
    [(("--built", "studio"), "unshare"), (("--base", "bare", "studio"), "buildah")],
    ids=["trying", "building"],
)
def test_who_stops_it_stops_what_it_has_begun(words, tool, tmp_path):
    """All tools are stand-ins; the one that would work when the signal comes writes down who it is, and waits."""
    begun = tmp_path / "begun"
    waits = f"echo $$ >{begun}.new; mv {begun}.new {begun}; exec sleep 600"
    (tmp_path / "root" / "opt" / "amadeus").mkdir(parents=True)
    does = {name: "exit 0" for name in ("setpriv", "ip", "cp", "chmod", "du")}
    does["unshare"] = waits
    does["buildah"] = (
        f"case $1 in build) {waits};; mount) echo {tmp_path}/root;; rm) touch {tmp_path}/gone;; esac"
    )
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, line in does.items():
        (tools / name).write_text(f"#!/bin/sh\n{line}\n")
        (tools / name).chmod(0o755)
    as_root = () if os.geteuid() == 0 else (shutil.which("unshare"), "--map-root-user")
    script = processes.start(
        [*as_root, "bash", SCRIPT, *words],
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
    )
    pid = None
    try:
        wait_for(lambda: begun.exists() or script.poll() is not None, timeout_s=120)
        pid = int(begun.read_text())
        script.terminate()
        script.wait(120)
        assert not is_alive(pid), f"{tool} outlived the script"
        assert (tmp_path / "gone").exists() == (tool == "unshare"), "its container"
    finally:
        script.kill()
        if pid is not None and is_alive(pid):
            os.kill(pid, signal.SIGKILL)


def test_it_runs_an_image_as_the_cluster_does():
    for name in NAMES:
        workload = manifests.find("local", "Deployment", name)
        context = manifests.pod(workload)["securityContext"]
        assert f"--reuid {context['runAsUser']} --regid {context['runAsGroup']}" in TEXT
        mounts = manifests.container("local", name)["volumeMounts"]
        writable = {m["mountPath"] for m in mounts if not m.get("readOnly")}
        mounted = set(re.findall(r'tmpfs "\$root(/[a-z/]+)"', TEXT))
        assert mounted - {"/dev", "/dev/shm"} == writable
    for word in ("--no-new-privs", "--bounding-set=-all", "remount,bind,ro", "--net"):
        assert word in TEXT


def test_both_images_are_asked_for_all_of_their_rooms():
    for name in NAMES:
        copied = {
            rest.split()[0]
            for word, rest in containerfiles.instructions(name)
            if word == "COPY" and not rest.startswith("--from")
        }
        rooms = SMOKE["ROOMS"][name]
        assert set(rooms) == copied & {"amadeus", "components", "pipelines", "serving"}


def test_whatever_building_leaves_is_looked_for():
    for name in NAMES:
        runs = " ".join(
            rest for word, rest in containerfiles.instructions(name) if word == "RUN"
        )
        made = set(re.findall(r"(?:-m venv|--wheel-dir) (/[a-z/]+)", runs))
        made |= set(re.findall(r"rm -rf (/opt/[\w./-]+)", runs))
        assert made <= {"/opt/build", "/wheels", *SMOKE["LEFT_OVER"]}
        tools = set(re.findall(r"\b(g\+\+|gcc)\b", runs))
        assert tools <= set(SMOKE["TOOLS"])


def test_what_has_rights_is_found_out():
    with pytest.raises(SMOKE["SmokeError"], match=r"Cap|privileges|user"):
        SMOKE["is_restricted"]()


def test_a_command_that_fails_ends_the_try_with_what_it_said():
    with pytest.raises(SMOKE["SmokeError"], match="ended with 3: no voice"):
        SMOKE["run"]("sh", "-c", "echo no voice; exit 3")


def test_one_failure_fails_an_image_and_hides_no_other(capsys, tmp_path):
    fails = {name: _never for name in ("is_restricted", "is_swept", "play")}
    works = ("is_without_addresses", "import_all", "has_kernels", "bring_voice", "run")
    main = SMOKE["main"]
    before = dict(main.__globals__)
    main.__globals__.update(fails | {name: lambda *_: "well" for name in works})
    try:
        assert main(["studio", str(tmp_path)]) == 1
    finally:
        main.__globals__.update(before)
    said = capsys.readouterr().out
    assert len(re.findall(r"^FAILED ", said, re.MULTILINE)) == 3
    assert len(re.findall(r"^ok ", said, re.MULTILINE)) == 5


def _never(*_):
    raise SMOKE["SmokeError"]("not today")


def test_the_version_is_the_one_that_manifests_ask_for():
    (line,) = re.findall(r"^version=\$\((.+)\)$", TEXT, re.MULTILINE)
    root = IMAGES.parents[1]
    said = subprocess.run(
        ["bash", "-c", line], cwd=root, capture_output=True, text=True
    )
    base = yaml.safe_load((root / "infra/base/kustomization.yaml").read_text())
    tags = {i["name"]: i["newTag"] for i in base["images"]}
    assert {tags[f"amadeus/{name}"] for name in NAMES} == {said.stdout.strip()}
