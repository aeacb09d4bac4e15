"""Plays notes into control curves, and reads the curves."""

import numpy as np

from amadeus.personality import profiles
from amadeus.play.controls import play_score
from amadeus.play.notation import Score, Steps
from tests.play.instrument import SPEC, learned

STRAIGHT = learned(vibrato_rate_hz=0)  # no vibrato, so that pitch can be read exactly


def profile(**player):
    complete = profiles.complete_player_profile()
    for name, value in player.items():
        setattr(complete, name, value)
    return complete


def play(*notes, statistics=STRAIGHT, channels=None, seed=0, **player):
    return play_score(
        Score(notes, channels or {}),
        statistics=statistics,
        player_profile=profile(**player),
        spec=SPEC,
        seed=seed,
    )


def play_line(*notes, **options):
    (line,) = play(*notes, **options).lines
    return line


def steps(*changes, initial=0.0):
    times_s, values = zip(*changes, strict=True)
    return Steps(np.array(times_s), np.array(values, float), initial)


def frames(start_s, end_s):
    """Controls that say what sounds from `start_s` to before `end_s`."""
    return slice(
        round(start_s * SPEC.frame_rate) - 1 if start_s else 0,
        round(end_s * SPEC.frame_rate) - 1,
    )


def cents(f0_hz, pitch_midi, a4_hz=440.0):
    return 1200 * np.log2(f0_hz / (a4_hz * 2 ** ((pitch_midi - 69) / 12)))


def level_at(line, time_s):
    return float(line.loudness_db[round(time_s * SPEC.frame_rate) - 1])
