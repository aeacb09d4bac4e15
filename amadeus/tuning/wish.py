"""What an ama wants turned, read from settings such as `brightness=0.3` and `brightness=default`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from amadeus.errors import ConfigError
from amadeus.personality import profiles
from amadeus.v1 import profiles_pb2

DEFAULT_WORD = "default"


@dataclass(frozen=True)
class Wish:
    """Knobs to turn; those not named stay where they are.

    Attributes:
      player: Knobs of the player with their new values.
      learner: Knobs of the learner with theirs.
      defaults: Names of knobs that go back to their defaults.
    """

    player: profiles_pb2.PlayerProfile = field(
        default_factory=profiles_pb2.PlayerProfile
    )
    learner: profiles_pb2.LearnerProfile = field(
        default_factory=profiles_pb2.LearnerProfile
    )
    defaults: frozenset[str] = frozenset()

    @property
    def names_player(self) -> bool:
        """Whether a knob of the player is named."""
        return bool(
            self.player.ListFields() or self.defaults & profiles.PLAYER_KNOBS.keys()
        )

    @property
    def names_learner(self) -> bool:
        """Whether a knob of the learner is named."""
        return bool(
            self.learner.ListFields() or self.defaults & profiles.LEARNER_KNOBS.keys()
        )


def read_wish(player: Sequence[str], learner: Sequence[str]) -> Wish:
    """Reads settings of the player and of the learner.

    Raises:
      ConfigError: A knob is unknown or named twice, or a value is not of its kind or out of range.
    """
    player_defaults, player_values = _split(player, "player")
    learner_defaults, learner_values = _split(learner, "learner")
    return Wish(
        profiles.parse_player_settings(player_values),
        profiles.parse_learner_settings(learner_values),
        frozenset({*player_defaults, *learner_defaults}),
    )


def check_wish(wish: Wish) -> None:
    """Checks a wish that was not read from settings.

    Raises:
      ConfigError: A knob is unknown, or named twice.
    """
    for profile in (wish.player, wish.learner):
        for descriptor, _ in profile.ListFields():
            if descriptor.name in wish.defaults:
                raise ConfigError(_say_twice(descriptor.name))
    for name in sorted(wish.defaults - profiles.LEARNER_KNOBS.keys()):
        if name not in profiles.PLAYER_KNOBS:
            profiles.parse_player_settings([f"{name}="])  # says what is near


def _split(
    settings: Iterable[str], kind: Literal["player", "learner"]
) -> tuple[list[str], list[str]]:
    """Splits settings into the names of knobs that go back to their default, and the other settings."""
    knobs, foreign, other = profiles.LEARNER_KNOBS, profiles.PLAYER_KNOBS, "player"
    if kind == "player":
        knobs, foreign, other = foreign, knobs, "learner"
    defaults, values, seen = [], [], set()
    for setting in settings:
        key, _, text = setting.partition("=")
        if key in seen:
            raise ConfigError(_say_twice(key))
        seen.add(key)
        if key in foreign:
            raise ConfigError(
                f"{key} is a knob of the {other}, not of the {kind}: write --{other} {setting}."
            )
        if key in knobs and text.lower() == DEFAULT_WORD:
            defaults.append(key)
        else:
            values.append(setting)
    return defaults, values


def _say_twice(key: str) -> str:
    return f"{key} was given twice: say it once."
