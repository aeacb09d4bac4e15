"""`amadeus perform`: a deu plays a MIDI file, another sound with its own voice, or live in a studio."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from amadeus.cli.output import check_output
from amadeus.cli.quiet import stderr_kept_back
from amadeus.cli.recordings import bring_file
from amadeus.cli.rooms import load
from amadeus.cli.studio_options import read_address, studio_options
from amadeus.errors import ConfigError
from amadeus.home import Deu, Home

if TYPE_CHECKING:
    import numpy as np

    from amadeus.play.perform import Performance
    from amadeus.v1.profiles_pb2 import PlayerProfile
    from amadeus.voice.player import Voice

    Performer = Callable[[Voice, PlayerProfile], Performance]

WAVES = (".wav", ".wave")
SCORE_SUFFIXES = (".mid", ".midi", ".smf", ".kar")
MIN_RATE, MAX_RATE = 4_000, 384_000  # Hz; what a WAV file is commonly asked to hold


@click.command()
@click.argument("name")
@click.argument("source", metavar="[INPUT]", required=False)
@click.option(
    "-o",
    "--output",
    metavar="OUT.wav",
    help="The WAV file to write; with --live, to keep what is played.",
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
@studio_options
@click.option(
    "--live",
    is_flag=True,
    help="Play a MIDI input through the sound card, in the studio named.",
)
@click.option(
    "--midi-port",
    metavar="NAME",
    help="A part of the MIDI input's name. Default: the first.",
)
@click.option(
    "--sound-card",
    metavar="NAME",
    help="A part of the sound card's name. Default: the system's own choice.",
)
@click.option(
    "--lead-ms",
    type=click.FloatRange(1, 1000),
    default=15.0,
    show_default=True,
    help="How far the studio plays ahead of the sound card.",
)
@click.pass_obj
def perform(
    home: Home,
    name: str,
    source: str | None,
    output: str | None,
    rate: int | None,
    player: tuple[str, ...],
    track: tuple[str, ...],
    octave: int | None,
    generation: int | None,
    live: bool,
    midi_port: str | None,
    sound_card: str | None,
    lead_ms: float,
    **studio: Any,
) -> int | None:
    """Let the deu NAME play INPUT: a MIDI file, or a sound to imitate with its own voice; gs:// and s3:// URLs too.

    With --studio a studio plays; with --live too, it plays what comes from a MIDI input through the sound card.
    """
    address = read_address(**studio)
    if live:
        _check_live(address, source)
    elif source is None or output is None:
        raise ConfigError(
            "perform needs an input and -o OUT.wav: name a MIDI file or a sound, or play with --live."
        )
    if address is None or generation is not None:
        _check_generation(generation)
    _check_rate(rate)
    from amadeus.personality import profiles

    settings = profiles.parse_player_settings(player)
    if live:
        served = load("serving.cli.perform")
        wanted = served.Wanted(name, generation, settings, rate or 0)
        kept = check_output(output, suffixes=WAVES) if output is not None else None
        options = served.LiveOptions(midi_port, sound_card, lead_ms, kept)
        return served.play_live(home, address, wanted, options)
    voice_path = find_voice(home.deu(name), generation) if address is None else None
    out_path = check_output(output, suffixes=WAVES)
    source_path = _check_source(home, source, out_path)
    if address is not None:
        served = load("serving.cli.perform")
        wanted = served.Wanted(name, generation, settings, 0)
        performance = served.play_file(
            home, address, wanted, source_path, track=track, octave=octave
        )
        write_take(out_path, performance, rate)
        return None
    play = _prepare_score if is_score(source_path) else _prepare_audio
    performer = play(source_path, track=track, octave=octave)
    with stderr_kept_back():
        from amadeus.voice.player import Voice  # TensorFlow

        performance = performer(Voice.load(voice_path), settings)
    write_take(out_path, performance, rate)
    return None


def find_voice(deu: Deu, generation: int | None) -> Path:
    """Finds the voice of a generation, by default of the current one.

    Raises:
      ConfigError: The number cannot be one of a generation.
      HomeError: There is no such voice.
    """
    _check_generation(generation)
    return deu.voice_path(generation)


def _check_generation(generation: int | None) -> None:
    if generation is not None and generation < 1:
        raise ConfigError(f"there is no generation {generation}: they count from 1.")


def _check_live(address: object, source: str | None) -> None:
    if address is None:
        raise ConfigError(
            "--live plays in a studio: start one with `amadeus studio`, and name it with --studio localhost:8470."
        )
    if source is not None:
        raise ConfigError(
            "--live plays what comes from a MIDI input: leave out the input file."
        )


def is_score(path: Path) -> bool:
    """Tells a MIDI file from a sound, by its name or its first bytes."""
    if path.suffix.lower() in SCORE_SUFFIXES:
        return True
    with path.open("rb") as file:
        return file.read(4) == b"MThd"


def _check_source(home: Home, source: str, out_path: Path) -> Path:
    if "://" in source:
        return bring_file(home, source)
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


def write_take(path: Path, performance: "Performance", rate: int | None) -> None:
    """Writes a performance with its record, and says how it came out.

    Args:
      path: Of the WAV file.
      performance: What was played.
      rate: Sample rate wanted, in Hz; None: as it is.
    """
    from amadeus.audio.write import write_wav
    from amadeus.play.perform import resample_performance
    from amadeus.play.record import encode

    if rate is not None:
        performance = resample_performance(performance, sample_rate=rate)
    audio, sample_rate, notices, record = performance
    write_wav(
        path, audio, sample_rate=sample_rate, record=encode(record) if record else b""
    )
    for notice in notices:
        print(f"note: {notice}")
    print(
        f"{path}: {len(audio) / sample_rate:.2f} s, {_say_peak(audio)}, {sample_rate} Hz"
    )


def _say_peak(audio: "np.ndarray") -> str:
    import numpy as np

    peak = np.abs(audio).max(initial=0.0)
    return f"peak {20 * np.log10(peak):.1f} dBFS" if peak > 0 else "silent"
