"""What became of the takes, for the lineage: a file in the artifact, and what of it is small enough for properties.

ML Metadata hands out an artifact with all its properties, by default in messages of 4 MB, so what grows with the number
of takes stays in the file. Of an `Examples` artifact the custom properties are:

    take_count     takes that were learned from, or held out
    takes          JSON, where it is short: a list of {"name", "digest", "splits", "duration_s"}; of a data set one row
                   with "take_count" notes and what was asked for
    takes_file     the name of a file in the artifact's folder, where the list is long: JSON, {"takes": the list}
    given_count    takes that were given
    skipped_count  takes that were not learned from, for they could not be
    skipped        JSON, where there are any: {REASON: {"count", "names"}}; names of the first few
    rates          JSON: how many takes were recorded at which sample rate
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from amadeus.audio import rates, skips
from components import records
from components.audio_example_gen import sources
from components.audio_example_gen.looking import Total
from components.audio_example_gen.nearby import nearby
from components.audio_example_gen.splitting import Rule
from components.split_names import SPLITS, Split

FILE_NAME = "takes.json"
MAX_PROPERTY_BYTES = 1 << 16


class Row(NamedTuple):
    """A take that was looked at and found good.

    Attributes:
      number: Its place among the takes, as given.
      name: What it is called.
      digest: SHA-256 of its bytes.
      splits: Where it went, sorted.
      duration_s: Its length.
      is_silent: Whether nothing in it sounds.
    """

    number: int
    name: str
    digest: str
    splits: tuple[Split, ...]
    duration_s: float
    is_silent: bool


class Description(NamedTuple):
    """What became of the takes.

    Attributes:
      takes: One row for each, as the lineage keeps it.
      skipped: What was not learned from.
      n_given: Takes, usable or not.
      n_takes: Takes that can be used.
      rates: How many were recorded at which sample rate, in Hz.
      silent: Names of takes in which nothing was found to sound when they were written, by split.
    """

    takes: list[dict[str, Any]]
    skipped: skips.Skips
    n_given: int
    n_takes: int
    rates: dict[int, int]
    silent: dict[Split, list[str]]

    def properties(self) -> dict[str, str | int]:
        """Writes it as custom properties, of bounded size."""
        listed = json.dumps(self.takes)
        found: dict[str, str | int] = {
            "take_count": self.n_takes,
            "given_count": self.n_given,
            "skipped_count": self.skipped.n_takes,
            "rates": json.dumps(self.rates),
        }
        if self.skipped.n_takes:
            found["skipped"] = json.dumps(self.skipped.to_json())
        if len(listed) <= MAX_PROPERTY_BYTES:
            return {**found, "takes": listed}
        return {**found, "takes_file": FILE_NAME}

    def warnings(self, *, sample_rate: int) -> list[str]:
        """Says in sentences what the ama should know."""
        return _warnings(self.skipped, self.n_given, self.rates, sample_rate)


def say_properties(own: Mapping[str, Any], *, sample_rate: int) -> list[str]:
    """Says what the ama should know of takes that are taken from the cache.

    Args:
      own: Custom properties of an Examples artifact, as ML Metadata has them.
      sample_rate: Of the learner, in Hz.
    """
    if "given_count" not in own:
        return []
    skipped = own["skipped"].string_value if "skipped" in own else "{}"
    rates_told = json.loads(own["rates"].string_value)
    return _warnings(
        skips.from_json(json.loads(skipped)),
        own["given_count"].int_value,
        {int(rate): count for rate, count in rates_told.items()},
        sample_rate,
    )


def write(rows: Iterable[Row], total: Total, *, path: str) -> None:
    """Writes what a pipeline found out, in a file that appears when it is complete."""
    ordered = sorted(rows)
    silent = [row for row in ordered if row.is_silent]
    late = skips.gather(skips.Unusable(row.name, "silent") for row in silent)
    _dump(
        path,
        {
            "takes": [_to_json(row) for row in ordered if not row.is_silent],
            "silent": {
                split: [row.name for row in silent if split in row.splits]
                for split in SPLITS
            },
            "skipped": (total.skipped + late).to_json(),
            "given_count": total.n_takes,
            "rates": total.rates,
            "rule": total.rule,
        },
    )


def complete(path: str, sets: Sequence[sources.Gathered]) -> Description:
    """Reads what `write` wrote, and adds what is known of data sets, in the file too."""
    with nearby(path) as place:
        found = json.loads(Path(place).read_bytes())
    rule = Rule(*found["rule"])
    rows = [*found["takes"], *(_set_to_json(one, rule) for one in sets)]
    skipped = skips.from_json(found["skipped"])
    if sets:
        _dump(path, {**found, "takes": rows})
    return Description(
        takes=rows,
        skipped=skipped,
        n_given=found["given_count"],
        n_takes=found["given_count"] - skipped.n_takes,
        rates={int(rate): count for rate, count in found["rates"].items()},
        silent=found["silent"],
    )


def _warnings(
    skipped: skips.Skips, n_given: int, found: Mapping[int, int], sample_rate: int
) -> list[str]:
    told = skips.say(skipped, n_given), rates.say_dull(found, sample_rate=sample_rate)
    return [f"{text}." for text in told if text]


def _to_json(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "digest": row.digest,
        "splits": row.splits,
        "duration_s": round(row.duration_s, 3),
    }


def _set_to_json(found: sources.Gathered, rule: Rule) -> dict[str, Any]:
    facts = found.facts
    splits = {split for note in found.notes for split in rule.splits_of(note.digest)}
    chosen = f" ({facts['filter']})" if facts["filter"] else ""
    return {
        "name": f"{len(found.notes):,} notes of {facts['dataset']}{chosen}",
        "digest": facts["content"],
        "splits": sorted(splits),
        "duration_s": round(sum(note.duration_s for note in found.notes), 3),
        "take_count": len(found.notes),
        **facts,
    }


def _dump(path: str, document: dict[str, Any]) -> None:
    records.write_bytes(path, json.dumps(document).encode())
