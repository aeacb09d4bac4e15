"""Data sets in buckets: browsed, sorted, and brought here as far as they are wanted."""

import gzip
import json
import secrets
from pathlib import Path

import pytest

from amadeus.cli.main import main
from amadeus.datasets import tfrecord
from amadeus.datasets.bringing import bring
from amadeus.datasets.choice import Choice, parse_place
from amadeus.datasets.files import find_files
from amadeus.datasets.notes import Found, walk
from amadeus.errors import RecordingError
from amadeus.stores import open_store
from tests.datasets import notes_made
from tests.stores import emulators

pytestmark = pytest.mark.cluster


@pytest.fixture
def bucket(reach):
    environment = reach("s3")
    name = f"amadeus-{secrets.token_hex(6)}"
    emulators.make_bucket("s3", environment, name)
    store = open_store(f"s3://{name}/sets")
    store.write("a.tfrecord", _framed(notes_made.several(33)))
    store.write(
        "deep/b.tfrecord.gz", gzip.compress(_framed(notes_made.several(33, first=33)))
    )
    store.write("readme.txt", b"x")
    return f"s3://{name}/sets"


def _framed(records):
    return b"".join(map(tfrecord.frame, records))


def _names(path):
    found = [
        one for file in find_files([str(path)]) for one in walk(file.place, Choice())
    ]
    assert all(isinstance(one, Found) for one in found)
    return sorted(one.label.name for one in found)


def test_a_folder_and_an_object_are_browsed(bucket, capsys):
    assert main(["dataset", "nsynth", bucket, "--family", "flute", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["files"], told["notes"], told["not_chosen"]) == (2, 6, 60)
    assert main(["dataset", "nsynth", f"{bucket}/a.tfrecord", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["notes"] == 33


def test_a_bucket_is_sorted(bucket, tmp_path, capsys):
    target = tmp_path / "out"
    words = ["dataset", "nsynth", bucket, "--source", "acoustic", "--sort", str(target)]
    assert main(words) == 0
    records = notes_made.several(66)
    (tmp_path / "all").write_bytes(_framed(records))
    expected = [
        one.label.name
        for one in walk(tmp_path / "all", Choice(source=("acoustic",)))
        if isinstance(one, Found)
    ]
    assert _names(target) == sorted(expected)
    assert [path.name for path in target.iterdir() if path.name.startswith(".")] == []


def test_only_what_is_wanted_is_brought_and_only_once(bucket, tmp_path):
    said = []
    word = bring(f"nsynth:{bucket}#family=flute", tmp_path / "home", say=said.append)
    place = parse_place(word)
    assert str(place.choice) == "family=flute"
    assert len(_names(place.path)) == 6
    assert len(said) == 2
    assert (
        bring(f"nsynth:{bucket}#family=flute", tmp_path / "home", say=said.append)
        == word
    )
    assert len(said) == 2


def test_an_object_that_changed_is_brought_again(bucket, tmp_path):
    word = bring(f"nsynth:{bucket}#family=flute", tmp_path / "home")
    open_store(bucket).write("a.tfrecord", _framed(notes_made.several(11, first=1000)))
    assert bring(f"nsynth:{bucket}#family=flute", tmp_path / "home") == word
    assert len(_names(Path(parse_place(word).path))) == 1 + 3


def test_damage_in_a_bucket_is_told(bucket, tmp_path):
    data = bytearray(_framed(notes_made.several(33)))
    data[70] ^= 1
    open_store(bucket).write("a.tfrecord", bytes(data))
    said = []
    bring(f"nsynth:{bucket}", tmp_path / "home", say=said.append)
    assert [line for line in said if line.startswith("left out: a.tfrecord, byte 0")]


@pytest.mark.parametrize(
    ("end", "says"),
    [
        ("#pitch=1", "no note of .* is one of pitch=1"),
        ("/none", "holds no files of records"),
    ],
)
def test_what_is_not_there_is_a_sentence(bucket, tmp_path, end, says):
    with pytest.raises(RecordingError, match=says):
        bring(f"nsynth:{bucket}{end}", tmp_path / "home")
