"""ML Metadata on a real MariaDB: the same lineage, and errors in words."""

import itertools
import subprocess
import sys

import pytest

from amadeus import lineage
from amadeus.cli.main import main
from amadeus.errors import ConfigError, HomeError
from amadeus.lineage.prune import Rule, prune
from amadeus.lineage.store import Mode, name_store, open_store
from tests.lineage import mariadb
from tests.lineage.scribe import Tale

_numbers = itertools.count()


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    if mariadb.missing():
        pytest.skip(
            f"MariaDB is not here: install mariadb-server for {mariadb.missing()}"
        )
    with mariadb.running(tmp_path_factory.mktemp("mariadb")) as port:
        yield port


@pytest.fixture
def address(port, home, monkeypatch):
    """A database of its own, which ML Metadata makes."""
    address = f"mysql://{mariadb.USER}@127.0.0.1:{port}/amadeus_{next(_numbers)}"
    monkeypatch.setenv("AMADEUS_METADATA", address)
    monkeypatch.setenv("AMADEUS_METADATA_PASSWORD", mariadb.PASSWORD)
    return address


@pytest.fixture
def tale(home, address):
    """1 - 2 - 3, and 4 from 1."""
    tale = Tale(home, home.create_deu("cello"))
    for generation, parent in ((1, None), (2, 1), (3, 2), (4, 1)):
        tale.tell(generation, parent, takes=[("a.wav", "a" * 64)])
    return tale


def test_the_lineage_is_the_same_as_in_a_file(home, tale, capsys):
    deu = home.deu("cello")
    records = lineage.generations_of(home, deu)
    assert [r.parent_generation for r in records] == [None, 1, 2, 1]
    chain = lineage.ancestry_of(home, deu, 3)
    assert chain == [records[2], records[1], records[0]]
    assert [t.name for t in lineage.detailed(home, records[3]).takes] == ["a.wav"]
    for argv in (["lineage", "cello"], ["lineage", "diff", "cello@1", "cello@3"]):
        assert main(argv) == 0
    assert "├─" in capsys.readouterr().out
    assert not home.metadata_path.exists()


def test_pruning_and_attributing_write_there(home, tale):
    deu = home.deu("cello")
    assert lineage.attribute(home, deu) == lineage.attribute(home, deu) > 0
    prune(home, deu, Rule(branches=True))
    assert deu.generations() == [1, 4]
    assert len(lineage.generations_of(home, deu)) == 4


def test_the_doctor_looks_there(home, tale):
    from amadeus.cli.checks.home import check_metadata

    check = check_metadata(home)
    assert (check.state, "answers" in check.text) == ("ok", True)
    assert mariadb.PASSWORD not in check.text


def test_a_password_may_lie_in_a_file(home, tale, tmp_path, monkeypatch):
    monkeypatch.delenv("AMADEUS_METADATA_PASSWORD")
    (tmp_path / "secret").write_text(mariadb.PASSWORD + "\n")
    monkeypatch.setenv("AMADEUS_METADATA_PASSWORD_FILE", str(tmp_path / "secret"))
    assert len(lineage.generations_of(home, home.deu("cello"))) == 4
    monkeypatch.setenv("AMADEUS_METADATA_PASSWORD_FILE", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="cannot be read"):
        lineage.generations_of(home, home.deu("cello"))


@pytest.mark.parametrize("word", ["wrong", ""])
def test_a_refused_login_is_said_with_what_was_tried(
    home, tale, address, word, monkeypatch, capfd
):
    monkeypatch.setenv("AMADEUS_METADATA_PASSWORD", word)
    assert main(["lineage", "cello"]) == 2
    said = capfd.readouterr().err.splitlines()[-1]
    assert address in said
    assert f"tried {'with' if word else 'without'} a password" in said
    assert "AMADEUS_METADATA_PASSWORD" in said
    assert not word or word not in said.replace("AMADEUS", "")


def test_a_server_that_is_gone_is_named(home, tale, monkeypatch, capfd):
    monkeypatch.setenv("AMADEUS_METADATA", "mysql://ama@127.0.0.1:1/amadeus")
    monkeypatch.setenv("AMADEUS_METADATA_PATIENCE_S", "0")
    assert main(["lineage", "cello"]) == 2
    assert "check that the server runs there" in capfd.readouterr().err


def test_a_reader_reads_and_writes_nothing(home, tale, address, monkeypatch):
    monkeypatch.setenv("AMADEUS_METADATA", address.replace("ama@", "reader@"))
    deu = home.deu("cello")
    assert len(lineage.generations_of(home, deu)) == 4
    with pytest.raises(HomeError, match="cannot be"):
        prune(home, deu, Rule(branches=True))


def test_a_newer_schema_is_left_alone(home, tale, address, port):
    database = address.rpartition("/")[2]
    words = f"update {database}.MLMDEnv set schema_version = 11"
    command = [
        "mariadb", "--no-defaults", f"-u{mariadb.USER}", f"-p{mariadb.PASSWORD}", "-h127.0.0.1", f"-P{port}",
        "-e", words,
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(
        HomeError, match=r"has schema 11 .* reads schema 10: update Amadeus"
    ):
        lineage.generations_of(home, home.deu("cello"))


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("mysql://ama:secret@host/db", "holds a password"),
        ("postgres://host/db", "no address of metadata"),
        ("mysql://host", "no address of metadata"),
        ("mysql://host/a-b", "no address of metadata"),
        ("mysql://host/a;drop", "no address of metadata"),
        ("mysql://host:99999/db", "no port"),
        ("nonsense", "no address of metadata"),
    ],
)
def test_an_address_that_is_none_is_refused(home, monkeypatch, address, words):
    monkeypatch.setenv("AMADEUS_METADATA", address)
    with pytest.raises(ConfigError, match=words) as raised:
        open_store(home, mode=Mode.READONLY)
    assert "secret" not in str(raised.value)
    monkeypatch.setenv("AMADEUS_METADATA", "mysql://ama@host/db?socket=/x")
    assert name_store(home) == "mysql://ama@host/db"


def test_a_file_of_a_newer_schema_is_left_alone(home):
    import sqlite3

    deu = home.create_deu("cello")
    Tale(home, deu).tell(1)
    with sqlite3.connect(home.metadata_path) as database:
        database.execute("update MLMDEnv set schema_version = 11")
    before = home.metadata_path.read_bytes()
    for work in (lineage.generations_of, lineage.attribute):
        with pytest.raises(
            HomeError, match=r"has schema 11 .*: update Amadeus; nothing was changed"
        ):
            work(home, deu)
    assert home.metadata_path.read_bytes() == before


@pytest.mark.slow
def test_a_locked_file_is_said_to_be(home):
    deu = home.create_deu("cello")
    Tale(home, deu).tell(1)
    program = (
        "import sqlite3, sys\nd = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "d.execute('begin exclusive'); print('locked', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(home.metadata_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        holder.stdout.readline()
        with pytest.raises(HomeError, match="is locked by another process"):
            lineage.generations_of(home, deu)
    finally:
        holder.communicate()
    assert len(lineage.generations_of(home, deu)) == 1


def test_a_file_that_cannot_be_written_is_said_to_be(home, monkeypatch):
    from amadeus.lineage import write

    deu = home.create_deu("cello")
    Tale(home, deu).tell(1)
    readonly = open_store(home, mode=Mode.READONLY)  # as the rights of the file would
    monkeypatch.setattr(write, "open_store", lambda *_args, **_kwargs: readonly)
    with pytest.raises(
        HomeError, match=r"cannot be written .*read-only.*nothing was changed"
    ):
        lineage.attribute(home, deu)
