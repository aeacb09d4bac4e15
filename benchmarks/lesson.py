"""How good a voice is after N minutes of training on a folder of recordings.

    python -m benchmarks lesson FOLDER [--minutes 4] [--seed 0] [--learner KEY=VALUE ...]

Goes through the functions of the pipeline, without TFX around them: the same takes are held out, the
same features extracted, the same training run, and the exported voice is judged on every held-out
passage as a whole.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from amadeus.errors import AmadeusError


def build_parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks lesson")
    parser.add_argument("recordings", nargs="+", help="files, folders or globs")
    parser.add_argument("--minutes", type=float, help="training time")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--learner", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument(
        "--records", type=Path, help="folder that keeps the records for the next run"
    )
    return parser


def main(argv: list[str]) -> int:
    """Runs the benchmark and prints its table."""
    options = build_parser().parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with tempfile.TemporaryDirectory() as scratch:
            _run(options, Path(scratch))
    except AmadeusError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace, scratch: Path) -> None:
    from amadeus.personality import profiles
    from amadeus.v1 import personality_pb2
    from amadeus.voice import export, training

    profile = profiles.parse_learner_settings(options.learner)
    if options.minutes is not None:
        profile.training_minutes = options.minutes
    if options.seed is not None:
        profile.seed = options.seed
    profile = profiles.complete_learner_profile(profile)
    records_path = options.records or scratch / "records"
    started_at = time.monotonic()
    if not records_path.exists():
        _prepare(options.recordings, profile, records_path)
    print(f"prepared in {time.monotonic() - started_at:.0f} s", flush=True)
    result = training.train(
        str(records_path / "train" / "*.gz"),
        str(records_path / "eval" / "*.gz"),
        profile=profile,
        checkpoint_path=scratch / "checkpoint",
        emit=_show,
    )
    started_at = time.monotonic()
    voice_path = scratch / "voice"
    personality = personality_pb2.Personality(learner_profile=profile)
    export.export(result.model, voice_path, personality)
    export_s = time.monotonic() - started_at
    _print_table(result, export_s)
    metrics = _judge(voice_path, records_path / "eval", profile)
    print("\nheld-out passages, each as a whole")
    for name, value in sorted(metrics.items()):
        print(f"{value:10.3f}  {name}")


def _prepare(recordings, profile, records_path: Path) -> None:
    from amadeus.audio.recordings import find_recordings
    from components import records
    from components.audio_example_gen import ingest, takes
    from components.ddsp_transform.transform import AddFeatures, RecordFile

    found = [str(path) for path in find_recordings(recordings)]
    gathered = takes.gather(found).takes
    splits = takes.assign_splits(
        [take.digest for take in gathered], eval_fraction=profile.eval_fraction
    )
    audio_uris = {s: str(records_path / "audio" / s) for s in ("train", "eval")}
    target_uris = {s: str(records_path / s) for s in ("train", "eval")}
    for uri in (*audio_uris.values(), *target_uris.values()):
        os.makedirs(uri)
    adder = AddFeatures(profile.SerializeToString())
    adder.setup()
    for take in gathered:
        ingest.write_take(
            ingest.Assignment(take, frozenset(splits[take.digest])),
            split_uris=audio_uris,
            sample_rate=profile.sample_rate,
            eval_fraction=profile.eval_fraction,
        )
        for split in splits[take.digest]:
            source = os.path.join(audio_uris[split], records.file_name(take.digest))
            target = os.path.join(target_uris[split], records.file_name(take.digest))
            for _ in adder.process(RecordFile(source, target, split)):
                pass


def _judge(voice_path: Path, eval_path: Path, profile) -> dict[str, float]:
    """Resynthesises every held-out passage as the Evaluator does."""
    from amadeus.voice import evaluation
    from amadeus.voice.player import Voice
    from amadeus.voice.sampler import read_passages

    held_out = (
        evaluation.HeldOut(passage.name, passage.audio, passage.features)
        for passage in read_passages(str(eval_path / "*.gz"))
    )
    voice = Voice.load(voice_path)
    return evaluation.evaluate(voice, held_out, profile=profile).metrics


def _show(training_progress=None, warning=None) -> None:
    if warning is not None:
        print(f"warning: {warning.text}", file=sys.stderr)


def _print_table(result, export_s: float) -> None:
    print("\n   step   seconds   train loss   held-out loss")
    for step, elapsed_s, train_loss, eval_loss in result.history:
        print(f"{step:7d}  {elapsed_s:8.1f}  {train_loss:11.3f}  {eval_loss:14.3f}")
    per_step_ms = 1000 * result.duration_s / result.step_count
    print(
        f"\n{result.step_count} steps in {result.duration_s:.1f} s ({per_step_ms:.0f} ms each, all included), "
        f"ended: {result.ending}; export {export_s:.1f} s; load {os.getloadavg()[0]:.1f}"
    )
    print(f"best held-out loss while training  {result.eval_loss:.3f}")
