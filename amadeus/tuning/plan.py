"""From a wish to what it comes to: the profiles of the next generation, and which knobs changed."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from amadeus.home import Deu
from amadeus.personality import content, profiles
from amadeus.tuning import request
from amadeus.tuning.wish import Wish
from amadeus.v1 import personality_pb2, practice_pb2, profiles_pb2

_BUDGETS = {"training_minutes", "step_count"}  # the second wins over the first


class Plan(NamedTuple):
    """What a tuning will do.

    Attributes:
      parent: Who is tuned.
      parent_path: Its SavedModel.
      player_profile: How the next one plays, as it will be stored.
      learner_profile: How it learned or will learn, complete where the learner changes and as stored where not.
      changes: Knobs whose value changes; none where there is nothing to do.
    """

    parent: personality_pb2.Personality
    parent_path: Path
    player_profile: profiles_pb2.PlayerProfile
    learner_profile: profiles_pb2.LearnerProfile
    changes: list[practice_pb2.KnobChange]

    @property
    def learns(self) -> bool:
        """Whether a knob of the learner changes, so that the pipeline has to run."""
        return any(change.profile == "learner" for change in self.changes)


def make_plan(deu: Deu, wish: Wish, generation: int | None = None) -> Plan:
    """Works out what a wish means for a generation, by default the one that plays.

    Raises:
      NotHeldError: The deu has no voice, or no such generation.
      VoiceError: Its personality cannot be read.
      ConfigError: The profiles do not go together.
    """
    number = generation or deu.current_generation()
    path = deu.voice_path(number)
    parent = content.read_personality(path)
    parent.deu, parent.generation = deu.name, number
    before_player = profiles.complete_player_profile(parent.player_profile)
    before_learner = profiles.complete_learner_profile(parent.learner_profile)
    after_learner = turn_learner(before_learner, wish)
    player = turn_player(
        parent.player_profile,
        wish,
        root=functools.cache(lambda: request.untuned(deu, parent).player_profile),
    )
    after_player = profiles.complete_player_profile(player)
    changes = [
        *_changes("player", before_player, after_player, wish.player, wish),
        *_changes("learner", before_learner, after_learner, wish.learner, wish),
    ]
    learns = any(change.profile == "learner" for change in changes)
    learner = after_learner if learns else parent.learner_profile
    return Plan(parent, path, player, learner, changes)


def turn_player(
    stored: profiles_pb2.PlayerProfile,
    wish: Wish,
    *,
    root: Callable[[], profiles_pb2.PlayerProfile],
) -> profiles_pb2.PlayerProfile:
    """Turns knobs of the player.

    What goes to its default, and was left open when the network came, is left open again: so tuning back gives the
    same personality, though a later version knows more knobs.

    Args:
      stored: As it is stored.
      wish: Knobs to turn.
      root: Finds the profile that the network came with; asked only where a knob goes to its default.
    """
    turned = profiles_pb2.PlayerProfile()
    turned.CopyFrom(stored)
    turned.MergeFrom(wish.player)
    usual = profiles.complete_player_profile()
    to_default = wish.defaults & profiles.PLAYER_KNOBS.keys()
    for name in to_default:
        setattr(turned, name, getattr(usual, name))
    named = {descriptor.name for descriptor, _ in wish.player.ListFields()}
    for name in sorted(to_default | named):
        if getattr(turned, name) == getattr(usual, name) and not root().HasField(name):
            turned.ClearField(name)
    return turned


def turn_learner(
    before: profiles_pb2.LearnerProfile, wish: Wish
) -> profiles_pb2.LearnerProfile:
    """Turns knobs of the learner.

    What stood at the default of its preset follows the preset and the sample rate; what was chosen stays chosen.

    Args:
      before: Complete.
      wish: Knobs to turn.

    Returns:
      A complete profile.

    Raises:
      ConfigError: The knobs do not go together.
    """
    if not wish.names_learner:
        return before
    chosen = _chosen(before)
    wished = {descriptor.name for descriptor, _ in wish.learner.ListFields()}
    if wished & _BUDGETS:
        for name in _BUDGETS:
            chosen.ClearField(name)
    chosen.MergeFrom(wish.learner)
    for name in wish.defaults & profiles.LEARNER_KNOBS.keys():
        chosen.ClearField(name)
    return profiles.complete_learner_profile(chosen)


def _chosen(before: profiles_pb2.LearnerProfile) -> profiles_pb2.LearnerProfile:
    """Keeps what differs from what the preset would have given."""
    chosen = profiles_pb2.LearnerProfile(preset=before.preset)
    rate = profiles.learner_knobs(chosen)["sample_rate"].default
    if before.sample_rate != rate:
        chosen.sample_rate = before.sample_rate
    usual = profiles_pb2.LearnerProfile(
        **{name: knob.default for name, knob in profiles.learner_knobs(chosen).items()}
    )
    for name in profiles.LEARNER_KNOBS:
        if getattr(before, name) != getattr(usual, name):
            setattr(chosen, name, getattr(before, name))
    return chosen


def _changes(
    kind: str, before: Any, after: Any, wished: Any, wish: Wish
) -> Iterator[practice_pb2.KnobChange]:
    named = {descriptor.name for descriptor, _ in wished.ListFields()} | wish.defaults
    knobs = profiles.PLAYER_KNOBS if kind == "player" else profiles.LEARNER_KNOBS
    for name in knobs:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield practice_pb2.KnobChange(
                profile=kind,
                knob=name,
                before=profiles.spell(before, name, old),
                after=profiles.spell(after, name, new),
                follows=name not in named,
            )
