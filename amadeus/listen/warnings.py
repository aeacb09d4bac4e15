"""What stands in the way of learning, with the numbers behind it.

`find_warnings` judges a take, `find_misfits` the profile against all takes, and
`say_warnings` puts both into lines, a kind that many takes share into one.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

from amadeus.audio import skips
from amadeus.audio.rates import say_dull
from amadeus.listen.report import TakeReport, Warning
from amadeus.listen.words import note_name, say_time, to_hz
from amadeus.v1 import profiles_pb2

# Fitted as the coach's docstring says; on the left of each colon one note or a clean take, on the
# right what the warning is about.
POLYPHONIC_SHARE = (
    0.36  # up to 0.3 (tremolo and flutter up to 0.5) : 0.4 to 0.8, orchestra 0.95
)
UNPITCHED_SHARE = (
    0.25  # of the sounding time, at least 0.74 : 0.11 orchestra, 0.03 rain
)
STEADY_SHARE = 0.6  # at least 0.66 singers, 0.77 instruments : 0.53 speech
SPEECH_PITCHED_SHARE = 0.92  # consonants take the rest
SPEECH_HIGHEST_MIDI = 72.0
SNR_DB = 20.0  # 29 to 66, fluttered saxophone 16 to 24 : as mixed
CLIPPED_SHARE = 1e-4  # 0 : 0.0003 where only the loudest peaks are cut
SILENT_SHARE = 0.5
SHORT_PITCHED_S = 0.5
DULL_SHARE = 0.8  # of what a voice could reach, or of what is heard, 20 kHz
OUTSIDE_SHARE = 0.02  # of the pitched time: a slip of the tracker is no note
OUTSIDE_S = 0.3

_HEARD_HZ = 20_000.0
_SAMPLE_RATES = (16_000, 24_000, 32_000, 44_100, 48_000)
_SWIFT_RANGE_HZ = (46.875, 2_093.75)
_MANY_TAKES = 3  # alike warnings of more takes become one line


def find_warnings(
    take: TakeReport, *, profile: profiles_pb2.LearnerProfile
) -> list[Warning]:
    """Judges a take by its numbers.

    Args:
      take: Measured.
      profile: Complete; its learned reverb and sample rate say what is too long and too dull.
    """
    if not take.sounding_s:
        numbers = {"heard_s": take.heard_s, "peak": take.peak}
        text = f"no sound in {take.heard_s:.1f} s (peak {take.peak:.5f} of full scale)"
        return [Warning("silence", text, numbers, take.name)]
    return [
        Warning(kind, text, numbers, take.name)
        for kind, text, numbers in (
            *_about_pitch(take),
            *_about_sound(take),
            *_about_room(take, profile),
        )
    ]


def find_misfits(
    takes: Sequence[TakeReport], *, profile: profiles_pb2.LearnerProfile
) -> list[Warning]:
    """Finds what a profile asks for and the recordings do not hold, or hold and it excludes.

    Args:
      takes: Measured.
      profile: Complete; its f0 range is looked at. Its sample rate is, take by take, in `find_warnings`.
    """
    outside_s = sum(take.outside_s * take.scale for take in takes)
    pitched_s = sum(take.whole_pitched_s for take in takes)
    if outside_s < max(OUTSIDE_S, OUTSIDE_SHARE * (pitched_s + outside_s)):
        return []
    lows = [take.outside_low_midi for take in takes]
    highs = [take.outside_high_midi for take in takes]
    low = min(midi for midi in lows if not math.isnan(midi))
    high = max(midi for midi in highs if not math.isnan(midi))
    text = (
        f"{say_time(outside_s)} of {say_time(pitched_s + outside_s)} with a pitch lie outside of "
        f"f0_min_hz={profile.f0_min_hz:g} to f0_max_hz={profile.f0_max_hz:g}, from {note_name(low)} ({to_hz(low):.0f} "
        f"Hz) to {note_name(high)} ({to_hz(high):.0f} Hz), and will not be learned: {_open_range(low, high, profile)}"
    )
    numbers = {
        "outside_s": outside_s,
        "lowest_hz": to_hz(low),
        "highest_hz": to_hz(high),
        "f0_min_hz": profile.f0_min_hz,
        "f0_max_hz": profile.f0_max_hz,
    }
    return [Warning("f0_range", text, numbers)]


def find_mixture(
    skipped: skips.Skips, n_takes: int, rates: Mapping[int, int], *, sample_rate: int
) -> list[Warning]:
    """Finds what of the recordings is left out, and which part of them was recorded at too low a rate.

    Args:
      skipped: What cannot be learned from.
      n_takes: Takes in all.
      rates: How many takes are recorded at which sample rate, in Hz.
      sample_rate: Of the learner, in Hz.
    """
    found = []
    if text := skips.say(skipped, n_takes):
        numbers = {"skipped": skipped.n_takes, "takes": n_takes}
        found.append(Warning("skipped", text, numbers))
    # Where all are of one low rate, the bandwidth of each take says it better.
    if len(rates) > 1 and (text := say_dull(rates, sample_rate=sample_rate)):
        n_low = sum(count for rate, count in rates.items() if rate < sample_rate)
        numbers = {"low_takes": n_low, "takes": n_takes, "lowest_hz": min(rates)}
        found.append(Warning("sample_rates", text, numbers))
    return found


def say_warnings(warnings: Sequence[Warning]) -> list[str]:
    """Puts warnings into lines; what more than three takes share is said once, at its worst.

    Args:
      warnings: As a report holds them.
    """
    lines = []
    by_kind: dict[str, list[Warning]] = {}
    for warning in warnings:
        by_kind.setdefault(warning.kind if warning.take else "", []).append(warning)
    for kind, group in by_kind.items():
        if not kind or len(group) <= _MANY_TAKES:
            lines += [f"{w.take + ': ' if w.take else ''}{w.text}." for w in group]
            continue
        worst = max(group, key=_badness)
        lines.append(
            f"{len(group)} takes: {kind}; the worst is {worst.take}: {worst.text}."
        )
    return lines


def _badness(warning: Warning) -> float:
    """Orders warnings of one kind: by their first number, which is worse when lower for some."""
    first = next(iter(warning.numbers.values()))
    is_worse_below = warning.kind in {"noise", "bandwidth", "unpitched", "speech"}
    return -first if is_worse_below or warning.kind == "short" else first


def _open_range(low: float, high: float, profile: profiles_pb2.LearnerProfile) -> str:
    """Says which settings would let these pitches in; a semitone of room for vibrato."""
    low_hz, high_hz = to_hz(low - 1), to_hz(high + 1)
    settings = []
    if to_hz(low) < profile.f0_min_hz:
        settings.append(f"f0_min_hz={math.floor(low_hz)}")
    if to_hz(high) > profile.f0_max_hz:
        settings.append(f"f0_max_hz={math.ceil(high_hz)}")
    reach_hz = _SWIFT_RANGE_HZ
    if to_hz(low) < reach_hz[0]:
        settings.append("f0_tracker=crepe_full")
    if to_hz(high) > reach_hz[1]:
        return f"above {reach_hz[1]:.0f} Hz no tracker hears pitch well; leave these notes out"
    return f"set {' and '.join(settings)}" if settings else "leave these notes out"


def _about_pitch(take: TakeReport) -> Iterator[tuple]:
    share = take.pitched_s / take.sounding_s
    if share < UNPITCHED_SHARE:
        yield (
            "unpitched",
            f"a steady pitch in only {share:.0%} of {take.sounding_s:.1f} s of sound: noise, or many notes at once",
            {"pitched_share": share, "sounding_s": take.sounding_s},
        )
        return
    is_speech = (
        take.steady_share < STEADY_SHARE
        and share < SPEECH_PITCHED_SHARE
        and take.highest_midi < SPEECH_HIGHEST_MIDI
    )
    if is_speech:
        yield (
            "speech",
            f"pitch rests in only {take.steady_share:.0%} of the pitched time, and {1 - share:.0%} of the sound has "
            "none: this sounds spoken, not sung or played",
            {"steady_share": take.steady_share, "pitched_share": share},
        )
    elif take.polyphonic_share > POLYPHONIC_SHARE:
        yield (
            "polyphony",
            f"partials of more than one note in {take.polyphonic_share:.0%} of the sound: chords, accompaniment or a "
            "long echo",
            {"polyphonic_share": take.polyphonic_share},
        )
    if take.pitched_s < SHORT_PITCHED_S:
        yield (
            "short",
            f"only {take.pitched_s:.2f} s with a pitch",
            {"pitched_s": take.pitched_s},
        )


def _about_sound(take: TakeReport) -> Iterator[tuple]:
    if take.snr_db < SNR_DB:
        yield (
            "noise",
            f"sound lies only {take.snr_db:.0f} dB above the background; {SNR_DB:.0f} dB or more learn well",
            {"snr_db": take.snr_db, "needed_db": SNR_DB},
        )
    if take.clipped_share > CLIPPED_SHARE:
        yield (
            "clipping",
            f"{take.clipped_share:.2%} of the samples are cut flat at {take.peak:.2f} of full scale: record softer",
            {"clipped_share": take.clipped_share, "peak": take.peak},
        )
    if take.silent_s > SILENT_SHARE * take.heard_s:
        yield (
            "silence",
            f"{take.silent_s / take.heard_s:.0%} of {take.heard_s:.1f} s is silence, which is left out",
            {"silent_share": take.silent_s / take.heard_s},
        )


def _about_room(
    take: TakeReport, profile: profiles_pb2.LearnerProfile
) -> Iterator[tuple]:
    longest_s = max(1.0, profile.reverb_duration_s) * 1.5
    if take.decay_60db_s > longest_s:
        yield (
            "reverb",
            f"sound takes {take.decay_60db_s:.1f} s to fall by 60 dB; an echo beyond {longest_s:.1f} s is learned as "
            "if it were the instrument",
            {"decay_60db_s": take.decay_60db_s, "longest_s": longest_s},
        )
    nyquist_hz = profile.sample_rate / 2
    # The next partial of the highest note may lie beyond all that was asked for.
    partial_hz = to_hz(take.highest_midi) if take.pitched_s else 0.0
    if take.bandwidth_hz + partial_hz < DULL_SHARE * min(nyquist_hz, _HEARD_HZ):
        yield (
            "bandwidth",
            f"nothing above {take.bandwidth_hz:.0f} Hz where a voice of {profile.sample_rate} Hz could reach "
            f"{nyquist_hz:.0f} Hz: it will be as dull{_enough_rate(take.bandwidth_hz, profile.sample_rate)}",
            {"bandwidth_hz": take.bandwidth_hz, "nyquist_hz": nyquist_hz},
        )


def _enough_rate(bandwidth_hz: float, sample_rate: int) -> str:
    """Says the lowest sample rate that holds all there is, where it is below the one asked for."""
    enough = next(
        (r for r in _SAMPLE_RATES if r / 2 > 0.95 * bandwidth_hz), sample_rate
    )
    if enough >= sample_rate:
        return ""
    return f", and sample_rate={enough} holds all there is at less cost"
