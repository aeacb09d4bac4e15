"""Killed at every step of placing and recording, and done again: whole or not there, and recorded exactly once."""

import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from amadeus import lineage
from amadeus.cli.main import main
from amadeus.home import Home
from amadeus.lineage.travel import pedigree_of
from amadeus.personality import content, inspection, weights
from amadeus.personality.bundle import write_bundle
from amadeus.personality.holding import hold
from tests.export.voices import SMALL, write_voice
from tests.lineage.scribe import Tale

# Each names what the process dies in, and before or after it.
STEPS = [
    ("amadeus.personality.generations._sign", "before"),
    ("amadeus.personality.content.write_personality", "after"),
    ("amadeus.personality.generations._rename_to_new", "before"),
    ("amadeus.personality.generations._rename_to_new", "after"),
    ("amadeus.personality.generations.place", "after"),
    ("amadeus.home.write_atomically", "before"),
    ("amadeus.home.write_atomically", "after"),
    ("amadeus.home.Deu.point_to", "after"),
    ("amadeus.lineage.write.record_import", "before"),
    ("amadeus.lineage.write.describe", "after"),
    ("ml_metadata.MetadataStore.put_lineage_subgraph", "before"),
    ("ml_metadata.MetadataStore.put_lineage_subgraph", "after"),
    ("amadeus.lineage.write.record_import", "after"),
]

# imports a bundle in a process that kills itself at one step
KILLED = """
import importlib, os, signal, sys
from pathlib import Path
from amadeus.home import Home
from amadeus.personality.holding import hold
import amadeus.lineage, amadeus.personality.generations, ml_metadata
name, when, home, bundle = sys.argv[1:]
parts = name.split(".")
for n in range(len(parts) - 1, 0, -1):
    try:
        owner = importlib.import_module(".".join(parts[:n]))
        break
    except ImportError:
        continue
for part in parts[n:-1]:
    owner = getattr(owner, part)
original = getattr(owner, parts[-1])
def dying(*args, **kwargs):
    if when == "after":
        original(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(owner, parts[-1], dying)
hold(Home(Path(home)), Path(bundle))
"""


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """Two generations of cello, the second with its lineage, as bundles."""
    folder = tmp_path_factory.mktemp("bundles")
    home = Home(folder / "abroad")
    deu = home.create_deu("cello")
    tale = Tale(home, deu)
    voices = [write_voice(folder / f"v{n}", **SMALL, seed=n) for n in (1, 2)]
    tale.tell(1, takes=[("a.wav", "a" * 64)], voice=voices[0])
    tale.tell(2, 1, takes=[("b.wav", "b" * 64)], voice=voices[1])
    paths = []
    for n in (1, 2):
        paths.append(folder / f"{n}.deu")
        voice = deu.voice_path(n)
        write_bundle(voice, paths[-1], lineage=pedigree_of(voice))
    return paths


def whole(deu):
    """Checks that every generation that is there is whole; returns their numbers."""
    for number in deu.generations():
        path = deu.voice_path(number)
        who = content.read_personality(path)
        assert who.generation == number
        inspection.check_digest(who, weights.read_weights(path / "variables"))
    return deu.generations()


@pytest.mark.parametrize(("step", "when"), STEPS)
def test_an_import_killed_anywhere_is_whole_or_not_there(home, bundles, step, when):
    first, second = bundles
    hold(home, first)
    deu = home.deu("cello")
    command = [sys.executable, "-c", KILLED, step, when, str(home.path), str(second)]
    died = subprocess.run(command, capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    before = whole(deu)
    assert before in ([1], [1, 2])
    assert deu.current_generation() in before
    assert [r.generation for r in lineage.generations_of(home, deu)] in ([1], [1, 2])
    hold(home, second)
    assert whole(deu) == [1, 2]
    assert deu.current_generation() == 2
    _, two = lineage.generations_of(home, deu)
    assert (two.parent_generation, two.is_imported) == (1, True)
    assert [t.name for t in lineage.detailed(home, two).takes] == ["b.wav"]
    store = Tale(home, deu).store
    recorded = store.get_artifacts_by_type("amadeus.Personality")
    assert len(recorded) == 2, "each exactly once"
    left = {p.name for p in deu.voices_path.iterdir()}
    assert left == {"1", "2"}


def test_what_was_not_recorded_is_told_and_then_recorded(home, bundles, capsys):
    first, second = bundles
    hold(home, first)
    deu = home.deu("cello")
    step = ("amadeus.lineage.write.record_import", "before")
    command = [sys.executable, "-c", KILLED, *step, str(home.path), str(second)]
    subprocess.run(command, capture_output=True, check=False)
    assert lineage.find_unrecorded(home, deu) == [2]
    assert main(["lineage", "cello"]) == 0
    assert "there, but not recorded yet: 2" in capsys.readouterr().out
    from amadeus.cli.checks.home import check_records

    (check,) = check_records(home, deu)
    assert (check.state, "generation 2" in check.text) == ("warning", True)
    assert lineage.repair(home, deu) == [2]
    assert lineage.repair(home, deu) == []
    assert list(check_records(home, deu)) == []
    assert [r.n_elsewhere for r in lineage.generations_of(home, deu)] == [0, 0]


def test_a_practice_that_was_not_recorded_is_recorded_by_the_next(home):
    deu = home.create_deu("cello")
    tale = Tale(home, deu)
    tale.tell(1, takes=[("a.wav", "a" * 64)])
    other = deu.voices_path / "2"
    shutil.copytree(deu.voices_path / "1", other)
    who = content.read_personality(other)
    who.generation, who.parent_digest, who.digest = 2, who.digest, "sha256:" + "9" * 64
    content.write_personality(other, who)
    (deu.practices_path / who.practice).mkdir(parents=True)
    assert lineage.repair(home, deu) == [2]
    _, two = lineage.generations_of(home, deu)
    assert (two.kind, two.parent_generation, two.digest) == ("found", 1, who.digest)
    # the practice is taken up again and records it itself: that is what counts
    _tell_again(tale, who)
    (_, two) = lineage.generations_of(home, deu)
    assert two.kind == "imitation"


def _tell_again(tale, who):
    voice = tale._artifact("amadeus.Personality", str(tale.deu.voices_path / "2"))
    for name in ("deu", "digest", "parent_digest", "practice"):
        voice.custom_properties[name].string_value = getattr(who, name)
    voice.custom_properties["generation"].int_value = 2
    tale._execute("Writer", [(tale.ids[1], "parent")], [voice])


def test_many_imports_at_once_are_each_recorded_once(home, bundles):
    with ThreadPoolExecutor(4) as pool:
        held = list(pool.map(lambda path: hold(home, path), bundles * 3))
    deu = home.deu("cello")
    assert whole(deu) == [1, 2]
    assert sum(not h.already_held for h in held) == 2
    digests = {r.digest for r in lineage.generations_of(home, deu)}
    assert len(digests) == 2
    store = Tale(home, deu).store
    held_artifacts = [
        a
        for a in store.get_artifacts_by_type("amadeus.Personality")
        if a.custom_properties["generation"].int_value
    ]
    assert len(held_artifacts) == 2


def test_two_processes_on_one_store(home, bundles):
    program = (
        "import sys; from pathlib import Path; from amadeus.home import Home\n"
        "from amadeus.personality.holding import hold\n"
        "hold(Home(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3])\n"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(home.path), str(path), name],
            stderr=subprocess.PIPE,
        )
        for name, path in (("cello", bundles[0]), ("cello", bundles[1]), ("viola", bundles[0]))
    ]  # fmt: skip
    for run in runs:
        assert run.wait(120) == 0, run.stderr.read()
        run.stderr.close()
    assert len(lineage.generations_of(home, home.deu("cello"))) == 2
    assert len(lineage.generations_of(home, home.deu("viola"))) == 1
