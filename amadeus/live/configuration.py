"""What a performance is configured with, with nothing left open."""

from typing import Any

from amadeus.errors import ConfigError
from amadeus.v1 import perform_pb2

SAMPLE_RATES = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000)
MIN_BLOCK, MAX_BLOCK, DEFAULT_BLOCK = 32, 8192, 512
MIN_INPUT_RATE, MAX_INPUT_RATE = 8_000, 96_000
MAX_OCTAVES = 6
MAX_MIDI_BYTES = (
    4_096  # what one player plays in an instant, and hardly more work than a block
)
MAX_CONTROL_FRAMES = 10_000


def complete(
    configuration: perform_pb2.PerformConfiguration, *, voice_rate: int
) -> perform_pb2.PerformConfiguration:
    """Fills what is left open and checks the rest; the player profile is left as it is.

    Args:
      configuration: As a client sent it.
      voice_rate: Of the voice itself, in Hz.

    Raises:
      ConfigError: A value is out of range.
    """
    full = perform_pb2.PerformConfiguration()
    full.CopyFrom(configuration)
    full.sample_rate = _check_rate(configuration.sample_rate or voice_rate, voice_rate)
    full.channel_count = configuration.channel_count or 1
    full.block_size = configuration.block_size or DEFAULT_BLOCK
    full.mode = configuration.mode or perform_pb2.PERFORM_MODE_MIDI
    full.clock = configuration.clock or perform_pb2.PERFORM_CLOCK_CLIENT
    full.input_sample_rate = configuration.input_sample_rate or full.sample_rate
    _check("channel_count", full.channel_count, 1, 2)
    _check("block_size", full.block_size, MIN_BLOCK, MAX_BLOCK)
    _check("input_sample_rate", full.input_sample_rate, MIN_INPUT_RATE, MAX_INPUT_RATE)
    _check("seed", full.seed, 0, 2**63 - 1)
    if full.HasField("octave"):
        _check("octave", full.octave, -MAX_OCTAVES, MAX_OCTAVES)
    _check_known("mode", full.mode, perform_pb2.PerformMode)
    _check_known("clock", full.clock, perform_pb2.PerformClock)
    return full


def _check_rate(rate: int, voice_rate: int) -> int:
    if rate not in SAMPLE_RATES and rate != voice_rate:
        known = ", ".join(map(str, SAMPLE_RATES))
        raise ConfigError(
            f"sample_rate={rate} is not offered: choose {known} Hz, or 0 for the voice's own."
        )
    return rate


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ConfigError(
            f"{name}={value} is out of range: choose from {low} to {high}."
        )


def _check_known(name: str, value: int, enum_type: Any) -> None:
    if value not in enum_type.values():
        raise ConfigError(
            f"{name}={value} is not known: choose one of {', '.join(enum_type.keys()[1:])}."
        )
