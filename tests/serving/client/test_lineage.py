"""`amadeus lineage --studio` and `amadeus deu checkout|prune --studio`: a deu of a studio in another process."""

import asyncio
import json
import threading

import pytest

from amadeus import lineage
from amadeus.cli.main import main
from amadeus.home import Home
from tests.lineage.scribe import Tale
from tests.serving.studio.test_lineages import serving


@pytest.fixture
def there(tmp_path):
    return Home(tmp_path / "there")


@pytest.fixture
def tale(there):
    tale = Tale(there, there.create_deu("cello"))
    silent = {"silent": {"count": 1, "names": ["rest.wav"]}}
    tale.tell(1, takes=[("a.wav", "aa")], skipped=silent)
    tale.tell(2, 1, player={"brightness": 0.5})
    tale.tell(3, 1, kind="amadeus.Tuning")
    tale.deu.point_to(3)
    return tale


@pytest.fixture
def studio(there, tale, home, monkeypatch, capsys):
    """Runs a command here against a studio on another thread; hands back its status, output and errors."""
    monkeypatch.setenv("AMADEUS_HOME", str(home.path))
    ready, loop = threading.Event(), asyncio.new_event_loop()
    ports, stop = [], asyncio.Event()

    async def serve():
        async with serving(there) as (_, _servicer, port):
            ports.append(port)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(30)

    def run(*arguments):
        status = main([*arguments, "--studio", f"localhost:{ports[0]}"])
        said = capsys.readouterr()
        return status, said.out, said.err

    yield run
    loop.call_soon_threadsafe(stop.set)
    thread.join(30)
    loop.close()


def test_the_tree_there_reads_as_at_home(studio, there, tale, monkeypatch, capsys):
    status, told, _ = studio("lineage", "cello")
    assert status == 0
    monkeypatch.setenv("AMADEUS_HOME", str(there.path))
    assert main(["lineage", "cello"]) == 0
    here = capsys.readouterr().out
    is_place = "  files "
    assert [line for line in told.splitlines() if not line.startswith(is_place)] == [
        line for line in here.splitlines() if not line.startswith(is_place)
    ]
    assert str(there.path) not in told


def test_one_is_told_there_as_at_home(studio, there, monkeypatch, capsys):
    status, told, _ = studio("lineage", "show", "cello@1")
    assert status == 0
    assert "skipped 1 of 2: 1 is silent (rest.wav)" in told
    monkeypatch.setenv("AMADEUS_HOME", str(there.path))
    assert main(["lineage", "show", "cello@1"]) == 0
    here = capsys.readouterr().out
    is_place = "  files "
    assert [line for line in told.splitlines() if not line.startswith(is_place)] == [
        line for line in here.splitlines() if not line.startswith(is_place)
    ]


def test_json_and_dot_and_a_page(studio, tmp_path):
    _, text, _ = studio("lineage", "cello", "--format", "json")
    document = json.loads(text)
    assert document["current"] == 3
    takes = [g["recordings"] for g in document["generations"]]
    assert [t["duration_s"] for t in takes[0]] == [61.0]
    _, dot, _ = studio("lineage", "cello", "--format", "dot")
    assert "g1 -> g2;" in dot
    page = tmp_path / "page.html"
    status, said, err = studio("lineage", "cello", "--format=html", "-o", str(page))
    assert status == 0, err
    assert "3 generations, without sound" in said
    html = page.read_text()
    assert "it plays in the studio" in html
    assert "a.wav" in html
    assert html.count("<article") == 3
    assert "<audio" not in html


def test_one_and_two(studio):
    _, told, _ = studio("lineage", "show", "cello@1")
    assert "a.wav  1:01 min" in told
    assert "in the studio at localhost" in told
    _, told, _ = studio("lineage", "diff", "cello@1", "cello@2")
    assert "cello: generation 1 against generation 2" in told
    assert "brightness  0 -> 0.5" in told


def test_a_check_out_there_and_back(studio, tale):
    _, told, _ = studio("deu", "checkout", "cello@2")
    assert "cello plays generation 2 now in the studio" in told
    assert tale.deu.current_generation() == 2
    assert "back: amadeus deu checkout cello@3 --studio" in told
    _, told, _ = studio("deu", "checkout", "cello@2")
    assert "nothing was changed" in told


def test_a_prune_there(studio, tale, there):
    _, told, _ = studio("deu", "prune", "cello", "--branches", "--dry-run")
    assert "would free" in told
    assert "generation 2" in told
    assert tale.deu.generations() == [1, 2, 3]
    _, told, _ = studio("deu", "prune", "cello", "--branches")
    assert tale.deu.generations() == [1, 3]
    _, told, _ = studio("lineage", "show", "cello@2")
    assert "gone: it was pruned" in told
    assert len(lineage.generations_of(there, tale.deu)) == 3


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["lineage", "viola"], "no deu 'viola'"),
        (["lineage", "show", "cello"], "write a deu and a number"),
        (["lineage", "show", "cello@9"], "no generation 9"),
        (["deu", "checkout", "cello@9"], "generation 9"),
        (["deu", "checkout", "cello@0"], "count from 1"),
        (["deu", "prune", "cello", "--keep=0"], "keeps nothing"),
    ],
)
def test_what_the_studio_refuses_is_one_sentence(studio, tale, argv, words):
    status, _, said = studio(*argv)
    assert status == 2
    assert words in said
    assert said.count("\n") == 1
    assert tale.deu.current_generation() == 3
