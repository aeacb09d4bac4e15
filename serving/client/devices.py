"""MIDI ports and sound cards of this machine, for playing live."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from amadeus.errors import ConfigError

_INSTALL = "pip install 'amadeus[live]'"


def sound_outputs() -> list[str]:
    """Lists sound cards that can play.

    Raises:
      ConfigError: This machine has no sound.
    """
    devices = _sound().query_devices()
    return [d["name"] for d in devices if d["max_output_channels"] > 0]


@contextlib.contextmanager
def midi_input(name: str | None, strike: Callable[[bytes], None]) -> Iterator[str]:
    """Opens a MIDI input and hands on what is played.

    Args:
      name: A part of its name; None: the first.
      strike: Given the bytes of each message, in a thread of its own.

    Yields:
      The port's full name.

    Raises:
      ConfigError: There is no such port.
    """
    with _midi_in() as midi_in:
        ports = list(midi_in.get_ports())
        number = find(ports, name, what="MIDI input", option="--midi-port")
        midi_in.set_callback(lambda event, _: strike(bytes(event[0])))
        midi_in.open_port(number)
        yield ports[number]


@contextlib.contextmanager
def sound_output(
    name: str | None,
    fill: Callable[[np.ndarray], None],
    *,
    sample_rate: int,
    block_size: int,
) -> Iterator[None]:
    """Opens a sound card.

    Args:
      name: A part of its name; None: the system's own choice.
      fill: Fills a float32 block of shape [n_samples], in a thread of its own.
      sample_rate: In Hz.
      block_size: Samples a block.

    Raises:
      ConfigError: There is no such card, or it cannot play like this.
    """
    sound = _sound()

    def callback(outdata: np.ndarray, _frames: int, _time: Any, _status: Any) -> None:
        block = np.empty(len(outdata), np.float32)
        fill(block)
        outdata[:] = block[:, None]

    try:
        stream = sound.OutputStream(
            samplerate=sample_rate,
            blocksize=block_size,
            device=name,
            channels=2,
            dtype="float32",
            latency="low",
            callback=callback,
        )
    except (sound.PortAudioError, ValueError) as error:
        known = ", ".join(sound_outputs()) or "none"
        raise ConfigError(
            f"no sound card for {name or 'the default output'} at {sample_rate} Hz ({error}): choose with "
            f"--sound-card; there are: {known}."
        ) from error
    with stream:
        yield


def find(names: list[str], wanted: str | None, *, what: str, option: str) -> int:
    """Finds a device by a part of its name.

    Raises:
      ConfigError: None has it, or several.
    """
    found = [
        number
        for number, name in enumerate(names)
        if wanted is None or wanted.casefold() in name.casefold()
    ]
    exact = [number for number in found if names[number] == wanted]
    if exact or (found and (wanted is None or len(found) == 1)):
        return (exact or found)[0]
    known = ", ".join(names) or "none"
    problem = f"{len(found)} have {wanted!r} in their name" if found else "found none"
    wish = f" like {wanted!r}" if wanted else ""
    raise ConfigError(
        f"no {what}{wish} ({problem}): choose one with {option}; there are: {known}."
    )


@contextlib.contextmanager
def _midi_in() -> Iterator[Any]:
    try:
        import rtmidi
    except ImportError as error:
        raise ConfigError(
            f"playing live needs python-rtmidi: install it with {_INSTALL}."
        ) from error
    try:
        midi_in = rtmidi.MidiIn()
    except Exception as error:  # of rtmidi's own, one class a system
        raise ConfigError(
            f"this machine has no MIDI ({error}): connect a keyboard, or load the system's MIDI driver."
        ) from error
    try:
        yield midi_in
    finally:
        midi_in.close_port()
        midi_in.delete()


def _sound() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise ConfigError(
            f"playing live needs sounddevice: install it with {_INSTALL}."
        ) from error
    except OSError as error:  # PortAudio itself
        raise ConfigError(
            f"playing live needs PortAudio ({error}): install it, such as with `apt install libportaudio2`."
        ) from error
    return sounddevice
