"""Features of records, however the records lie in files."""

import numpy as np
from apache_beam import Pipeline

from amadeus.personality import profiles
from components import records
from components.beam_engine import local_args
from components.ddsp_transform import transform
from tests.components import sounds

RATE = sounds.SAMPLE_RATE


def write(path, passages):
    with records.write_records(str(path)) as write:
        for take, audio in passages:
            write(
                records.example(
                    {
                        "take": records.bytes_feature(take.encode()),
                        "audio": records.float_feature(audio),
                    }
                )
            )


def add_features(folder, files):
    """Runs the step; returns all records in the order of the files, and the statistics."""
    pairs = [
        transform.RecordFile(str(path), str(folder / f"f-{path.name}"), split)
        for split, path in files
    ]
    profile = profiles.complete_learner_profile(
        profiles.parse_learner_settings([f"sample_rate={RATE}"])
    )
    with Pipeline(argv=local_args()) as pipeline:
        transform.run(pairs, str(folder), profile=profile, pipeline=pipeline)
    made = [e for pair in pairs for e in records.read_records(pair.target)]
    text = (folder / transform.STATISTICS_NAME).read_text()
    return [e.SerializeToString(deterministic=True) for e in made], text


def test_how_records_lie_in_files_changes_nothing(tmp_path):
    rng = np.random.default_rng(440)
    passages = [
        (take * 64, sounds.notes(rng, seconds=1)) for take in ("a", "a", "a", "b")
    ]
    held_out = [("c" * 64, sounds.notes(rng, seconds=1))]
    layouts = {
        "one": [passages],  # many takes in a file
        "many": [passages[:1], passages[1:2], passages[2:]],  # a take in many files
    }
    found = {}
    for name, parts in layouts.items():
        folder = tmp_path / name
        folder.mkdir()
        files = [("train", folder / f"{n}.gz") for n in range(len(parts))]
        for (_, path), part in zip(files, parts, strict=True):
            write(path, part)
        write(folder / "e.gz", held_out)
        found[name] = add_features(folder, [*files, ("eval", folder / "e.gz")])
    assert found["one"] == found["many"]
    assert '"train": 2' in found["one"][1]
    assert '"eval": 1' in found["one"][1]
