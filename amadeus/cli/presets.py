"""`amadeus presets`: what each preset is, costs and is for. Needs neither TensorFlow nor numpy."""

import difflib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from amadeus.errors import ConfigError

if TYPE_CHECKING:
    from amadeus.personality.presets import Preset
    from amadeus.personality.size import Size
    from amadeus.v1.profiles_pb2 import LearnerProfile


class Cost(NamedTuple):
    """What `python -m benchmarks presets` measured, on 2 cores of a small server.

    Attributes:
      training_ms: A training step, for each second of audio in it.
      block_ms: One control frame of one voice, played.
    """

    training_ms: float
    block_ms: float


MEASURED = {
    "tiny": Cost(training_ms=2.7, block_ms=1.22),
    "live": Cost(training_ms=4.3, block_ms=1.22),
    "solo": Cost(training_ms=25.6, block_ms=2.84),
    "vst": Cost(training_ms=6.5, block_ms=1.77),
}


class Card(NamedTuple):
    """A preset, its whole profile and what it comes to."""

    preset: "Preset"
    profile: "LearnerProfile"
    size: "Size"


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def presets(name: str | None, as_json: bool) -> None:
    """Explain the presets of a voice, or all knobs that preset NAME sets.

    A preset is chosen by `amadeus practice imitate DEU FILES --learner preset=NAME`.
    """
    cards = [find_card(name)] if name else list(all_cards())
    if as_json:
        answer = [_to_plain(card) for card in cards]
        print(json.dumps(answer[0] if name else answer, indent=2))
    else:
        lines = describe(cards[0]) if name else compare(cards)
        print("\n".join(lines))


def all_cards() -> Iterator[Card]:
    """Describes all presets, the smallest first."""
    from amadeus.personality import presets as known
    from amadeus.personality import profiles, size
    from amadeus.v1 import profiles_pb2

    for preset in known.PRESETS:
        asked = profiles_pb2.LearnerProfile(preset=preset.number)
        profile = profiles.complete_learner_profile(asked)
        yield Card(preset, profile, size.measure(profile))


def find_card(name: str) -> Card:
    """Finds a preset by its name.

    Raises:
      ConfigError: There is none; near names are offered.
    """
    cards = {card.preset.name: card for card in all_cards()}
    if name.lower() in cards:
        return cards[name.lower()]
    near = difflib.get_close_matches(name.lower(), cards, n=1, cutoff=0.4)
    offer = f"; did you mean {near[0]}?" if near else "."
    raise ConfigError(
        f"there is no preset {name!r}: choose one of {', '.join(cards)}{offer}"
    )


def compare(cards: list[Card]) -> Iterator[str]:
    """Sets all presets side by side, in 100 columns."""
    yield (
        f"{'preset':8}{'parameters':>11}{'size':>9}{'sound':>9}{'control':>9}{'latency':>9}"
        f"{'training':>10}{'playing':>9}"
    )
    for card in cards:
        profile, size = card.profile, card.size
        training, playing = _relative(card.preset.name)
        yield (
            f"{card.preset.name:8}{_count(size.n_network):>11}{size.megabytes:6.1f} MB"
            f"{profile.sample_rate / 1000:5.0f} kHz{profile.frame_rate:6d} Hz{1000 * size.latency_s:6.0f} ms"
            f"{training:>10}{playing:>9}"
        )
    yield ""
    for card in cards:
        mark = " (the default)" if _is_default(card) else ""
        yield f"{card.preset.name:8}{card.preset.purpose}{mark}"
    yield ""
    yield "parameters of the network; size with the learned reverb; training and playing: time against live"
    yield "any knob can be set beside a preset: --learner preset=live --learner sample_rate=48000"
    yield "next: amadeus presets NAME, or amadeus practice imitate DEU FILES --learner preset=NAME"


def describe(card: Card) -> Iterator[str]:
    """Lists all knobs as a preset leaves them, its own choices first and marked."""
    from amadeus.report import wording

    name, size = card.preset.name, card.size
    yield f"{name}: {card.preset.purpose}"
    yield (
        f"{size.n_network:,} parameters and a reverb of {size.n_reverb:,} samples, {size.megabytes:.1f} MB; "
        f"latency {1000 * size.latency_s:.0f} ms"
    )
    yield ""
    settings = [s for s in wording.settings(card.profile) if s.name != "preset"]
    own = [s for s in settings if not s.is_default]
    for setting in own:
        unit = f" {setting.unit}" if setting.unit else ""
        value = f"{setting.value}{unit}"
        yield f"* {setting.name:26}{value:14}live has {setting.default}{unit}"
    for setting in settings:
        if setting.is_default:
            unit = f" {setting.unit}" if setting.unit else ""
            yield f"  {setting.name:26}{setting.value}{unit}"
    yield ""
    if own:
        yield f"* chosen by {name}; the others are the defaults"
    example = own[0] if own else next(s for s in settings if s.name == "sample_rate")
    yield f"override: --learner preset={name} --learner {example.name}={example.default if own else 48000}"


def _to_plain(card: Card) -> dict[str, Any]:
    from google.protobuf import json_format

    size, cost = card.size, MEASURED.get(card.preset.name)
    return {
        "name": card.preset.name,
        "is_default": _is_default(card),
        "purpose": card.preset.purpose,
        "network_parameters": size.n_network,
        "reverb_samples": size.n_reverb,
        "megabytes": round(size.megabytes, 3),
        "latency_ms": round(1000 * size.latency_s, 3),
        "training_ms_per_audio_s": cost and cost.training_ms,
        "block_ms": cost and cost.block_ms,
        "learner_profile": json_format.MessageToDict(
            card.profile, preserving_proto_field_name=True
        ),
    }


def _relative(name: str) -> tuple[str, str]:
    """Cost of training and of playing a second of sound, against the default preset."""
    if not {name, "live"} <= MEASURED.keys():
        return "-", "-"
    own, live = MEASURED[name], MEASURED["live"]
    rates = {card.preset.name: card.profile.frame_rate for card in all_cards()}
    playing = own.block_ms * rates[name] / (live.block_ms * rates["live"])
    return _times(own.training_ms / live.training_ms), _times(playing)


def _times(ratio: float) -> str:
    return f"{ratio:.1f} x" if ratio < 10 else f"{ratio:.0f} x"


def _count(number: int) -> str:
    return f"{number / 1e6:.2f} M" if number >= 1e6 else f"{number / 1e3:.0f} k"


def _is_default(card: Card) -> bool:
    from amadeus.personality.presets import DEFAULT

    return card.preset.number == DEFAULT
