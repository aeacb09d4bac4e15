"""Backing up, restoring and rotating by the very lines of the runbook: on MariaDB, on a home, on a bucket."""

import contextlib
import json
import os
import secrets
import subprocess

import pytest

from amadeus.cli.main import main
from amadeus.stores import list_voices
from amadeus.voice.player import Voice
from tests.infra import manifests, runbook
from tests.lineage import mariadb
from tests.lineage.scribe import Tale
from tests.personality.conftest import voice_path  # noqa: F401
from tests.stores import emulators

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

CONTAINER = manifests.container("local", "mysql")
TOLD = manifests.variables("local", CONTAINER)
USER, DATABASE = TOLD["MARIADB_USER"], TOLD["MARIADB_DATABASE"]
SECRETS = {"kubectl": "/run/secrets/metadata/", "docker": "/run/secrets/metadata-"}

at_each_place = pytest.mark.parametrize("place", runbook.PLACES)


class RefusedError(Exception):
    """A command in a container has failed, with what it said."""


class Pod:
    """The database's container, as its image makes it of the environment; empty."""

    def __init__(self, server, folder):
        self.server, self.password = server, folder / "password"
        # As clients in the container do, ours find the server by its socket.
        (folder / ".my.cnf").write_text(f"[client]\nsocket={server.socket}\n")
        self.password.write_text(f"{secrets.token_hex(32)}\n")
        user = f"'{USER}'@'%'"
        said = server.say(
            f"drop database if exists {DATABASE}; create database {DATABASE};"
            f"drop user if exists {user}; drop user if exists ''@'localhost';"
            f"create user {user} identified by '{self.password.read_text().strip()}';"
            f"grant all on {DATABASE}.* to {user};"
        )
        assert not said.returncode, said.stderr

    def run(self, line, *, given=b""):
        """Does in here what a line of the runbook has a container do."""
        words = [
            word.replace(f"{where}password", str(self.password))
            for word in runbook.inside(line)
            for where in SECRETS.values()
            if where in word
        ]
        done = subprocess.run(
            ["sh", "-c", *words], input=given, capture_output=True,
            env={**os.environ, "HOME": str(self.password.parent)},
        )  # fmt: skip
        if done.returncode:
            raise RefusedError(done.stderr.decode())
        return done.stdout

    def address(self, monkeypatch):
        """Has everything here speak to this database."""
        url = f"mysql://{USER}@127.0.0.1:{self.server.port}/{DATABASE}"
        monkeypatch.setenv("AMADEUS_METADATA", url)
        monkeypatch.setenv("AMADEUS_METADATA_PASSWORD_FILE", str(self.password))


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Of the cluster that was, and of the one that comes after."""
    with contextlib.ExitStack() as held:
        yield [
            held.enter_context(mariadb.serving(tmp_path_factory.mktemp("mysql")))
            for _ in range(2)
        ]


@pytest.fixture
def pods(servers, tmp_path):
    folders = [tmp_path / "old", tmp_path / "new"]
    for folder in folders:
        folder.mkdir()
    return [Pod(s, folder) for s, folder in zip(servers, folders, strict=True)]


@pytest.fixture
def tale(home, pods, monkeypatch):
    """1 - 2 - 3, and 4 from 1; 1 has a voice that plays."""
    pods[0].address(monkeypatch)
    return Tale(home, home.create_deu("cello"))


@pytest.fixture
def told(tale, voice_path):  # noqa: F811
    for generation, parent in ((1, None), (2, 1), (3, 2), (4, 1)):
        tale.tell(
            generation,
            parent,
            takes=[("élégie.wav", "a" * 64)],
            voice=None if parent else voice_path,
        )
    return tale


def _told(capsys):
    assert main(["lineage", "cello", "--format", "json"]) == 0
    assert main(["lineage", "show", "cello@3"]) == 0
    return capsys.readouterr().out


def _home_of(words, home):
    return [word.replace("/var/lib/amadeus", str(home.path)) for word in words]


@at_each_place
def test_a_cluster_is_made_anew_from_its_backup(
    place, home, told, pods, tmp_path, capsys, monkeypatch
):
    old, new = pods
    before = _told(capsys)
    metadata = old.run(runbook.the_one("Back up", place, "mariadb-dump"))
    assert b"CREATE TABLE" in metadata
    save = runbook.inside(runbook.the_one("Back up", place, "tar --create"))
    files = subprocess.run(_home_of(save, home), capture_output=True, check=True).stdout

    home.path.rename(tmp_path / "lost")
    home.path.mkdir()  # an empty volume
    new.address(monkeypatch)
    new.run(runbook.the_one("Restore", place, "mariadb "), given=metadata)
    restore = runbook.inside(runbook.the_one("Restore", place, "tar --extract"))
    subprocess.run(_home_of(restore, home), input=files, check=True)

    assert _told(capsys) == before
    deu = home.deu("cello")
    assert deu.generations() == [1, 2, 3, 4]
    Voice.load(deu.voice_path(1))
    assert list((tmp_path / "lost" / "deus" / "cello").glob("pipeline/*"))
    assert not list(deu.path.glob("pipeline/*")), "caches are made again"


def test_the_next_generation_grows_from_what_was_restored(
    home, told, pods, capsys, monkeypatch
):
    old, new = pods
    metadata = old.run(runbook.the_one("Back up", "kubectl", "mariadb-dump"))
    new.address(monkeypatch)
    new.run(runbook.the_one("Restore", "kubectl", "mariadb "), given=metadata)
    again = Tale(home, told.deu)
    again.ids, again.digests = told.ids, told.digests
    again.tell(5, 3, takes=[("b.wav", "b" * 64)])
    assert main(["lineage", "cello", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["generations"]
    assert [(r["generation"], r["parent_generation"]) for r in rows] == [
        *((1, None), (2, 1), (3, 2), (4, 1)),
        (5, 3),
    ]


def test_a_dump_is_of_one_moment(home, told, pods):
    """What a practice writes meanwhile is in it whole or not at all: it is one transaction."""
    line = runbook.the_one("Back up", "kubectl", "mariadb-dump")
    assert "--single-transaction" in line
    tables = pods[0].server.say(
        f"select distinct engine from information_schema.tables "
        f"where table_schema = '{DATABASE}'"
    )
    assert tables.stdout.split() == ["InnoDB"], "others know no transactions"


def test_a_password_is_rotated_and_the_old_one_is_worth_nothing(
    home, told, pods, tmp_path, capsys, monkeypatch
):
    pod = pods[0]
    before = _told(capsys)
    kept = pod.password.read_text()
    line = runbook.the_one("Rotate a token", "kubectl", "mariadb ")
    words, _, _ = line.partition(" | ")
    fresh = tmp_path / "password"
    fresh.write_text(f"{secrets.token_hex(32)}\n")
    said = subprocess.run(
        ["sh", "-c", words], cwd=tmp_path, capture_output=True, check=True
    ).stdout
    pod.run(line, given=said)

    with pytest.raises(RefusedError, match="Access denied"):
        pod.run(runbook.the_one("Back up", "kubectl", "mariadb-dump"))
    assert main(["lineage", "cello"]) == 2
    assert "password" in capsys.readouterr().err
    pod.password.write_text(fresh.read_text())
    assert pod.password.read_text() != kept
    assert _told(capsys) == before


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """The bucket of the runbook, on an emulator of Google's."""
    (line,) = [ln for ln in runbook.section("Restore") if " deu pull " in ln]
    url = line.split()[-1]
    assert url.startswith("gs://")
    for name in emulators.CLEARED:
        monkeypatch.delenv(name, raising=False)
    with emulators.google() as leads:
        told = emulators.bare_environment(tmp_path) | leads
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        emulators.make_bucket("gs", told, url.split("/")[2])
        yield url


def test_voices_come_back_from_the_bucket_where_the_home_is_lost(
    home, told, pods, bucket, tmp_path, capsys, monkeypatch
):
    assert main(["deu", "push", "cello", bucket, "--generation", "1"]) == 0
    home.path.rename(tmp_path / "lost")
    pods[1].address(monkeypatch)
    lines = [ln for ln in runbook.section("Restore") if " amadeus deu " in ln]
    for line in lines:
        assert main(runbook.inside(line)[1:]) == 0, line
    (voice,) = list_voices(bucket, "cello")
    short = voice.digest.removeprefix("sha256:")[:12]
    assert f"generation 1, {short}" in capsys.readouterr().out
    deu = home.deu("cello")
    assert deu.generations() == [1]
    Voice.load(deu.voice_path(1))
    assert main(["lineage", "cello"]) == 0
