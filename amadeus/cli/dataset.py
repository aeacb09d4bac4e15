"""`amadeus dataset`: data sets of single notes, looked at, sorted and made."""

import json
from pathlib import Path

import click

from amadeus.cli.rooms import load
from amadeus.errors import ConfigError

_NOTHING_CHOSEN = (
    "--beam-arg is for --sort: leave it out, or name a folder with --sort."
)


@click.group()
def dataset() -> None:
    """Look at, sort and make data sets of single notes."""


@dataset.command()
@click.argument("words", metavar="FILES...", nargs=-1, required=True)
@click.option(
    "--family",
    multiple=True,
    metavar="NAME",
    help="Only this family, such as flute. May be repeated.",
)
@click.option(
    "--source",
    multiple=True,
    metavar="NAME",
    help="Only acoustic, electronic or synthetic notes. May be repeated.",
)
@click.option(
    "--pitch",
    multiple=True,
    metavar="RANGE",
    help="Only these MIDI notes: 60-72, 60 or C4-C5. May be repeated.",
)
@click.option(
    "--velocity",
    multiple=True,
    metavar="RANGE",
    help="Only these velocities: 25-75 or 100. May be repeated.",
)
@click.option(
    "--instrument",
    multiple=True,
    metavar="NAME",
    help="Only this instrument: flute_acoustic_002, or flute_acoustic_*. May be repeated.",
)
@click.option(
    "--sort",
    "target",
    metavar="FOLDER",
    help="Write what was chosen into a new FOLDER, in shards by instrument family.",
)
@click.option(
    "--shard-mb",
    type=click.IntRange(1, 65_536),
    default=256,
    help="With --sort: the most that a shard holds, in MiB. Default: 256.",
)
@click.option(
    "--beam-arg",
    metavar="ARG",
    multiple=True,
    help="With --sort: an option for Beam as it stands, such as --direct_num_workers=2. May be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def nsynth(
    words: tuple[str, ...],
    family: tuple[str, ...],
    source: tuple[str, ...],
    pitch: tuple[str, ...],
    velocity: tuple[str, ...],
    instrument: tuple[str, ...],
    target: str | None,
    shard_mb: int,
    beam_arg: tuple[str, ...],
    as_json: bool,
) -> int | None:
    """Show what FILES of NSynth hold: TFRecords, folders, globs, gs:// or s3:// URLs, plain or gzipped.

    Google's own files and those of TensorFlow Datasets are read alike. Every checksum is verified; what is damaged or
    of another kind is counted. With --sort records are written as they are, byte for byte, and FOLDER appears when all
    of it is there.
    """
    from amadeus.datasets.choice import make_choice
    from amadeus.datasets.files import find_files

    choice = make_choice(
        family=family,
        source=source,
        pitch=pitch,
        velocity=velocity,
        instrument=instrument,
    )
    if target is None and beam_arg:
        raise ConfigError(_NOTHING_CHOSEN)
    if target is not None:
        sorting = load("pipelines.datasets.sorting")
        folder = Path(target).expanduser() if "://" not in target else Path(target)
        order = sorting.Order(
            choice=choice, target=folder, shard_bytes=shard_mb * 2**20
        )
        sorting.check_target(order.target)
        command = load("pipelines.datasets.command")
        result = command.sort(find_files(words), order, beam_arg)
        _tell_sorted(result, order.target, as_json)
        return None
    from amadeus.datasets.census import take_census
    from amadeus.datasets.table import render

    census = take_census(find_files(words), choice)
    print(json.dumps(census.to_json(), indent=1) if as_json else render(census))
    return None


def _tell_sorted(result, target: Path, as_json: bool) -> None:  # noqa: ANN001
    if as_json:
        print((target / "index.json").read_text())
        return
    from amadeus.datasets.table import render

    print(render(result.census))
    print(
        f"\n{target}: {len(result.shards)} shards, {result.n_bytes / 1e6:,.1f} MB, and index.json"
    )
