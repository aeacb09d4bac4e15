"""The coach's report as JSON for programs.

Keys stay; new ones may be added. The unit of a number is its suffix; what could not be measured is
null. At the top, of all takes together:

    duration_s heard_s sounding_s pitched_s usable_duration_s clean_duration_s
    lowest_midi highest_midi lowest_hz highest_hz soft_db loud_db dynamics_db
    snr_db decay_60db_s bandwidth_hz clipped_share polyphonic_share
    instrument   null, or name, low_midi, high_midi, source: asked | name | pitch
    coverage     null, or loud_db, softest_db, outside_s and regions: low_midi, high_midi,
                 soft_s, medium_s, loud_s, softest_db, loudest_db, loud_above_db, soft_below_db
    histogram    pitch_midi, pitch_seconds, level_db, level_seconds: usable time by note and by 1 dB
    playing      n_notes, longest_s, long_s, long_share, short_share, n_tied, n_separate,
                 n_repeated, n_vibrato, n_plain, tied_share, vibrato_share
    tuning       null, or a4_hz, spread_cents, n_notes
    warnings     of all takes, then of the whole: kind, text, numbers, take
    strengths, weaknesses   sentences
    advice       at most three, the best first: kind, text, gain_s, record_s, low_midi,
                 high_midi, level
    takes        one for every file: see `TakeReport`, and usable_s, is_clean
"""

import dataclasses
import json
import math
from typing import Any

import numpy as np

from amadeus.listen.material import HIGHEST_DB, LOWEST_DB, Material
from amadeus.listen.report import Report, TakeReport
from amadeus.listen.words import to_hz


def to_dict(report: Report) -> dict[str, Any]:
    """Turns a report into values that JSON knows; see the module's docstring."""
    playing = report.playing
    return _known(
        {
            **_fields(report),
            "takes": [_take(take) for take in report.takes],
            "dynamics_db": report.dynamics_db,
            "lowest_hz": to_hz(report.lowest_midi),
            "highest_hz": to_hz(report.highest_midi),
            "histogram": _histogram(report.material),
            "playing": _fields(playing)
            | {
                "tied_share": playing.tied_share,
                "vibrato_share": playing.vibrato_share,
            },
        }
    )


def to_json(report: Report) -> str:
    """Renders a report as JSON."""
    return json.dumps(to_dict(report), indent=2, ensure_ascii=False, allow_nan=False)


def _take(take: TakeReport) -> dict[str, Any]:
    return _fields(take) | {"usable_s": take.usable_s, "is_clean": take.is_clean}


def _fields(value: Any) -> dict[str, Any]:
    """Lists the fields of a dataclass but those that are for the coach itself."""
    return {
        field.name: getattr(value, field.name)
        for field in dataclasses.fields(value)
        if not field.metadata.get("inside")
    }


def _histogram(material: Material) -> dict[str, list[float]]:
    by_pitch = material.seconds.sum(axis=1)
    by_level = material.seconds.sum(axis=0)
    pitches, levels = np.flatnonzero(by_pitch), np.flatnonzero(by_level)
    levels_db = np.arange(LOWEST_DB, HIGHEST_DB)
    return {
        "pitch_midi": pitches.tolist(),
        "pitch_seconds": np.round(by_pitch[pitches], 3).tolist(),
        "level_db": levels_db[levels].tolist(),
        "level_seconds": np.round(by_level[levels], 3).tolist(),
    }


def _known(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return _known(_fields(value))
    if isinstance(value, dict):
        return {key: _known(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_known(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
