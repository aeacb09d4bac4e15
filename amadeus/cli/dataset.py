"""`amadeus dataset`: data sets of single notes, looked at, sorted and made."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from amadeus.cli.rooms import load
from amadeus.errors import ConfigError

if TYPE_CHECKING:
    from amadeus.datasets.singles import Single, Wrong


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
) -> None:
    """Show what FILES of NSynth hold: TFRecords, folders, globs, gs:// or s3:// URLs, plain or gzipped.

    Google's own files and those of TensorFlow Datasets are read alike. Every checksum is verified; what is damaged or
    of another kind is counted. With --sort records are written as they are, byte for byte, and FOLDER appears when all
    of it is there.
    """
    from amadeus.datasets.choice import make_choice
    from amadeus.datasets.files import find_files
    from amadeus.datasets.folders import read_target

    choice = make_choice(
        family=family,
        source=source,
        pitch=pitch,
        velocity=velocity,
        instrument=instrument,
    )
    if target is None:
        _refuse_typed("shard_mb", "beam_arg", without="--sort")
    else:
        folder = read_target(target)
        sorting = load("pipelines.datasets.sorting")
        order = sorting.Order(
            choice=choice, target=folder, shard_bytes=shard_mb * 2**20
        )
        command = load("pipelines.datasets.command")
        result = command.sort(find_files(words), order, beam_arg)
        _tell_sorted(result, order.target, as_json)
        return
    from amadeus.datasets.census import take_census
    from amadeus.datasets.table import render

    census = take_census(find_files(words), choice)
    print(json.dumps(census.to_json(), indent=1) if as_json else render(census))


@dataset.command()
@click.argument("folder")
@click.option(
    "-o",
    "output",
    metavar="FOLDER",
    help="The data set to write. Without it names are held against what is heard, and nothing is written.",
)
@click.option(
    "--family", help="As NSynth has it, such as flute. Default: read from names."
)
@click.option(
    "--source",
    default="acoustic",
    help="acoustic, electronic or synthetic. Default: acoustic.",
)
@click.option(
    "--number",
    type=click.IntRange(0, 999),
    default=0,
    help="Of the instrument: 2 makes it flute_acoustic_002. Default: 0.",
)
@click.option(
    "--velocity",
    type=click.IntRange(0, 127),
    default=75,
    help="Of notes whose names say nothing of loudness. Default: 75.",
)
@click.option("--rate", type=int, help="Sample rate in Hz. Default: each its own.")
@click.option(
    "--seconds", type=float, help="Length of every note. Default: each its own."
)
@click.option(
    "--wrong",
    type=click.Choice(["skip", "keep", "rename"]),
    default="skip",
    help="What becomes of notes that are not what they are called: left out, taken so, or called what is heard.",
)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def notes(
    folder: str,
    output: str | None,
    family: str | None,
    source: str,
    number: int,
    velocity: int,
    rate: int | None,
    seconds: float | None,
    wrong: "Wrong",
    as_json: bool,
) -> None:
    """Make a data set with the schema of NSynth from FOLDER, single notes that are named by their pitch.

    A4.wav, Csharp3.mp3, C#4_forte.wav, cello-Fs2.flac or 069.wav: every name is held against the pitch that is heard.
    """
    from amadeus.audio.recordings import find_recordings
    from amadeus.datasets import folders, singles

    if output is None:
        making_only = ("family", "source", "number", "velocity", "rate", "seconds")
        _refuse_typed(*making_only, without="-o")
    paths = find_recordings([folder])
    if output is None:
        _tell_notes(list(singles.examine(paths, wrong=wrong)), as_json)
        return
    target = folders.read_target(output)
    making = singles.check_making(
        singles.Making(
            family=family or _guess(paths),
            source=source,
            instrument=number,
            velocity=velocity,
            sample_rate=rate,
            seconds=seconds,
            wrong=wrong,
        )
    )
    examined: list[Single] = []
    with folders.appearing(target) as scratch:
        told = _kept(singles.examine(paths, wrong=wrong), examined)
        n_notes, n_shards = singles.write(told, target, making, scratch)
    if as_json:
        print((target / folders.INDEX_NAME).read_text())
        return
    _tell_notes(examined, as_json)
    shards = "1 shard" if n_shards == 1 else f"{n_shards} shards"
    print(
        f"{target}: {n_notes} notes of {making.family}_{making.source} in {shards}, and {folders.INDEX_NAME}"
    )


def _refuse_typed(*names: str, without: str) -> None:
    """Refuses options that would do nothing."""
    context = click.get_current_context()
    for name in names:
        source = context.get_parameter_source(name)
        if source is click.core.ParameterSource.COMMANDLINE:
            raise ConfigError(
                f"--{name.replace('_', '-')} is for {without}: leave it out, or name a folder with {without}."
            )


def _guess(paths: Sequence[Path]) -> str:
    from amadeus.datasets import nsynth, singles

    family = singles.guess_family(paths)
    if family is None:
        raise ConfigError(
            f"names tell no family of instruments, or several: say --family with one of {', '.join(nsynth.FAMILIES)}."
        )
    return family


def _kept(found: "Iterator[Single]", examined: "list[Single]") -> "Iterator[Single]":
    for one in found:
        examined.append(one)
        yield one


def _tell_notes(examined: "list[Single]", as_json: bool) -> None:
    from amadeus.datasets.singles import tell
    from amadeus.datasets.table import render_singles

    told = [tell(one) for one in examined]
    print(json.dumps(told, indent=1) if as_json else render_singles(examined))


def _tell_sorted(result: Any, target: Path, as_json: bool) -> None:
    from amadeus.datasets.folders import INDEX_NAME
    from amadeus.datasets.table import render

    if as_json:
        print((target / INDEX_NAME).read_text())
        return
    print(render(result.census))
    shards = "1 shard" if len(result.shards) == 1 else f"{len(result.shards)} shards"
    print(f"\n{target}: {shards}, {result.n_bytes / 1e6:,.1f} MB, and {INDEX_NAME}")
