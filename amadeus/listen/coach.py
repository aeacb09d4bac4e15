"""The coach: listens to recordings, says what could be learned, and what stands in the way.

Thresholds were fitted on 190 phrases of solo cello, flute and saxophone, two singers, a speaker, an
orchestra, rain, and mixtures made of them: two solos at once, noise at 10 to 30 dB, clipped gain,
echoes of 0.5 to 4 s. Speech was fitted on one speaker only, and is told with care. They are tested on
some of these and on melodies that are made in the tests and were never fitted on.
"""

import dataclasses
import functools
import math
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from amadeus.audio import decode, skips
from amadeus.errors import RecordingError, legible
from amadeus.features import extract
from amadeus.features.types import PitchTracker
from amadeus.listen.advice import advise
from amadeus.listen.coverage import Coverage, measure_coverage
from amadeus.listen.instruments import (
    Instrument,
    check_name,
    covered_range,
    find_instrument,
)
from amadeus.listen.material import Material, join
from amadeus.listen.outlook import find_strengths, find_weaknesses
from amadeus.listen.playing import describe_playing, estimate_tuning
from amadeus.listen.report import Report, TakeReport, Warning
from amadeus.listen.take import Excerpt, hear_take
from amadeus.listen.warnings import find_misfits, find_mixture, find_warnings
from amadeus.v1 import profiles_pb2

T = TypeVar("T")

MIN_PITCHED_S = 1.0
ENOUGH_S = 60.0  # less than a minute teaches a voice, but leaves notes out

_EXCERPT_S = 4.0
_MOST_EXCERPTS = 600
_N_THREADS = 2
_UNTOLD_DURATION_S = 60.0  # of a file that does not say how long it is


def listen(
    paths: Sequence[Path],
    *,
    profile: profiles_pb2.LearnerProfile,
    limit_s: float | None = None,
    instrument: str | None = None,
) -> Report:
    """Listens to recordings.

    Args:
      paths: Sound files.
      profile: Complete.
      limit_s: Listen to about this much only, spread evenly over all recordings, and estimate the
        rest from it; every file is still opened. None means all.
      instrument: Whose range to hold them against; None to read it from names or guess it by pitch.

    Raises:
      ConfigError: The instrument is not known.
      RecordingError: More files cannot be read than the profile's `max_skipped_fraction` lets be skipped.
    """
    asked = check_name(instrument) if instrument else None
    probed = [_try(path, functools.partial(decode.probe, path)) for path in paths]
    known = [
        (path, info)
        for path, info in zip(paths, probed, strict=True)
        if isinstance(info, decode.AudioInfo)
    ]
    durations_s = [info.duration_s or math.nan for _, info in known]
    plan = _plan(durations_s, limit_s) if known else []
    tracker = _make_tracker(profile)
    jobs = [(*one, part) for one, part in zip(known, plan, strict=True) if part != []]

    def hear(
        job: tuple[Path, decode.AudioInfo, list[Excerpt] | None],
    ) -> TakeReport | skips.Unusable:
        return _try(job[0], functools.partial(_hear, *job, profile, tracker))

    with ThreadPoolExecutor(_N_THREADS) as pool:  # decoding and spectra leave the lock
        heard = list(pool.map(hear, jobs))
    skipped = skips.gather(
        one for one in (*probed, *heard) if isinstance(one, skips.Unusable)
    )
    skips.check(skipped, len(paths), max_fraction=profile.max_skipped_fraction)
    takes = [take for take in heard if isinstance(take, TakeReport)]
    unheard_s = float(
        np.nansum([d for d, part in zip(durations_s, plan, strict=True) if part == []])
    )
    report = _summarise(takes, unheard_s, asked, profile)
    rates = Counter(info.sample_rate for _, info in known)
    report.warnings.extend(
        find_mixture(skipped, len(paths), rates, sample_rate=profile.sample_rate)
    )
    return _conclude(report, sample_rate=profile.sample_rate)


def check_teachable(report: Report) -> None:
    """Refuses recordings that nothing can be learned from.

    What is only poor (noise, clipping, echo, a share of chords) is left to the warnings. A voice
    learns one note at a time, so recordings of nothing but chords or speech are refused: minutes
    of training would end in a murmur.

    Raises:
      RecordingError: Silence, no steady pitch, less than a second of pitched sound, or nothing
        but polyphony or speech.
    """
    if not report.sounding_s:
        raise RecordingError(
            f"the recordings are silent: no sound above -80 dBFS in {report.heard_s:.1f} s; "
            "check the microphone and give takes that sound."
        )
    if report.pitched_s < MIN_PITCHED_S:
        raise RecordingError(_too_little(report))
    if report.usable_duration_s:
        return
    kinds = {
        warning.kind: warning for take in report.takes for warning in take.warnings
    }
    for kind in ("polyphony", "speech", "unpitched"):
        if kind in kinds:
            raise RecordingError(_NOTHING_BUT[kind].format(text=kinds[kind].text))


_NOTHING_BUT = {
    "polyphony": "the recordings hold several notes at once, and a voice learns one: {text}.",
    "speech": "the recordings sound like speech, which holds no notes to learn: {text}.",
    "unpitched": "the recordings hold no steady pitch to learn: {text}.",
}


def _too_little(report: Report) -> str:
    share = report.pitched_s / report.sounding_s
    return (
        f"the recordings hold {report.pitched_s:.1f} s with a steady pitch in {report.sounding_s:.1f} s of sound "
        f"({share:.0%}), and at least {MIN_PITCHED_S:g} s is needed: give takes of single notes, without noise or "
        "accompaniment."
    )


def _try(path: Path, hear: Callable[[], T]) -> T | skips.Unusable:
    """Hears a take, or says why it cannot be learned from.

    Raises:
      RecordingError: It is no fault of the file.
    """
    try:
        return hear()
    except RecordingError as error:
        return skips.judge(legible(Path(path).name), error)


def _hear(
    path: Path,
    info: decode.AudioInfo,
    excerpts: list[Excerpt] | None,
    profile: profiles_pb2.LearnerProfile,
    tracker: PitchTracker,
) -> TakeReport:
    take = hear_take(
        Path(path), info=info, excerpts=excerpts, profile=profile, tracker=tracker
    )
    take.warnings.extend(find_warnings(take, profile=profile))
    return take


def _plan(
    durations_s: list[float], limit_s: float | None
) -> list[list[Excerpt] | None]:
    """Decides what of each take is heard: all (None), or excerpts, perhaps none."""
    known_s = np.nan_to_num(np.array(durations_s, float), nan=_UNTOLD_DURATION_S)
    if limit_s is None or known_s.sum() <= limit_s:
        return [None] * len(durations_s)
    ends_s = np.cumsum(known_s)
    # Of short takes no more than all can be heard, so more of them are: half of the sound lies in takes of this length.
    order = np.argsort(known_s)
    middle = np.searchsorted(np.cumsum(known_s[order]), ends_s[-1] / 2)
    typical_s = float(known_s[order][min(middle, len(order) - 1)])
    excerpt_s = min(_EXCERPT_S, max(typical_s, limit_s / _MOST_EXCERPTS))
    n_excerpts = max(1, round(limit_s / excerpt_s))
    length_s = limit_s / n_excerpts
    plan: list[list[Excerpt] | None] = [[] for _ in durations_s]
    for middle_s in (np.arange(n_excerpts) + 0.5) * ends_s[-1] / n_excerpts:
        take = int(np.searchsorted(ends_s, middle_s))
        start_s = ends_s[take] - known_s[take]
        offset_s = min(middle_s - length_s / 2, ends_s[take] - length_s) - start_s
        if math.isnan(durations_s[take]):
            offset_s = 0.0  # its beginning is all that is sure to be there
        excerpts = plan[take]
        if excerpts and offset_s < excerpts[-1].offset_s + excerpts[-1].duration_s:
            continue  # a short take is not heard twice
        excerpts.append(Excerpt(max(0.0, float(offset_s)), length_s))
    return plan


def _make_tracker(profile: profiles_pb2.LearnerProfile) -> PitchTracker:
    """Loads a tracker that is quick: CREPE only where the profile names it."""
    slow = (profiles_pb2.F0_TRACKER_CREPE_FULL, profiles_pb2.F0_TRACKER_CREPE_TINY)
    if profile.f0_tracker in slow:
        return extract.make_tracker(profile)
    quick = profiles_pb2.LearnerProfile()
    quick.CopyFrom(profile)
    quick.f0_tracker = profiles_pb2.F0_TRACKER_SWIFT_F0
    return extract.make_tracker(quick)


def _summarise(
    takes: list[TakeReport],
    unheard_s: float,
    asked: str | None,
    profile: profiles_pb2.LearnerProfile,
) -> Report:
    """Sums takes up; what follows from the sums is left open."""
    told_s = sum(take.duration_s for take in takes)
    # Takes that were not heard are taken to be like those that were.
    scale = (told_s + unheard_s) / told_s if told_s else 1.0
    usable = [take for take in takes if take.usable_s]
    good = usable or takes
    usable_s = scale * sum(take.usable_s for take in usable)
    material = join(
        [take.material for take in usable], scales=[scale * t.scale for t in usable]
    )
    lowest_midi = _least([take.lowest_midi for take in good])
    highest_midi = -_least([-take.highest_midi for take in good])
    instrument = find_instrument(
        asked,
        names=[_words_of(take) for take in takes],
        lowest_midi=lowest_midi,
        highest_midi=highest_midi,
    )
    warnings = [warning for take in takes for warning in take.warnings]
    warnings += find_misfits(takes, profile=profile)
    if 0 < usable_s < ENOUGH_S:
        warnings.append(_short(usable_s))
    return Report(
        takes=takes,
        duration_s=told_s + unheard_s,
        heard_s=sum(take.heard_s for take in takes),
        sounding_s=sum(take.sounding_s for take in takes),
        pitched_s=sum(take.pitched_s for take in takes),
        usable_duration_s=usable_s,
        clean_duration_s=scale * sum(t.usable_s for t in usable if t.is_clean),
        lowest_midi=lowest_midi,
        highest_midi=highest_midi,
        soft_db=_least([take.soft_db for take in good]),
        loud_db=-_least([-take.loud_db for take in good]),
        snr_db=_middle([take.snr_db for take in good], good),
        decay_60db_s=_middle([take.decay_60db_s for take in good], good),
        bandwidth_hz=_middle([take.bandwidth_hz for take in good], good),
        clipped_share=_mean([take.clipped_share for take in takes], takes),
        polyphonic_share=_mean([take.polyphonic_share for take in takes], takes),
        instrument=instrument,
        coverage=_cover(material, instrument, lowest_midi, highest_midi),
        playing=describe_playing(material.notes),
        tuning=estimate_tuning(material.notes),
        material=material,
        warnings=warnings,
    )


def _cover(
    material: Material,
    instrument: Instrument | None,
    lowest_midi: float,
    highest_midi: float,
) -> Coverage | None:
    if instrument is None or not material.seconds.any():
        return None
    low, high = covered_range(
        instrument, lowest_midi=lowest_midi, highest_midi=highest_midi
    )
    return measure_coverage(material.seconds, low_midi=low, high_midi=high)


def _conclude(report: Report, *, sample_rate: int) -> Report:
    """Draws what follows: what a voice will be good and bad at, and what to record next."""
    return dataclasses.replace(
        report,
        strengths=find_strengths(report),
        weaknesses=find_weaknesses(report, sample_rate=sample_rate),
        advice=advise(report, sample_rate=sample_rate),
    )


def _words_of(take: TakeReport) -> str:
    # A folder often says what its files do not, such as `cello/take 1.wav`.
    path = Path(take.path)
    return f"{path.parent.name} {path.stem}"


def _middle(values: list[float], takes: list[TakeReport]) -> float:
    """Median over the takes' pitched time; NaN where nothing is known."""
    known = [
        (value, max(take.pitched_s, 1e-3))
        for value, take in zip(values, takes, strict=True)
        if not math.isnan(value)
    ]
    if not known:
        return math.nan
    ordered, weights = zip(*sorted(known), strict=True)
    middle = np.searchsorted(np.cumsum(weights), sum(weights) / 2)
    return ordered[int(middle)]


def _mean(values: list[float], takes: list[TakeReport]) -> float:
    """Mean over the time heard; NaN where nothing is known."""
    known = [
        (value, take.heard_s)
        for value, take in zip(values, takes, strict=True)
        if not math.isnan(value) and take.heard_s
    ]
    if not known:
        return math.nan
    return float(np.average([v for v, _ in known], weights=[w for _, w in known]))


def _short(usable_s: float) -> Warning:
    return Warning(
        "short",
        f"only {usable_s:.0f} s are usable; from {ENOUGH_S:.0f} s on a voice knows its notes, and ten minutes are good",
        {"usable_s": usable_s, "enough_s": ENOUGH_S},
    )


def _least(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return min(known, default=math.nan)
