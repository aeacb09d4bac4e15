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
    rate = min(new.profile.sample_rate, parent.profile.sample_rate)
    shortest_s = max(1 / c.profile.frame_rate for c in (new, parent))
    heard = [audio for audio in passages if len(audio) >= shortest_s * sample_rate]
    if not heard:
        return None
    losses = (
        _mean_loss(contestant, heard, from_rate=sample_rate, at_rate=rate)
        for contestant in (new, parent)
    )
    return Comparison(*losses, rate)


def _mean_loss(
    contestant: Contestant,
    passages: Sequence[np.ndarray],
    *,
    from_rate: int,
    at_rate: int,
) -> float:
    tracker = make_tracker(contestant.profile)
    own_rate = contestant.profile.sample_rate
    total = weight = 0.0
    for audio in passages:
        heard = resample(audio, from_rate=from_rate, to_rate=own_rate)
        features = extract(heard, profile=contestant.profile, tracker=tracker)
        f0_hz = signed_f0(
            features, threshold=contestant.profile.f0_confidence_threshold
        )
        # frame 0 is centred on the first sample: what block i ends on is frame i + 1
        sound = contestant.voice.render(f0_hz[1:], features.loudness_db[1:])
        played = resample(sound, from_rate=own_rate, to_rate=at_rate)
        original = resample(audio, from_rate=from_rate, to_rate=at_rate)
        n_samples = min(len(played), len(original))
        for loss, size in _losses(original[:n_samples], played[:n_samples], at_rate):
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
