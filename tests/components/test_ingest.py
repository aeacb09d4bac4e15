import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from amadeus.audio import decode, passages
from components import records
from components.audio_example_gen import ingest, looking, takes
from components.audio_example_gen.splitting import Rule
from components.split_names import SPLITS
from tests.components import sounds

RATE = sounds.SAMPLE_RATE


@pytest.fixture
def uris(tmp_path):
    for split in SPLITS:
        (tmp_path / split).mkdir()
    return {split: str(tmp_path / split) for split in SPLITS}


RULES = {  # of how many takes, how many fall to eval, and which digest is the lowest
    frozenset({"train", "eval"}): (1, 0, "take"),
    frozenset({"train"}): (2, 0, "another"),
    frozenset({"eval"}): (2, 0, "take"),
}


def ingest_take(path, uris, splits, *, eval_fraction=0.1):
    (take,) = takes.gather([str(path)]).takes
    look = looking.look((0, take), eval_fraction=eval_fraction)
    n_takes, n_eval, lowest = RULES[frozenset(splits)]
    lowest = take.digest if lowest == "take" else lowest
    rule = Rule(eval_fraction, n_takes, n_eval, lowest, "")
    if look.survey is not None:
        (row,) = ingest.write_shard(
            (take.digest[:32], [look]),
            looking.Total(rule),
            split_uris=uris,
            sample_rate=RATE,
        )
        assert row.splits == tuple(sorted(splits))
    return take


def read(uris, split):
    """Offsets and audio of all passages of a split."""
    examples = [
        e
        for path in records.list_files(uris[split])
        for e in records.read_records(path)
    ]
    return [
        (
            e.features.feature["offset_samples"].int64_list.value[0],
            records.floats(e.features.feature["audio"]),
        )
        for e in examples
    ]


def sounding(path):
    blocks = decode.stream(path, sample_rate=RATE)
    return list(passages.split_passages(blocks, sample_rate=RATE))


def test_a_take_goes_whole_to_its_split(tmp_path, uris, rng):
    audio = np.concatenate(
        [sounds.notes(rng, seconds=2), np.zeros(3 * RATE), sounds.notes(rng, seconds=1)]
    )
    path = sounds.write(tmp_path / "take.wav", audio)
    take = ingest_take(path, uris, {"eval"})
    assert read(uris, "train") == []
    written = read(uris, "eval")
    assert len(written) == len(sounding(path)) == 2
    for (offset, part), passage in zip(written, sounding(path), strict=True):
        assert offset == passage.offset_samples
        assert_array_equal(part, passage.audio)
        # what was written is the recording at that offset; 16 bits keep 1/32768
        assert_allclose(part, audio[offset : offset + len(part)], atol=1e-3)
    (file,) = records.list_files(uris["eval"])
    (first, _) = records.read_records(file)
    feature = first.features.feature
    assert feature["take"].bytes_list.value == [take.digest.encode()]
    assert feature["name"].bytes_list.value == [b"take.wav"]
    assert feature["sample_rate"].int64_list.value == [RATE]


@pytest.mark.parametrize("eval_fraction", [0.01, 0.25, 0.5])
@pytest.mark.parametrize("seconds", [(8,), (3, 5, 2), (0.6, 0.6)])
def test_a_lone_take_gives_its_end_to_eval(tmp_path, uris, rng, eval_fraction, seconds):
    gap = np.zeros(2 * RATE)
    parts = [part for s in seconds for part in (sounds.notes(rng, seconds=s), gap)]
    path = sounds.write(tmp_path / "take.wav", np.concatenate(parts))
    ingest_take(path, uris, {"train", "eval"}, eval_fraction=eval_fraction)
    train, held_out = read(uris, "train"), read(uris, "eval")
    joined = np.concatenate([audio for _, audio in train + held_out])
    assert_array_equal(joined, np.concatenate([p.audio for p in sounding(path)]))
    assert train[-1][0] + len(train[-1][1]) <= held_out[0][0]  # the end, and no overlap
    n_eval = sum(len(audio) for _, audio in held_out)
    wanted = max(eval_fraction * len(joined), min(RATE, len(joined) // 2))
    assert n_eval == pytest.approx(wanted, abs=RATE / 4)  # a sliver may move
    assert min(len(audio) for _, audio in train + held_out) >= RATE // 4


def test_a_silent_take_is_no_record(tmp_path, uris):
    path = sounds.write(tmp_path / "silence.wav", np.zeros(RATE))
    ingest_take(path, uris, {"train"})
    assert read(uris, "train") == []


def test_a_long_take_lies_in_several_files_that_read_as_one(
    tmp_path, uris, rng, monkeypatch
):
    phrases = [
        part
        for _ in range(5)
        for part in (sounds.notes(rng, seconds=2), np.zeros(3 * RATE))
    ]
    path = sounds.write(tmp_path / "long.wav", np.concatenate(phrases))
    take = ingest_take(path, uris, {"train"})
    (whole,) = records.list_files(uris["train"])
    expected = read(uris, "train")
    assert len(expected) == 5
    (tmp_path / "train" / records.file_name(take.digest)).unlink()
    monkeypatch.setattr(ingest, "PART_S", 4)
    ingest_take(path, uris, {"train"})
    parts = records.list_files(uris["train"])
    assert parts[0] == whole
    assert len(parts) == 3
    found = read(uris, "train")
    assert [offset for offset, _ in found] == [offset for offset, _ in expected]
    for (_, one), (_, other) in zip(found, expected, strict=True):
        assert_array_equal(one, other)
