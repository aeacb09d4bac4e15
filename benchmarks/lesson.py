"""How good a voice is after minutes of practice, beside the peer that practised as long on the same recordings.

    python -m benchmarks lesson RECORDINGS [--minutes 10] [--quick-minutes 1] [--no-peer]
        [--learner KEY=VALUE ...] [--seed N] [--records FOLDER] [--pitch-seconds 20]

Recordings go through the code of AudioExampleGen and DdspTransform, without TFX around it; splits are by take, so
all systems hold out the same takes. Then, one after the other:

  - the peer, ddsp 3.7.0's solo_instrument with its published settings, learns for `--minutes`;
  - a voice of ours learns for `--quick-minutes`, and another from nothing for `--minutes`;
  - all play the held-out passages from their features and are judged by the same code, beside the ceiling: the
    passages resynthesised with their own true harmonic amplitudes.

`--records` keeps the features for the next run. Training on the clock is not the same twice; the seed decides all else.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from amadeus.errors import AmadeusError

GAIN_GOAL = 0.5  # of held-out loss, against the peer after the same time


def build_parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks lesson")
    parser.add_argument("recordings", nargs="+", help="files, folders or globs")
    parser.add_argument("--minutes", type=float, default=10.0, help="of practice, each")
    parser.add_argument(
        "--quick-minutes", type=float, default=1.0, help="of our quick lesson; 0: none"
    )
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--peer-batch", type=int, help="instead of the published batch")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--learner", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument(
        "--records", type=Path, help="folder that keeps the records for the next run"
    )
    parser.add_argument(
        "--pitch-seconds", type=float, default=20.0, help="judged by CREPE full"
    )
    return parser


def main(argv: list[str]) -> int:
    """Runs the benchmark and prints its tables."""
    options = build_parser().parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")  # what ddsp is written for
    try:
        with tempfile.TemporaryDirectory() as scratch:
            _run(options, Path(scratch))
    except AmadeusError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace, scratch: Path) -> None:
    from benchmarks import judge

    profile = _profile(options)
    records = _prepare(options, profile, scratch)
    systems = {}
    if not options.no_peer:
        systems["ddsp"] = _peer(options, profile, scratch)
    if options.quick_minutes:
        systems[f"{options.quick_minutes:g} min"] = _ours(
            options, profile, records, scratch / "quick", options.quick_minutes
        )
    systems[f"{options.minutes:g} min"] = _ours(
        options, profile, records, scratch / "long", options.minutes
    )
    systems["ceiling"] = _ceiling(options, profile, records, scratch)
    judge.print_table(systems)
    if "ddsp" in systems:
        _print_goals(options, systems)
    print(f"load of the machine over 1, 5, 15 minutes: {os.getloadavg()}")


def _profile(options: argparse.Namespace):
    from amadeus.personality import profiles

    profile = profiles.parse_learner_settings(options.learner)
    if options.seed is not None:
        profile.seed = options.seed
    return profiles.complete_learner_profile(profile)


def _ours(options, profile, records: Path, scratch: Path, minutes: float) -> dict:
    from amadeus.v1 import personality_pb2
    from amadeus.voice import export, training
    from amadeus.voice.player import Voice
    from benchmarks import judge
    from benchmarks.measures import bands

    learned = type(profile)()
    learned.CopyFrom(profile)
    learned.training_minutes = minutes
    result = training.train(
        str(records / "train" / "*.gz"),
        str(records / "eval" / "*.gz"),
        profile=learned,
        checkpoint_path=scratch / "checkpoint",
        emit=_show,
    )
    _print_history(result)
    personality = personality_pb2.Personality(learner_profile=learned)
    export.export(result.model, scratch / "voice", personality)
    voice, pairs = Voice.load(scratch / "voice"), _held_out(records)
    threshold = profile.f0_confidence_threshold
    answers = list(judge.answers(pairs, voice.render, threshold=threshold))
    metrics = _judge(options, answers, threshold, scratch.parent)
    if profile.sample_rate > bands.REFERENCE_RATE:
        _print_bands(answers, profile.sample_rate)
    return metrics | judge.probe_learned(voice.render, pairs, threshold=threshold)


def _print_bands(answers: list, sample_rate: int) -> None:
    """Shows that a voice of a high rate has content up there where the recordings have."""
    from benchmarks.measures import bands

    sounds = {
        "original": [pair.original for pair in answers],
        "voice": [pair.resynthesis for pair in answers],
    }
    bands.print_table(
        {
            name: bands.band_levels_db(found, sample_rate=sample_rate)
            for name, found in sounds.items()
        }
    )


def _peer(options: argparse.Namespace, profile, scratch: Path) -> dict:
    """Lets the peer learn from features on its own clock, and judges it."""
    from benchmarks.measures import peer

    theirs = type(profile)()
    theirs.CopyFrom(profile)
    theirs.sample_rate, theirs.frame_rate = peer.SAMPLE_RATE, peer.FRAME_RATE
    records = scratch / "peer"
    if options.records:
        records = options.records.with_name(f"{options.records.name}-{peer.FRAME_RATE}")
    if not records.exists():
        gather(options.recordings, theirs, records)
    solo = peer.SoloInstrument(seed=profile.seed)
    n_batch = options.peer_batch or peer.PUBLISHED_BATCH_SIZE
    losses, started_at = [], time.monotonic()
    for crops in _peer_crops(records, theirs, n_batch):
        losses.append(solo.learn(*crops))
        if time.monotonic() - started_at >= 60 * options.minutes:
            break
    duration_s = time.monotonic() - started_at
    print(
        f"\nddsp: {len(losses)} steps of {n_batch} crops in {duration_s:.0f} s, "
        f"last training losses {np.mean(losses[-10:]):.3f}",
        flush=True,
    )
    answers = [
        pair._replace(
            resynthesis=solo.render(
                pair.features.f0_hz[:-1], pair.features.loudness_db[:-1]
            )
        )
        for pair in _held_out(records)
    ]
    return _judge(options, answers, profile.f0_confidence_threshold, scratch)


def _peer_crops(records: Path, profile, n_batch: int) -> Iterator[tuple]:
    from amadeus.voice.sampler import CropSampler, read_passages
    from benchmarks.measures import peer

    sampler = CropSampler(
        read_passages(str(records / "train" / "*.gz")),
        n_frames=round(peer.CROP_S * peer.FRAME_RATE),
        batch_size=n_batch,
        f0_confidence_threshold=profile.f0_confidence_threshold,
        seed=profile.seed,
    )
    step = 0
    while True:
        crops = sampler.crops(step)
        # its frame i lies at the start of block i, and it knows no unvoiced ones
        yield crops.audio, np.abs(crops.f0_hz[:, :-1]), crops.loudness_db[:, :-1]
        step += 1


def _ceiling(options, profile, records: Path, scratch: Path) -> dict:
    from benchmarks import judge

    threshold = profile.f0_confidence_threshold
    best = judge.ceiling(
        _held_out(records),
        n_harmonics=profile.harmonic_count,
        n_noise_bands=profile.noise_band_count,
        threshold=threshold,
    )
    return _judge(options, best, threshold, scratch)


def _held_out(records: Path) -> list:
    from amadeus.voice.sampler import read_passages
    from benchmarks import judge

    return judge.unanswered(read_passages(str(records / "eval" / "*.gz")))


def _judge(options, answers, threshold: float, scratch: Path) -> dict:
    from benchmarks import judge

    return judge.judge(
        answers,
        threshold=threshold,
        pitch_s=options.pitch_seconds,
        cache_path=scratch / "pitch",
    )


def _prepare(options: argparse.Namespace, profile, scratch: Path) -> Path:
    records = options.records or scratch / "records"
    started_at = time.monotonic()
    if not records.exists():
        gather(options.recordings, profile, records)
    print(f"prepared in {time.monotonic() - started_at:.0f} s", flush=True)
    return records


def gather(recordings: list[str], profile, records_path: Path) -> None:
    """Makes the records of a practice, `train` and `eval` below `records_path`."""
    import apache_beam as beam

    from amadeus.audio.recordings import find_recordings
    from components import records
    from components.audio_example_gen import ingest, takes
    from components.ddsp_transform.transform import AddFeatures, RecordFile
    from pipelines import runner

    found = [str(path) for path in find_recordings(recordings)]
    audio_uris = {s: str(records_path / "audio" / s) for s in ("train", "eval")}
    target_uris = {s: str(records_path / s) for s in ("train", "eval")}
    for uri in (*audio_uris.values(), *target_uris.values()):
        os.makedirs(uri)
    with beam.Pipeline(argv=runner.beam_args([])) as pipeline:
        ingest.run(
            takes.gather(found),
            audio_uris,
            str(records_path / "takes.json"),
            settings=ingest.settings_of(profile),
            pipeline=pipeline,
        )
    adder = AddFeatures(profile.SerializeToString())
    adder.setup()
    for split, audio_uri in audio_uris.items():
        for source in records.list_files(audio_uri):
            target = os.path.join(target_uris[split], os.path.basename(source))
            for _ in adder.process(RecordFile(source, target, split)):
                pass


def _show(training_progress=None, warning=None) -> None:
    if warning is not None:
        print(f"warning: {warning.text}", file=sys.stderr)


def _print_history(result) -> None:
    print("\n   step   seconds   train loss   held-out loss")
    for step, elapsed_s, train_loss, eval_loss in result.history:
        print(f"{step:7d}  {elapsed_s:8.1f}  {train_loss:11.3f}  {eval_loss:14.3f}")
    per_step_ms = 1000 * result.duration_s / result.step_count
    print(
        f"ours: {result.step_count} steps in {result.duration_s:.1f} s ({per_step_ms:.0f} ms each, all included), "
        f"ended: {result.ending}; best held-out loss while training {result.eval_loss:.3f}",
        flush=True,
    )


def _print_goals(options: argparse.Namespace, systems: dict) -> None:
    losses = {name: metrics["spectral_loss"] for name, metrics in systems.items()}
    if options.quick_minutes:
        quick = losses["ddsp"] - losses[f"{options.quick_minutes:g} min"]
        print(
            f"\nheld-out loss below ddsp's after {options.quick_minutes:g} min of ours: {quick:.2f} (at least 0)"
        )
    gain = losses["ddsp"] - losses[f"{options.minutes:g} min"]
    print(
        f"held-out loss below ddsp's after {options.minutes:g} min of each: {gain:.2f} (at least {GAIN_GOAL:g})"
    )
