"""Two voices of unlike clocks or measures of loudness, compared on the same held-out sound.

Each plays what it hears of a passage: at its own rate, with features on its own clock. What they play is then brought
to the lower of both sample rates and compared with the passage there, by the same spectral loss: what only one of them
could play at all decides nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from amadeus.audio.write import resample
from amadeus.dsp.spectral_loss import fft_sizes_for, spectral_loss
from amadeus.features.extract import extract, make_tracker
from amadeus.features.voicing import signed_f0
from amadeus.v1 import profiles_pb2
from amadeus.voice.evaluation import LOSS_WINDOW_S, Player

_CLOCK = ("sample_rate", "frame_rate", "loudness_weighting")


class Contestant(NamedTuple):
    """A voice and the complete profile it learned by."""

    voice: Player
    profile: profiles_pb2.LearnerProfile


class Comparison(NamedTuple):
    """Spectral losses that can be compared.

    Attributes:
      loss: Of the new voice.
      parent_loss: Of its parent.
      sample_rate: Where both were compared, in Hz.
    """

    loss: float
    parent_loss: float
    sample_rate: int


def shares_clock(
    one: profiles_pb2.LearnerProfile, other: profiles_pb2.LearnerProfile
) -> bool:
    """Whether voices of these profiles can be played with the same features."""
    return all(getattr(one, name) == getattr(other, name) for name in _CLOCK)


def compare(
    new: Contestant,
    parent: Contestant,
    passages: Sequence[np.ndarray],
    *,
    sample_rate: int,
) -> Comparison | None:
    """Compares two voices.

    Args:
      new: The new voice.
      parent: The voice it would follow.
      passages: Held-out sound, each of shape [n_samples].
      sample_rate: Of the passages, in Hz.

    Returns:
      None where the passages are too short for either voice.
    """
    judges = [
        Judge(contestant, from_rate=sample_rate, at_rate=common_rate(new, parent))
        for contestant in (new, parent)
    ]
    shortest_s = shortest_heard_s(new, parent)
    heard = [audio for audio in passages if len(audio) >= shortest_s * sample_rate]
    new_losses, parent_losses = (
        [loss for audio in heard for loss in judge.losses(audio)] for judge in judges
    )
    return sum_up(new_losses, parent_losses, common_rate(new, parent))


def sum_up(
    new: Sequence[tuple[float, int]],
    parent: Sequence[tuple[float, int]],
    sample_rate: int,
) -> Comparison | None:
    """Sums up the losses of both, each with its weight, in the order of the passages; None of nothing."""
    if not new:
        return None
    return Comparison(_mean(new), _mean(parent), sample_rate)


def common_rate(one: Contestant, other: Contestant) -> int:
    """Says at which sample rate two voices are compared, in Hz."""
    return min(one.profile.sample_rate, other.profile.sample_rate)


def shortest_heard_s(one: Contestant, other: Contestant) -> float:
    """Says how long a passage must be for both, in seconds."""
    return max(1 / c.profile.frame_rate for c in (one, other))


class Judge:
    """Has one voice play passages as it hears them."""

    def __init__(self, contestant: Contestant, *, from_rate: int, at_rate: int) -> None:
        """Loads its pitch tracker.

        Args:
          contestant: The voice.
          from_rate: Of the passages, in Hz.
          at_rate: Where they are compared, in Hz.
        """
        self._voice, self._profile = contestant
        self._tracker = make_tracker(self._profile)
        self._from_rate, self._at_rate = from_rate, at_rate

    def losses(self, audio: np.ndarray) -> list[tuple[float, int]]:
        """Compares what the voice plays of a passage with it: losses and the samples that each counts for."""
        own_rate = self._profile.sample_rate
        heard = resample(audio, from_rate=self._from_rate, to_rate=own_rate)
        features = extract(heard, profile=self._profile, tracker=self._tracker)
        f0_hz = signed_f0(features, threshold=self._profile.f0_confidence_threshold)
        # frame 0 is centred on the first sample: what block i ends on is frame i + 1
        sound = self._voice.render(f0_hz[1:], features.loudness_db[1:])
        played = resample(sound, from_rate=own_rate, to_rate=self._at_rate)
        original = resample(audio, from_rate=self._from_rate, to_rate=self._at_rate)
        n_samples = min(len(played), len(original))
        return _losses(original[:n_samples], played[:n_samples], self._at_rate)


def _mean(losses: Sequence[tuple[float, int]]) -> float:
    total = weight = 0.0
    for loss, size in losses:
        total, weight = total + loss * size, weight + size
    return total / weight


def _losses(
    original: np.ndarray, played: np.ndarray, sample_rate: int
) -> list[tuple[float, int]]:
    size = round(LOSS_WINDOW_S * sample_rate)
    losses = []
    for start in range(0, len(original), size):
        one, other = (
            tf.constant(audio[None, start : start + size])
            for audio in (original, played)
        )
        loss = spectral_loss(one, other, fft_sizes=fft_sizes_for(sample_rate))
        losses.append((float(loss), one.shape[1]))
    return losses
