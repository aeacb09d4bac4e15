"""What a voice from these recordings will be good at, and what it will have to guess."""

import itertools
from collections.abc import Callable, Iterator

from amadeus.listen.coverage import GOAL_S, HOLE_S, LEVELS, Coverage, Level, Region
from amadeus.listen.playing import LONG_S, Playing
from amadeus.listen.report import Report
from amadeus.listen.warnings import DULL_SHARE
from amadeus.listen.words import note_name, say_notes, say_time

MANY_NOTES = 40
FEW_NOTES = 10
LONG_ENOUGH_S = 60.0  # in long notes
WIDE_DB, NARROW_DB = 18.0, 10.0  # from soft to loud
CLEAN_SNR_DB = 40.0
DRY_S = 0.5

SPOILT_SHARE = 0.1  # of the usable time

_N_HOLES = 4
_SPOILT = {
    "noise": "silence: the background hisses along with the sound",
    "reverb": "dry, quick playing: an echo hangs on every note",
    "clipping": "loud notes: samples are cut flat, and the crackle is learned",
}


def find_strengths(report: Report) -> list[str]:
    """Lists what there is enough of, as sentences with numbers."""
    if not report.usable_duration_s or report.coverage is None:
        return []
    return [
        *_covered(report.coverage),
        *_played_well(report.playing),
        *_recorded_well(report),
    ]


def find_weaknesses(report: Report, *, sample_rate: int) -> list[str]:
    """Lists what a voice will have to guess or will copy to its harm, as sentences with numbers.

    Args:
      report: All but strengths, weaknesses and advice.
      sample_rate: Of the voice, in Hz.
    """
    if not report.usable_duration_s or report.coverage is None:
        return [
            "there is nothing to learn from: no take has usable sound of one note at a time"
        ]
    return [
        *_holes(report.coverage),
        *_played_badly(report.coverage, report.playing),
        *_recorded_badly(report, sample_rate),
    ]


def spans(
    regions: list[Region], is_wanted: Callable[[Region], bool]
) -> list[list[Region]]:
    """Groups neighbouring regions that are wanted, from low to high."""
    groups = itertools.groupby(regions, key=is_wanted)
    return [list(group) for wanted, group in groups if wanted]


def _covered(coverage: Coverage) -> Iterator[str]:
    half = GOAL_S / 2
    full = spans(
        coverage.regions, lambda r: all(r.seconds(name) >= half for name in LEVELS)
    )
    for span in sorted(full, key=_total_s, reverse=True)[:2]:
        yield f"{_say(span)} at every level, soft to loud: {say_time(_total_s(span))}"
    if not full:
        best = max(coverage.regions, key=lambda region: region.total_s)
        level = max(LEVELS, key=best.seconds)
        yield f"best known: {_say([best])}, {say_time(best.total_s)}, most of it {level}"
    if coverage.range_db >= WIDE_DB:
        yield f"swells and accents: {coverage.range_db:.0f} dB lie between soft and loud"


def _played_well(playing: Playing) -> Iterator[str]:
    if playing.long_s >= LONG_ENOUGH_S:
        yield (
            f"long notes: {say_time(playing.long_s)} in notes of {LONG_S:g} s or more, up to {playing.longest_s:.1f} s"
        )
    if playing.n_separate >= MANY_NOTES:
        yield f"attacks: {playing.n_separate} separate notes, {playing.n_repeated} of them repeated"
    if playing.n_tied >= MANY_NOTES:
        yield f"legato: {playing.n_tied} notes tied to the one before"
    if min(playing.n_vibrato, playing.n_plain) >= FEW_NOTES:
        yield f"notes with vibrato and without: {playing.n_vibrato} and {playing.n_plain}"


def _recorded_well(report: Report) -> Iterator[str]:
    if report.snr_db >= CLEAN_SNR_DB and not report.decay_60db_s > DRY_S:
        yield f"clean air around the sound: background {report.snr_db:.0f} dB below it"


def _holes(coverage: Coverage) -> Iterator[str]:
    empty = spans(coverage.regions, lambda region: region.total_s < HOLE_S)
    for span in empty:
        yield f"{_say(span)}: {say_time(_total_s(span))} in all, so these notes will be guessed"
    holes: list[tuple[float, str]] = []
    for level in LEVELS:
        for span in spans(coverage.regions, lambda r, name=level: _is_hole(r, name)):
            there_s = sum(region.seconds(level) for region in span)
            missing_s = GOAL_S * len(span) - there_s
            text = f"{_say(span)} {_played(level)}: only {say_time(there_s)}"
            holes.append((missing_s, text))
    yield from (text for _, text in sorted(holes, reverse=True)[:_N_HOLES])


def _played_badly(coverage: Coverage, playing: Playing) -> Iterator[str]:
    if coverage.range_db < NARROW_DB:
        yield f"dynamics: only {coverage.range_db:.0f} dB between soft and loud, so swells will sound alike"
    if playing.long_s < LONG_ENOUGH_S / 4:
        yield (
            f"holding notes: only {say_time(playing.long_s)} in notes of {LONG_S:g} s or more; the longest lasts "
            f"{playing.longest_s:.1f} s"
        )
    if playing.n_separate < FEW_NOTES:
        yield f"attacks: only {playing.n_separate} notes begin on their own"
    if playing.n_tied < FEW_NOTES:
        yield f"legato: only {playing.n_tied} notes are tied to the one before"


def _recorded_badly(report: Report, sample_rate: int) -> Iterator[str]:
    usable_s = report.usable_duration_s
    for kind, words in _SPOILT.items():
        spoilt = [t for t in report.takes if any(w.kind == kind for w in t.warnings)]
        spoilt_s = sum(take.usable_s for take in spoilt)
        if spoilt_s > SPOILT_SHARE * usable_s:
            yield f"{words}: so in {say_time(spoilt_s)} of {say_time(usable_s)}"
    if report.bandwidth_hz < DULL_SHARE * sample_rate / 2 and _is_dull(report):
        yield (
            f"brightness: the recordings end at {report.bandwidth_hz:.0f} Hz, a voice of {sample_rate} Hz could reach "
            f"{sample_rate / 2:.0f} Hz"
        )


def _is_dull(report: Report) -> bool:
    return any(warning.kind == "bandwidth" for warning in report.warnings)


def _is_hole(region: Region, level: Level) -> bool:
    return region.total_s >= HOLE_S and region.seconds(level) < HOLE_S


def _total_s(span: list[Region]) -> float:
    return sum(region.total_s for region in span)


def _say(span: list[Region]) -> str:
    low, high = span[0].low_midi, span[-1].high_midi
    return note_name(low) if low == high else say_notes(low, high)


def _played(level: Level) -> str:
    return {
        "soft": "played softly",
        "medium": "at medium level",
        "loud": "played loudly",
    }[level]
