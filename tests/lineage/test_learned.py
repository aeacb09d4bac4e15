"""What a generation learned from is read from a property, or from the file that stands for many."""

import json

import pytest
from ml_metadata.proto import metadata_store_pb2

from amadeus.lineage.learned import MANY, find_learned
from amadeus.lineage.records import GenerationRecord
from amadeus.lineage.text import _lines

ROWS = [
    {"name": f"{n}.wav", "digest": f"{n:064x}", "splits": ["train"], "duration_s": 1.0}
    for n in range(2 * MANY)
]
SKIPPED = {"undecodable": {"count": 2, "names": ["a.wav", "b.wav"]}}


def examples(folder, rows=None, **counts):
    artifact = metadata_store_pb2.Artifact(uri=str(folder))
    own = artifact.custom_properties
    for name, count in counts.items():
        own[name].int_value = count
    if rows is not None:
        own["takes"].string_value = json.dumps(rows)
    else:
        own["takes_file"].string_value = "takes.json"
    return artifact


def test_a_property_and_a_file_tell_the_same(tmp_path):
    (tmp_path / "takes.json").write_text(json.dumps({"takes": ROWS[:9]}))
    of_file = find_learned([examples(tmp_path, take_count=9)])
    of_property = find_learned([examples(tmp_path, ROWS[:9], take_count=9)])
    of_old = find_learned([examples(tmp_path, ROWS[:9])])  # before there was a count
    assert of_file == of_property == of_old
    assert [take.name for take in of_file.takes] == [f"{n}.wav" for n in range(9)]


def test_a_file_that_is_gone_leaves_the_count(tmp_path):
    learned = find_learned([examples(tmp_path / "pruned", take_count=100_000)])
    assert (learned.takes, learned.n_takes) == ((), 100_000)
    assert "100,000 takes" in _show(learned)
    (tmp_path / "takes.json").write_text("{")
    assert find_learned([examples(tmp_path, take_count=3)]).n_takes == 3


def test_of_many_generations_at_once_each_names_the_first_of_its_takes(tmp_path):
    (tmp_path / "takes.json").write_text(json.dumps({"takes": ROWS}))
    artifact = examples(tmp_path, take_count=len(ROWS))
    some = find_learned([artifact], limit=MANY)
    assert (len(some.takes), some.n_takes) == (MANY, 2 * MANY)
    assert len(find_learned([artifact]).takes) == 2 * MANY


def test_what_was_skipped_is_told(tmp_path):
    artifact = examples(tmp_path, ROWS[:1], take_count=1, given_count=3)
    artifact.custom_properties["skipped"].string_value = json.dumps(SKIPPED)
    learned = find_learned([metadata_store_pb2.Artifact(), artifact])
    assert learned.skipped == "skipped 2 of 3: 2 cannot be decoded (a.wav, b.wav)"
    assert learned.skipped in _show(learned)


@pytest.mark.parametrize("found", [[], [metadata_store_pb2.Artifact()]])
def test_who_learned_from_nothing_known_has_no_takes(found):
    assert find_learned(found).n_takes == 0


def _show(learned):
    return "\n".join(_lines(GenerationRecord(**RECORD, **learned._asdict()), False))


RECORD = {
    "generation": 1,
    "digest": "sha256:" + "0" * 64,
    "parent_digest": "",
    "parent_generation": None,
    "practice": "p",
    "created_ms": 0,
    "voice_path": None,
}
