"""`amadeus perform`: a deu plays a MIDI file, or another sound with its own voice."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from amadeus.cli.output import check_output
from amadeus.cli.quiet import stderr_kept_back
from amadeus.errors import ConfigError
from amadeus.home import Deu, Home

if TYPE_CHECKING:
    import numpy as np

    from amadeus.play.perform import Performance
    from amadeus.v1.profiles_pb2 import PlayerProfile
    from amadeus.voice.player import Voice

    Performer = Callable[[Voice, PlayerProfile], Performance]

SCORE_SUFFIXES = (".mid", ".midi", ".smf", ".kar")
MIN_RATE, MAX_RATE = 4_000, 384_000  # Hz; what a WAV file is commonly asked to hold


@click.command()
@click.argument("name")
@click.argument("source", metavar="INPUT")
@click.option(
    "-o", "--output", metavar="OUT.wav", required=True, help="The WAV file to write."
)
@click.option(
    "--rate", type=int, metavar="HZ", help="Sample rate. Default: the voice's own."
)
@click.option(
    "--player",
    metavar="KEY=VALUE",
    multiple=True,
    help="A setting of the player, such as reverb_mix=0.5. May be repeated.",
)
@click.option(
    "--track",
    metavar="N|NAME",
    multiple=True,
    help="A track of the MIDI file to play. May be repeated. Default: all.",
)
@click.option(
    "--octave",
    type=int,
    metavar="N",
    help="Octaves to shift another sound by. Default: into the range of the voice.",
)
@click.option(
    "--generation", type=int, metavar="N", help="Which voice. Default: the current one."
)
@click.pass_obj
def perform(
    home: Home,
    name: str,
    source: str,
    output: str,
    rate: int | None,
    player: tuple[str, ...],
    track: tuple[str, ...],
    octave: int | None,
    generation: int | None,
) -> None:
    """Let the deu NAME play INPUT: a MIDI file, or a sound to imitate with its own voice."""
    deu = home.deu(name)
    voice_path = find_voice(deu, generation)
    out_path = check_output(output, suffixes=(".wav", ".wave"))
    source_path = _check_source(source, out_path)
    _check_rate(rate)
    from amadeus.personality import profiles

    settings = profiles.parse_player_settings(player)
    play = _prepare_score if is_score(source_path) else _prepare_audio
    performer = play(source_path, track=track, octave=octave)
    with stderr_kept_back():
        from amadeus.voice.player import Voice  # TensorFlow

        performance = performer(Voice.load(voice_path), settings)
    _write(out_path, performance, rate)


def find_voice(deu: Deu, generation: int | None) -> Path:
    """Finds the voice of a generation, by default of the current one.

    Raises:
      ConfigError: The number cannot be one of a generation.
      HomeError: There is no such voice.
    """
    if generation is not None and generation < 1:
        raise ConfigError(f"there is no generation {generation}: they count from 1.")
    return deu.voice_path(generation)


def is_score(path: Path) -> bool:
    """Tells a MIDI file from a sound, by its name or its first bytes."""
    if path.suffix.lower() in SCORE_SUFFIXES:
        return True
    with path.open("rb") as file:
        return file.read(4) == b"MThd"


def _check_source(source: str, out_path: Path) -> Path:
    path = Path(source).expanduser()
    if not path.exists():
        raise ConfigError(f"there is no file {path}: give a MIDI file or a sound.")
    if not path.is_file():
        raise ConfigError(f"{path} is not a file: give one MIDI file or one sound.")
    if out_path.exists() and path.samefile(out_path):
        raise ConfigError(
            f"{path} is input and output: choose another name with -o, so that the input is kept."
        )
    return path


def _check_rate(rate: int | None) -> None:
    if rate is not None and not MIN_RATE <= rate <= MAX_RATE:
        raise ConfigError(
            f"--rate={rate} is out of range: choose from {MIN_RATE} to {MAX_RATE} Hz, such as 48000."
        )


def _prepare_score(
    path: Path, *, track: tuple[str, ...], octave: int | None
) -> "Performer":
    if octave is not None:
        raise ConfigError(
            "--octave shifts a sound, and the input is a MIDI file: use --player pitch_shift_semitones=12 instead."
        )
    from amadeus.play.score import read_score

    score = read_score(path, tracks=list(track) or None)

    def performer(voice: "Voice", profile: "PlayerProfile") -> "Performance":
        from amadeus.play.perform import perform_score

        return perform_score(voice, score, player_profile=profile)

    return performer


def _prepare_audio(
    path: Path, *, track: tuple[str, ...], octave: int | None
) -> "Performer":
    if track:
        raise ConfigError(
            f"--track chooses tracks of a MIDI file, and {path} is a sound: leave it out."
        )
    from amadeus.audio.decode import probe

    probe(path)  # refuses what is no sound before the voice is loaded

    def performer(voice: "Voice", profile: "PlayerProfile") -> "Performance":
        from amadeus.play.perform import perform_audio

        shift = "auto" if octave is None else octave
        return perform_audio(voice, path, player_profile=profile, octave=shift)

    return performer


def _write(path: Path, performance: "Performance", rate: int | None) -> None:
    from amadeus.audio.write import write_wav
    from amadeus.play.perform import resample_performance

    if rate is not None:
        performance = resample_performance(performance, sample_rate=rate)
    audio, sample_rate, notices = performance
    write_wav(path, audio, sample_rate=sample_rate)
    for notice in notices:
        print(f"note: {notice}")
    print(
        f"{path}: {len(audio) / sample_rate:.2f} s, {_say_peak(audio)}, {sample_rate} Hz"
    )


def _say_peak(audio: "np.ndarray") -> str:
    import numpy as np

    peak = np.abs(audio).max(initial=0.0)
    return f"peak {20 * np.log10(peak):.1f} dBFS" if peak > 0 else "silent"
