"""Reading lineage: a store of many generations with branches, and one that is a single long line.

    python -m benchmarks lineage [--generations 10000] [--deep 5000]

Reading is timed in a process of its own, as whoever asks waits for it; the import of ML Metadata is told beside it.
What was read once is kept beside the deu, so the first reading is told apart from the next. `AMADEUS_METADATA` may name
a MySQL server instead of a file; then each of the two needs a database of its own: leave one out with
`--generations 0` or `--deep 0`.
"""

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROUNDS = 3
MAX_LISTING_S, MAX_ANCESTRY_S = 2.0, 0.2
BRANCHING = 0.1  # share of generations that grow from an earlier one
_METRICS = (
    "attack_error_ms",
    "f0_error_semitones",
    "f0_outlier_ratio",
    "loudness_error_db",
    "spectral_loss",
)


def fill(home_path: Path, n_generations: int, *, branching: float = BRANCHING) -> None:
    """Writes a store as practices leave it: artifacts, executions, events and a context.

    Args:
      home_path: Folder to make.
      n_generations: How many.
      branching: Share of generations that grow from any earlier one, not from the last; seeded.
    """
    from ml_metadata.proto import metadata_store_pb2 as mlmd

    from amadeus.home import Home
    from amadeus.lineage.store import Mode, open_store

    home = Home(home_path)
    deu = home.create_deu("cello")
    store = open_store(home, mode=Mode.READWRITE_OPENCREATE)
    assert store is not None
    kind = store.put_artifact_type(mlmd.ArtifactType(name="amadeus.Personality"))
    writer = store.put_execution_type(
        mlmd.ExecutionType(name="components.personality_writer.PersonalityWriter")
    )
    rng = random.Random(440)
    artifacts, parents = [], []
    for generation in range(1, n_generations + 1):
        parent = generation - 1
        if parent and rng.random() < branching:
            parent = rng.randint(1, generation - 1)
        parents.append(parent)
        artifact = mlmd.Artifact(
            type_id=kind,
            uri=str(deu.voices_path / str(generation)),
            state=mlmd.Artifact.LIVE,
        )
        properties = artifact.custom_properties
        properties["deu"].string_value = "cello"
        properties["generation"].int_value = generation
        properties["digest"].string_value = f"sha256:{generation:064x}"
        properties["parent_digest"].string_value = (
            f"sha256:{parent:064x}" if parent else ""
        )
        properties["practice"].string_value = f"20260101-{generation:06d}-abcd"
        properties["mlmd_uuid"].string_value = f"{generation:036x}"
        for name in _METRICS:
            properties[f"metric_{name}"].double_value = rng.random()
        artifacts.append(artifact)
    voices = store.put_artifacts(artifacts)
    state = mlmd.Execution.COMPLETE
    executions = store.put_executions(
        [mlmd.Execution(type_id=writer, last_known_state=state) for _ in voices]
    )
    events = []
    for voice, execution, parent in zip(voices, executions, parents, strict=True):
        events.append(
            mlmd.Event(
                artifact_id=voice, execution_id=execution, type=mlmd.Event.OUTPUT
            )
        )
        if parent:
            event = mlmd.Event(
                artifact_id=voices[parent - 1],
                execution_id=execution,
                type=mlmd.Event.INPUT,
            )
            event.path.steps.add(key="parent")
            events.append(event)
    store.put_events(events)


def measure(home_path: Path) -> None:
    """Times reading, and prints the medians."""
    start_s = time.perf_counter()
    from amadeus.home import Home
    from amadeus.lineage import ancestry_of, generations_of
    from amadeus.lineage.index import INDEX_NAME
    from amadeus.lineage.tree import lay_out, render_tree, standing_of

    import_s = time.perf_counter() - start_s
    home = Home(home_path)
    deu = home.deu("cello")
    deu.path.joinpath(INDEX_NAME).unlink(missing_ok=True)
    start_s = time.perf_counter()
    records = generations_of(home, deu)
    first_s = time.perf_counter() - start_s
    listing_s = _median(lambda: generations_of(home, deu))
    standing = standing_of(deu)
    drawing_s = _median(lambda: render_tree(standing, records))
    depths = {0: 0}
    for record in records:
        depths[record.generation] = depths[record.parent_generation or 0] + 1
    deepest = max(records, key=lambda r: depths[r.generation]).generation
    middle = sorted(records, key=lambda r: depths[r.generation])[len(records) // 2]
    n_tips = len(records) - len({r.parent_generation for r in records} - {None})
    assert len(lay_out(records)) == len(records)
    heavy = {"tensorflow", "tfx"} & sys.modules.keys()
    print(f"import {import_s:.2f} s; TensorFlow or TFX imported: {heavy or 'no'}")
    print(
        f"listing {len(records)} generations, {n_tips} branches: first {first_s:.2f} s, then {listing_s:.2f} s "
        f"(at most {MAX_LISTING_S:g}); drawing them {drawing_s:.2f} s"
    )
    for word, generation in (("median", middle.generation), ("deepest", deepest)):
        work_s = time.process_time()
        one_s = _median(lambda n=generation: ancestry_of(home, deu, n))
        work_s = (time.process_time() - work_s) / ROUNDS
        print(
            f"ancestry, {word}, {depths[generation]} deep: {one_s:.3f} s (at most {MAX_ANCESTRY_S:g}), of it "
            f"{work_s:.3f} s of work of this process"
        )


def _median(work: Callable[[], object]) -> float:
    times_s = []
    for _ in range(ROUNDS):
        start_s = time.perf_counter()
        work()
        times_s.append(time.perf_counter() - start_s)
    return statistics.median(times_s)


def main(argv: list[str]) -> int:
    """Fills a store and reads it."""
    parser = argparse.ArgumentParser("benchmarks lineage", description=__doc__)
    parser.add_argument("--generations", type=int, default=10_000)
    parser.add_argument("--branching", type=float, default=BRANCHING)
    parser.add_argument("--deep", type=int, default=5_000, help="of a single line")
    parser.add_argument("--home", type=Path, help="measure this one, filled before")
    options = parser.parse_args(argv)
    if options.home is not None:
        measure(options.home)
        return 0
    sizes = [(options.generations, options.branching), (options.deep, 0.0)]
    codes = [_measure_filled(*size) for size in sizes if size[0]]
    return max(codes, default=0)


def _measure_filled(n_generations: int, branching: float) -> int:
    with tempfile.TemporaryDirectory() as folder:
        home_path = Path(folder) / "home"
        start_s = time.perf_counter()
        fill(home_path, n_generations, branching=branching)
        print(f"filling {time.perf_counter() - start_s:.1f} s", flush=True)
        command = [sys.executable, "-m", "benchmarks", "lineage", "--home"]
        return subprocess.run([*command, str(home_path)], check=False).returncode
