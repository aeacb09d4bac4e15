"""How an instrument plays its notes: a practice's statistics, settled for playing.

Statistics may come from a single scratchy take: what is missing or absurd is replaced by the manner
of a plain sustained instrument, so that playing never fails for want of knowledge.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from amadeus.play.notation import Timbre
from amadeus.v1 import personality_pb2, profiles_pb2

MIN_VELOCITY_RANGE_DB = 6.0  # a practice at one dynamic still answers to velocity

# Notes that fade faster are struck or plucked, never slurred.
STRUCK_SLOPE_DB_PER_S = -10.0

# A network taught nothing about pitch below this share of its frames may grow loud again there.
_FLOOR_SHARE = 0.01
_MIN_FLOOR_DEPTH_DB = 25.0  # a release falls at least so far below loud notes
_MIN_SOFT_DEPTH_DB = 10.0  # and so far below soft ones

# Of a tracker's frames this share lies at either end by mistake, an octave off.
_PITCH_SLIP_SHARE = 0.01

# Knobs that a style has under the same name.
_TAKEN_OVER = (
    "attack_scale",
    "sustain_scale",
    "loudness_curve",
    "pressure_scale",
    "brightness",
    "timbre_scale",
    "vibrato_scale",
    "modulation_depth_cents",
)

# Features end at -80 dB: the voice has heard nothing below.
_SILENCE_RANGE_DB = (-120.0, -80.0)


@dataclass(frozen=True, kw_only=True)
class Style:
    """The manner of an instrument, as learned and as the player profile bends it.

    Levels are loudness in dB; depths are positive dB below the peak of a note.
    """

    attack_s: float = 0.05  # from onset to 3 dB below the peak
    attack_depth_db: float = 25.0
    attack_scale: float = 1.0
    decay_s: float = 0.1
    decay_depth_db: float = 2.0
    sustain_slope_db_per_s: float = 0.0
    sustain_scale: float = 1.0  # what decay and fading are divided by
    release_s: float = 0.2  # for 40 dB
    soft_db: float = -25.0  # peak at velocity 1
    loud_db: float = -5.0  # peak at velocity 127
    max_db: float = -5.0  # the loudest the voice has heard
    floor_db: float = -60.0  # the softest pitched sound the voice knows
    silence_db: float = -80.0
    loudness_curve: float = 1.0  # exponent of the way from soft to loud
    pressure_scale: float = 1.0
    brightness: float = 0.0  # in 6 dB an octave
    timbre_scale: float = 1.0
    vibrato_rate_hz: float = 5.5
    vibrato_depth_cents: float = 0.0
    vibrato_delay_s: float = 0.3
    vibrato_scale: float = 1.0
    modulation_depth_cents: float = 50.0  # as General MIDI 2 has it
    legato_s: float = 0.06
    portamento_s: float = 0.0  # 0: a slur takes `legato_s`
    low_midi: float | None = None  # learned pitch range; None: unknown
    high_midi: float | None = None

    @property
    def is_struck(self) -> bool:
        """Whether notes fade by themselves, so that each has to be struck."""
        return self.sustain_slope_db_per_s < STRUCK_SLOPE_DB_PER_S


def settle_style(
    statistics: personality_pb2.Statistics, player_profile: profiles_pb2.PlayerProfile
) -> Style:
    """Makes a style of what was learned.

    Args:
      statistics: Of the practice; any field may be missing.
      player_profile: Complete.
    """
    learned = Style(**_levels(statistics), **_manner(statistics))
    low_midi, high_midi = settle_pitch_range(statistics) or (None, None)
    is_mono = player_profile.voice_mode == profiles_pb2.VOICE_MODE_MONO
    depth_cents = learned.vibrato_depth_cents + player_profile.vibrato_depth_cents
    return replace(
        learned,
        low_midi=low_midi,
        high_midi=high_midi,
        decay_s=learned.decay_s * player_profile.decay_scale,
        release_s=learned.release_s * player_profile.release_scale,
        vibrato_rate_hz=player_profile.vibrato_rate_hz or learned.vibrato_rate_hz,
        vibrato_depth_cents=depth_cents,
        portamento_s=player_profile.portamento_s if is_mono else 0.0,
        **{name: getattr(player_profile, name) for name in _TAKEN_OVER},
    )


def settle_pitch_offset(player_profile: profiles_pb2.PlayerProfile) -> float:
    """What a complete profile adds to every pitch, in semitones."""
    return player_profile.pitch_shift_semitones + player_profile.fine_tuning_cents / 100


def settle_timbre(
    brightness: np.ndarray, player_profile: profiles_pb2.PlayerProfile
) -> Timbre | None:
    """Joins the gains of a complete profile to a curve of brightness; None where nothing is bent.

    Args:
      brightness: What the profile and the controllers say together. Shape [n_frames].
      player_profile: Complete.
    """
    gains_db = player_profile.harmonic_gain_db, player_profile.noise_gain_db
    if not (any(gains_db) or brightness.any()):
        return None
    curves = (*(np.full(brightness.shape, gain) for gain in gains_db), brightness)
    return Timbre(*(curve.astype(np.float32) for curve in curves))


def finite_quantiles(quantiles: Iterable[float]) -> list[float]:
    """Quantiles as a rising list of floats; empty where any is no number."""
    values = [float(value) for value in quantiles]
    return sorted(values) if all(map(math.isfinite, values)) else []


def settle_pitch_range(
    statistics: personality_pb2.Statistics,
) -> tuple[float, float] | None:
    """The learned range in MIDI note numbers; None where nothing was learned."""
    quantiles = finite_quantiles(statistics.pitch_quantiles_midi)
    if not quantiles:
        return None
    shares = [_PITCH_SLIP_SHARE, 1 - _PITCH_SLIP_SHARE]
    low_midi, high_midi = np.quantile(quantiles, shares)
    return float(low_midi), float(high_midi)


def settle_silence(statistics: personality_pb2.Statistics) -> float:
    """Loudness of silence, in [-120, -80] dB."""
    silence_db = _within(statistics.silence_loudness_db, *_SILENCE_RANGE_DB, -80.0)
    return silence_db if statistics.silence_loudness_db < 0 else _SILENCE_RANGE_DB[1]


def settle_loudness_range(
    statistics: personality_pb2.Statistics,
) -> tuple[float, float]:
    """The softest and the loudest pitched sound that the voice knows, in dB."""
    levels = _levels(statistics)
    return levels["floor_db"], levels["max_db"]


def _manner(statistics: personality_pb2.Statistics) -> dict[str, float]:
    shape = statistics.note_shape
    if shape.note_count < 1:
        return {}
    plain = Style()
    manner = {
        "attack_s": _within(shape.attack_duration_s, 0.0, 2.0, plain.attack_s),
        "attack_depth_db": _within(
            shape.attack_depth_db, 6.0, 60.0, plain.attack_depth_db
        ),
        "decay_s": _within(shape.decay_duration_s, 0.01, 5.0, plain.decay_s),
        "decay_depth_db": _within(
            shape.decay_depth_db, 0.0, 30.0, plain.decay_depth_db
        ),
        "sustain_slope_db_per_s": _within(
            shape.sustain_slope_db_per_s, -200.0, 20.0, 0.0
        ),
        "release_s": _within(shape.release_duration_s, 0.02, 5.0, plain.release_s),
        "legato_s": _within(
            shape.legato_duration_s or plain.legato_s, 0.01, 0.25, plain.legato_s
        ),
    }
    if shape.vibrato_rate_hz > 0:
        manner |= {
            "vibrato_rate_hz": _within(shape.vibrato_rate_hz, 2.0, 9.0, 5.5),
            "vibrato_depth_cents": _within(shape.vibrato_depth_cents, 0.0, 100.0, 0.0),
            "vibrato_delay_s": _within(shape.vibrato_delay_s, 0.0, 2.0, 0.3),
        }
    return manner


def _levels(statistics: personality_pb2.Statistics) -> dict[str, float]:
    shape, plain = statistics.note_shape, Style()
    quantiles = finite_quantiles(statistics.loudness_quantiles_db)
    soft_db, loud_db = plain.soft_db, plain.loud_db
    if shape.note_count and (shape.soft_loudness_db or shape.loud_loudness_db):
        soft_db, loud_db = shape.soft_loudness_db, shape.loud_loudness_db
    elif quantiles:
        last = len(quantiles) - 1
        soft_db, loud_db = quantiles[last // 10], quantiles[last - last // 10]
    loud_db = _within(loud_db, -70.0, 30.0, plain.loud_db)
    soft_db = _within(soft_db, -79.0, loud_db, plain.soft_db)
    silence_db = settle_silence(statistics)
    soft_db = min(soft_db, loud_db - MIN_VELOCITY_RANGE_DB)
    floor_db = min(loud_db - _MIN_FLOOR_DEPTH_DB, soft_db - _MIN_SOFT_DEPTH_DB)
    if quantiles:
        floor_db = min(floor_db, float(np.quantile(quantiles, _FLOOR_SHARE)))
    else:
        floor_db = min(floor_db, plain.floor_db)
    return {
        "soft_db": soft_db,
        "loud_db": loud_db,
        "max_db": max([loud_db, *quantiles[-1:]]),
        "floor_db": max(floor_db, silence_db),
        "silence_db": silence_db,
    }


def _within(value: float, low: float, high: float, otherwise: float) -> float:
    return min(max(value, low), high) if math.isfinite(value) else otherwise
