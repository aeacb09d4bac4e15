"""A first look at every take: can it be used, how long is it, how is it mixed.

It reads each take once, whole: nothing is written before all takes are known to be good, or few enough are not.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import apache_beam as beam

from amadeus.audio import decode, skips
from amadeus.errors import RecordingError
from components.audio_example_gen import sources
from components.audio_example_gen.splitting import Rule, make_rule
from components.audio_example_gen.takes import Take, held

SILENT_PEAK = 1e-4  # -80 dBFS: below it no passage sounds (`passages.split_passages`)


@dataclass(frozen=True)
class Total:
    """What looks come to; bounded.

    Attributes:
      rule: Counts what can be used.
      skipped: What cannot.
      n_takes: Takes, usable or not.
      rates: How many of what can be used are recorded at which sample rate, in Hz.
    """

    rule: Rule
    skipped: skips.Skips = field(default_factory=skips.Skips)
    n_takes: int = 0
    rates: Counter[int] = field(default_factory=Counter)


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a take holds.

    Attributes:
      number: Its place among the takes, as given.
      take: The take.
      total: What it counts for.
      survey: How its channels are mixed; None where it cannot be used.
    """

    number: int
    take: Take
    total: Total
    survey: decode.Survey | None = None

    @property
    def duration_s(self) -> float:
        """Its length."""
        return self.survey.n_samples / self.survey.sample_rate if self.survey else 0.0


def look(numbered: tuple[int, Take], *, eval_fraction: float) -> Look:
    """Looks at a take.

    Raises:
      RecordingError: It changed after it was digested, or a program is missing to decode it.
    """
    number, take = numbered
    rule = Rule(eval_fraction)
    try:
        survey = _survey(take)
    except RecordingError as error:
        found = skips.judge(take.name, error)
        return Look(number=number, take=take, total=_unusable(rule, found))
    duration_s = survey.n_samples / survey.sample_rate
    if survey.peak <= SILENT_PEAK:
        text = f"{take.name} is silent: no sound above -80 dBFS in {duration_s:.1f} s"
        found = skips.Unusable(take.name, "silent", text)
        return Look(number=number, take=take, total=_unusable(rule, found))
    rates = Counter({survey.sample_rate: 1})
    total = Total(rule.counting(take.digest), n_takes=1, rates=rates)
    return Look(number=number, take=take, total=total, survey=survey)


def count_notes(found: sources.Gathered, *, eval_fraction: float) -> Total:
    """Counts the notes of a data set, which was read through when it was gathered."""
    rates = {int(rate): n for rate, n in found.facts["sample_rates"].items()}
    return Total(
        make_rule((note.digest for note in found.notes), eval_fraction=eval_fraction),
        found.skipped,
        len(found.notes) + found.skipped.n_takes,
        Counter(rates),
    )


class Sum(beam.CombineFn):
    """Adds looks up, and stops where more would be skipped than may be."""

    def __init__(self, *, eval_fraction: float, max_skipped_fraction: float) -> None:
        self._eval_fraction = eval_fraction
        self._max_skipped_fraction = max_skipped_fraction

    def create_accumulator(self) -> Total:
        """Starts with nothing."""
        return Total(Rule(self._eval_fraction))

    def add_input(self, total: Total, one: Total) -> Total:
        """Adds one."""
        return _join(total, one)

    def merge_accumulators(self, totals: Iterable[Total]) -> Total:
        """Joins what several workers looked at."""
        merged = self.create_accumulator()
        for total in totals:
            merged = _join(merged, total)
        return merged

    def extract_output(self, total: Total) -> Total:
        """Judges the whole.

        Raises:
          RecordingError: Too much cannot be used.
        """
        skips.check(
            total.skipped, total.n_takes, max_fraction=self._max_skipped_fraction
        )
        return total


def _join(one: Total, other: Total) -> Total:
    return Total(
        one.rule.joined(other.rule),
        one.skipped + other.skipped,
        one.n_takes + other.n_takes,
        one.rates + other.rates,
    )


def _survey(take: Take) -> decode.Survey:
    with held(take) as path:
        return decode.survey(path)


def _unusable(rule: Rule, found: skips.Unusable) -> Total:
    return Total(rule, skips.gather([found]), n_takes=1)
