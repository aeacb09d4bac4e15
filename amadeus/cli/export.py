"""`amadeus deu export`: a voice as a file that travels, or in the formats of other programs."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from amadeus.cli.output import check_output
from amadeus.cli.perform import MAX_RATE, MIN_RATE, find_voice
from amadeus.cli.quiet import stderr_kept_back
from amadeus.errors import ConfigError
from amadeus.export import formats
from amadeus.home import Home

if TYPE_CHECKING:
    from amadeus.v1.profiles_pb2 import LearnerProfile

# \b keeps click from filling the lines
_HELP = (
    "Write a voice of the deu NAME to FILE, to travel or for another program.\n\n\b\nFormats:\n"
    + "\n".join(f"  {form.name:<12} {form.summary}" for form in formats.FORMATS)
)


@click.command(help=_HELP)
@click.argument("name")
@click.argument("file", required=False)
@click.option(
    "--format",
    "format_name",
    metavar="FORMAT",
    default=formats.DEU.name,
    show_default=True,
    help="One of those above.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="FILE said otherwise: the file to write, or the folder for saved_model.",
)
@click.option(
    "--generation", type=int, metavar="N", help="Which voice. Default: the current one."
)
@click.option(
    "--rate",
    type=int,
    metavar="HZ",
    help="Sample rate of wav-ir. Default: the voice's own.",
)
@click.option("--force", is_flag=True, help="Replace what is there.")
@click.pass_obj
def export(
    home: Home,
    name: str,
    file: str | None,
    format_name: str,
    output: str | None,
    generation: int | None,
    rate: int | None,
    force: bool,
) -> None:
    """Writes a voice; what the ama reads is in `_HELP`."""
    form = formats.find(format_name)
    _check_rate(rate, form)
    place = _choose_place(file, output, name, form)
    voice_path = find_voice(home.deu(name), generation)
    path = _check_place(place, form, home, force=force)
    with stderr_kept_back():
        _EXPORTERS[form.name](voice_path, path, rate)
    print(f"{path}: deu {name}, generation {voice_path.name}, {_say_size(path)}")


def _choose_place(
    file: str | None, output: str | None, name: str, form: formats.Format
) -> str:
    if file is not None and output is not None:
        raise ConfigError(
            f"{file} and -o {output} are two places: name the one to write to."
        )
    place = file if file is not None else output
    if place is None:
        example = f"{name}{form.suffixes[0] if form.suffixes else '/'}"
        raise ConfigError(
            f"there is no place to write to: name one, such as `amadeus deu export {name} {example}`."
        )
    return place


def _check_rate(rate: int | None, form: formats.Format) -> None:
    if rate is None:
        return
    if form is not formats.WAV_IR:
        raise ConfigError(
            f"--rate is for --format=wav-ir, and this is {form.name}, which keeps the voice's own rate: leave it out."
        )
    if not MIN_RATE <= rate <= MAX_RATE:
        raise ConfigError(
            f"--rate={rate} is out of range: choose from {MIN_RATE} to {MAX_RATE} Hz, such as 48000."
        )


def _check_place(output: str, form: formats.Format, home: Home, *, force: bool) -> Path:
    path = Path(output).expanduser()
    if path.resolve().is_relative_to((home.path / "deus").resolve()):
        raise ConfigError(
            f"cannot write {path}: Amadeus keeps its own voices there; choose a place outside of {home.path}."
        )
    is_folder = not form.suffixes
    path = (
        _check_folder(path)
        if is_folder
        else check_output(output, suffixes=form.suffixes)
    )
    if path.exists() and not force:
        raise ConfigError(
            f"{path} exists already: choose another name, or replace it with --force."
        )
    return path


def _check_folder(path: Path) -> Path:
    if not path.parent.is_dir():
        raise ConfigError(
            f"cannot write {path}: there is no folder {path.parent}; make it first."
        )
    # --force replaces a voice, not whatever else a folder may hold.
    if path.exists() and not (path / "saved_model.pb").is_file():
        raise ConfigError(
            f"cannot write {path}: it is there already and is no SavedModel; choose another name."
        )
    return path


def _export_deu(voice_path: Path, path: Path, _: int | None) -> None:
    from amadeus.lineage.travel import pedigree_or_none
    from amadeus.personality import bundle

    bundle.write_bundle(voice_path, path, lineage=pedigree_or_none(voice_path))


def _export_ddsp_vst(voice_path: Path, path: Path, _: int | None) -> None:
    from amadeus.export import plugin

    # before TensorFlow is loaded, which takes seconds
    plugin.check_shape(_read_profile(voice_path))
    from amadeus.export import ddsp_vst

    ddsp_vst.export(voice_path, path)


def _export_tflite(voice_path: Path, path: Path, _: int | None) -> None:
    from amadeus.export import tflite

    tflite.export(voice_path, path)


def _export_saved_model(voice_path: Path, path: Path, _: int | None) -> None:
    from amadeus.export import saved_model

    saved_model.export(voice_path, path)


def _export_onnx(voice_path: Path, path: Path, _: int | None) -> None:
    from amadeus.export import onnx_file

    onnx_file.export(voice_path, path)


def _export_impulse_response(voice_path: Path, path: Path, rate: int | None) -> None:
    from amadeus.export import impulse_response

    impulse_response.export(voice_path, path, sample_rate=rate)


def _read_profile(voice_path: Path) -> "LearnerProfile":
    from amadeus.personality import content, profiles

    personality = content.read_personality(voice_path)
    return profiles.complete_learner_profile(personality.learner_profile)


# By functions, because their modules load TensorFlow.
_EXPORTERS: dict[str, Callable[[Path, Path, int | None], None]] = {
    formats.DEU.name: _export_deu,
    formats.DDSP_VST.name: _export_ddsp_vst,
    formats.TFLITE.name: _export_tflite,
    formats.SAVED_MODEL.name: _export_saved_model,
    formats.ONNX.name: _export_onnx,
    formats.WAV_IR.name: _export_impulse_response,
}


def _say_size(path: Path) -> str:
    files = path.rglob("*") if path.is_dir() else [path]
    n_bytes = sum(file.stat().st_size for file in files if file.is_file())
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e5 else f"{n_bytes / 1e3:.1f} kB"
