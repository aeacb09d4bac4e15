"""What `amadeus perform` does where a studio plays: files, and live."""

import contextlib
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import click
import grpc

from amadeus.cli.perform import write_take
from amadeus.cli.status import EXIT_FAULT
from amadeus.errors import AmadeusError, ConfigError, NotHeldError
from amadeus.home import Home
from amadeus.play.perform import Performance
from amadeus.v1.perform_pb2 import PerformanceStarted, PerformConfiguration
from amadeus.v1.profiles_pb2 import PlayerProfile
from serving.client import connection, devices, live
from serving.client import perform as client

LIVE_RATE = 48_000  # what sound cards like best
LIVE_BLOCK = 240  # 5 ms
TICK_S = 0.2  # between looks whether a live session is over


class Wanted(NamedTuple):
    """Who is to play, and how.

    Attributes:
      deu: Name.
      generation: None: the current one.
      profile: What the ama says.
      sample_rate: In Hz; 0: the voice's own.
    """

    deu: str
    generation: int | None
    profile: PlayerProfile
    sample_rate: int


class LiveOptions(NamedTuple):
    """How to play live.

    Attributes:
      midi_port: Part of the name of a MIDI input; None: the first.
      sound_card: Part of the name of a sound card; None: the system's choice.
      lead_ms: How far the studio plays ahead.
      out_path: Where to keep what is played; None: nowhere.
    """

    midi_port: str | None
    sound_card: str | None
    lead_ms: float
    out_path: Path | None = None


def play_file(
    home: Home,
    address: connection.Address,
    wanted: Wanted,
    source_path: Path,
    *,
    track: tuple[str, ...],
    octave: int | None,
) -> Performance:
    """Lets a studio play a MIDI file or follow a sound.

    A personality that lies in this home is asked for by its digest, and brought to a studio that does not hold it; any
    other is asked for by its name.

    Raises:
      ConfigError: Options that do not go together.
      ScoreError, RecordingError: The file cannot be played.
      StudioError: The studio cannot be reached, or refused.
    """
    source = _read_source(source_path, track=track, octave=octave)
    with _bundle_maker(home, wanted) as bring:
        configuration = _configure(home, wanted)
        if octave is not None:
            configuration.octave = octave
        played = client.play(address, source, configuration, bring=bring)
    who = played.record
    notices = [*played.notices, f"played by generation {who.generation} of {who.deu}."]
    return Performance(played.audio, played.sample_rate, notices, who)


def play_live(
    home: Home, address: connection.Address, wanted: Wanted, options: LiveOptions
) -> int:
    """Plays a MIDI input through the sound card until Ctrl-C; returns the exit status.

    Raises:
      ConfigError: There is no such MIDI input or sound card.
      StudioError: The studio cannot be reached, or refused.
    """
    rate = wanted.sample_rate or LIVE_RATE
    configuration = _configure(home, wanted._replace(sample_rate=rate))
    configuration.block_size = LIVE_BLOCK
    lead_samples = round(options.lead_ms / 1000 * rate)
    stop = threading.Event()
    with (
        connection.connect(address) as channel,
        connection.explained(address.target),
        _on_signals(stop.set),
        _bundle_maker(home, wanted) as bring,
    ):
        keeps = options.out_path is not None
        session = live.LiveSession(
            channel, configuration, lead_samples=lead_samples, keeps=keeps
        )
        try:
            started = session.start()
        except grpc.RpcError as error:
            if bring is None or connection.reason_of(error) != client.NOT_HELD:
                raise
            client.bring_personality(channel, bring())
            session = live.LiveSession(
                channel, configuration, lead_samples=lead_samples, keeps=keeps
            )
            started = session.start()
        with (
            devices.midi_input(options.midi_port, session.strike) as port,
            devices.sound_output(
                options.sound_card,
                session.fill,
                sample_rate=rate,
                block_size=LIVE_BLOCK,
            ),
        ):
            click.echo(_say_started(started, port, options.lead_ms))
            while not stop.wait(TICK_S) and not session.is_over:
                pass
        played = session.finish()
    for notice in played.notices:
        click.echo(f"note: {notice}")
    click.echo(_say_played(played, rate))
    if options.out_path is not None and played.take is not None:
        write_take(options.out_path, played.take, None)
    return EXIT_FAULT if not stop.is_set() else 0


def _say_started(started: PerformanceStarted, port: str, lead_ms: float) -> str:
    who, full = started.personality, started.configuration
    own_ms = 1000 * started.latency_samples / full.sample_rate
    block_ms = 1000 * full.block_size / full.sample_rate
    return (
        f"{who.deu}, generation {who.generation}, plays what comes from {port}: blocks of {block_ms:g} ms, "
        f"{lead_ms:g} ms ahead, {own_ms:.1f} ms of its own. Ctrl-C ends it."
    )


def _say_played(played: live.Played, rate: int) -> str:
    lost_ms = 1000 * played.n_missing / rate
    remedy = "; raise --lead-ms" if lost_ms > 100 else ""
    return (
        f"played {played.n_notes} notes in {played.n_samples / rate:.0f} s; {lost_ms:.0f} ms of sound came too "
        f"late{remedy}."
    )


def _configure(home: Home, wanted: Wanted) -> PerformConfiguration:
    digest = _own_digest(home, wanted)
    reference = (
        client.by_digest(digest)
        if digest
        else client.by_name(wanted.deu, wanted.generation)
    )
    return client.configure(reference, wanted.profile, sample_rate=wanted.sample_rate)


def _own_digest(home: Home, wanted: Wanted) -> str:
    """Digest of a personality of this home; empty where it has none of this name."""
    from amadeus.personality.content import read_personality

    try:
        return read_personality(_own_voice(home, wanted)).digest
    except NotHeldError:
        if wanted.generation is not None and _has_deu(home, wanted.deu):
            raise
        return ""


def _own_voice(home: Home, wanted: Wanted) -> Path:
    return home.deu(wanted.deu).voice_path(wanted.generation)


def _has_deu(home: Home, name: str) -> bool:
    return any(deu.name == name for deu in home.deus())


@contextlib.contextmanager
def _bundle_maker(home: Home, wanted: Wanted) -> Iterator[Callable[[], Path] | None]:
    """Hands out a function that writes the personality as a bundle, or None where this home lacks it."""
    voice_path = None
    with contextlib.suppress(AmadeusError):
        voice_path = _own_voice(home, wanted)
    if voice_path is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:

        def bring() -> Path:
            from amadeus.personality.bundle import write_bundle

            path = Path(folder) / f"{wanted.deu}.deu"
            if not path.exists():
                write_bundle(voice_path, path)
            return path

        yield bring


def _read_source(
    path: Path, *, track: tuple[str, ...], octave: int | None
) -> client.Source:
    from amadeus.cli.perform import is_score

    if is_score(path):
        if octave is not None:
            raise ConfigError(
                "--octave shifts a sound, and the input is a MIDI file: use --player pitch_shift_semitones=12 instead."
            )
        from amadeus.play.score import read_events

        return client.Source(events=read_events(path, tracks=list(track) or None))
    if track:
        raise ConfigError(
            f"--track chooses tracks of a MIDI file, and {path} is a sound: leave it out."
        )
    from amadeus.audio.decode import probe, read

    rate = max(8_000, min(probe(path).sample_rate, 96_000))
    return client.Source(audio=read(path, sample_rate=rate), sample_rate=rate)


@contextlib.contextmanager
def _on_signals(action: Callable[[], None]) -> Iterator[None]:
    def act(*_: object) -> None:
        action()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, act) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
