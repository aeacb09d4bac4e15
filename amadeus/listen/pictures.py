"""The pictures of the coach's page: what is covered, how long each note and level lasts, and trouble."""

import base64
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from amadeus.audio import decode
from amadeus.audio.write import encode_mp3
from amadeus.errors import RecordingError
from amadeus.listen.coverage import HOLE_S, LEVELS, Coverage, Level, Region
from amadeus.listen.material import HIGHEST_DB, LOWEST_DB
from amadeus.listen.report import Report, TakeReport, Warning
from amadeus.listen.words import note_name
from amadeus.report.chart import (
    Axis,
    Curve,
    Frame,
    draw_axes,
    draw_chart,
    fit_axis,
    time_axis,
    wrap,
)
from amadeus.report.spectrogram import draw_spectrogram, measure_spectrogram

PLACE_S = 4.0
MAX_PLACES = 4

_MAP = Frame(width=900, height=400)
_STRIP = Frame(width=900, height=170)
_HALF = Frame(width=440, height=210)
_CELL_DB = 2  # height of a cell of the map
_FULL_S = 8.0  # of one note in 2 dB: the darkest colour
_BELOW_DB, _ABOVE_DB = 18.0, 6.0  # around the loud and soft borders
_ZOOM_S = 0.012  # of a waveform: some periods
_LABEL_WIDTH = 46  # SVG units that "12.3 s" needs
_SHOWN = ("clipping", "polyphony", "noise", "reverb", "bandwidth", "speech")


class Place(NamedTuple):
    """An excerpt in which something can be seen and heard to be wrong, ready for the page."""

    kind: str
    take: str
    at_s: float
    text: str
    spectrogram: Markup
    waveform: Markup
    mp3: str


def draw_map(report: Report) -> Markup:
    """Draws how long each note was played at each level, and marks the holes."""
    coverage = report.coverage
    x_axis = note_axis(coverage)
    y_axis = _level_axis(coverage)
    parts = [
        _HATCH,
        draw_axes(x_axis, y_axis, _MAP),
        *_draw_cells(report.material.seconds, x_axis, y_axis),
        *(_draw_region(region, x_axis, y_axis) for region in coverage.regions),
        _draw_level_names(coverage.regions[0], y_axis),
    ]
    n_holes = len(list(_holes(coverage)))
    text = (
        f"Map of seconds played by pitch and level, {note_name(x_axis.low + 0.5)} to {note_name(x_axis.high - 0.5)}; "
        f"{n_holes} of {3 * len(coverage.regions)} fields hold less than {HOLE_S:g} s and are marked."
    )
    return wrap(Markup("").join(parts), text, _MAP)


def draw_pitches(report: Report) -> Markup:
    """Draws how long each note of the instrument was played."""
    x_axis = note_axis(report.coverage)
    low, high = int(x_axis.low + 0.5), int(x_axis.high - 0.5)
    seconds = report.material.seconds.sum(axis=1)[low : high + 1]
    notes = range(low, high + 1)
    bars = [
        Bar(note - 0.5, note + 0.5, float(s), "material", note_name(note))
        for note, s in zip(notes, seconds, strict=True)
    ]
    text = f"Seconds of each note from {note_name(low)} to {note_name(high)}; the longest {seconds.max():.1f} s."
    return draw_bars(bars, x_axis, text, _STRIP)


def draw_levels(report: Report) -> Markup:
    """Draws how long was played at each level."""
    seconds = report.material.seconds.sum(axis=0)
    levels = np.flatnonzero(seconds)
    low, high = (int(edge) + LOWEST_DB for edge in (levels[0], levels[-1] + 1))
    values_db = np.arange(low, high)
    x_axis = fit_axis("loudness in dB", np.array([low, high], float), n_ticks=6)
    bars = [
        Bar(
            level,
            level + 1,
            float(seconds[level - LOWEST_DB]),
            "material",
            f"{level} dB",
        )
        for level in values_db.tolist()
    ]
    range_db = report.coverage.range_db
    text = f"Seconds at each loudness, from {low} to {high} dB; {range_db:.0f} dB lie between soft and loud."
    return draw_bars(bars, x_axis, text, _HALF)


def draw_lengths(report: Report) -> Markup:
    """Draws how long the notes are."""
    edges_s = np.array([0.06, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0])
    durations_s = np.minimum(report.material.notes["duration_s"], 7.9)
    counts, _ = np.histogram(durations_s, edges_s)
    places = np.arange(len(edges_s), dtype=float)
    labels = ["0", *(f"{edge:g}" for edge in edges_s[1:-1]), "8+"]
    x_axis = Axis(
        "length of a note in s",
        0.0,
        places[-1],
        list(zip(places.tolist(), labels, strict=True)),
    )
    bars = [
        Bar(i + 0.08, i + 0.92, float(n), "material", f"{n} notes")
        for i, n in enumerate(counts.tolist())
    ]
    text = f"Number of notes by length, {counts.sum()} in all; {counts[4:].sum()} last a second or more."
    return draw_bars(bars, x_axis, text, _HALF, label="notes")


class Bar(NamedTuple):
    """A bar from `start` to `end` on the x axis; `style` is a class of the page."""

    start: float
    end: float
    value: float
    style: str
    name: str


def draw_bars(
    bars: list[Bar], x_axis: Axis, description: str, frame: Frame, label: str = "s"
) -> Markup:
    """Draws bars over an axis."""
    top = max([bar.value for bar in bars], default=0.0)
    y_axis = fit_axis(label, np.array([0.0, max(top, 1e-3)]), n_ticks=3)
    parts = [draw_axes(x_axis, y_axis, frame)]
    for bar in bars:
        if bar.value <= 0:
            continue
        left, right = (frame.x(float(x_axis.share(v))) for v in (bar.start, bar.end))
        y = frame.y(float(y_axis.share(bar.value)))
        parts.append(
            _rect(bar.style, left + 0.6, y, right - left - 1.2, frame.y(0) - y, bar)
        )
    return wrap(Markup("").join(parts), description, frame)


def draw_places(report: Report) -> list[Place]:
    """Draws one excerpt for each kind of trouble, where it is at its worst; at most four."""
    takes = {take.name: take for take in report.takes}
    places = []
    for kind in _SHOWN:
        warnings = [w for w in report.warnings if w.kind == kind and w.take in takes]
        if warnings and len(places) < MAX_PLACES:
            worst = _worst(kind, warnings)
            places += _draw_place(worst, takes[worst.take])
    return places


def note_axis(coverage: Coverage) -> Axis:
    """Makes an axis of the instrument's notes, marked where regions begin."""
    low = coverage.regions[0].low_midi - 0.5
    high = coverage.regions[-1].high_midi + 0.5
    ticks = [(r.low_midi, note_name(r.low_midi)) for r in coverage.regions]
    last = coverage.regions[-1].high_midi
    return Axis("pitch", low, high, [*ticks, (last, note_name(last))])


_HATCH = Markup(
    '<defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<line class="hatch" x1="0" y1="0" x2="0" y2="7"/></pattern></defs>'
)


def _level_axis(coverage: Coverage) -> Axis:
    bottom = min(region.soft_below_db for region in coverage.regions) - _BELOW_DB
    top = max(region.loud_above_db for region in coverage.regions) + 8 + _ABOVE_DB
    low, high = math.floor(bottom / 2) * 2, math.ceil(top / 2) * 2
    ticks = [
        (float(level), f"{level}".replace("-", "\N{MINUS SIGN}"))
        for level in range(-80, 40, 10)
        if low <= level <= high
    ]
    return Axis("loudness in dB", float(low), float(high), ticks)


def _draw_cells(seconds: np.ndarray, x_axis: Axis, y_axis: Axis) -> Iterator[Markup]:
    n_levels = (HIGHEST_DB - LOWEST_DB) // _CELL_DB
    cells = seconds.reshape(len(seconds), n_levels, _CELL_DB).sum(axis=2)
    for note in range(int(x_axis.low + 0.5), int(x_axis.high + 0.5)):
        for index in np.flatnonzero(cells[note] > 0.02).tolist():
            level = LOWEST_DB + index * _CELL_DB
            if not y_axis.low <= level < y_axis.high:
                continue
            there_s = float(cells[note, index])
            left, right = (
                _MAP.x(float(x_axis.share(note + half))) for half in (-0.5, 0.5)
            )
            top, bottom = (
                _MAP.y(float(y_axis.share(level + d))) for d in (_CELL_DB, 0)
            )
            # Logarithmic: the first second counts most.
            shade = 0.12 + 0.88 * min(1.0, math.log1p(there_s) / math.log1p(_FULL_S))
            yield Markup(
                '<rect class="material" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill-opacity="{:.2f}">'
                "<title>{}, {} dB: {:.1f} s</title></rect>"
            ).format(
                left + 0.4,
                top + 0.4,
                right - left - 0.8,
                bottom - top - 0.8,
                shade,
                note_name(note),
                level,
                there_s,
            )


def _draw_region(region: Region, x_axis: Axis, y_axis: Axis) -> Markup:
    """Draws the borders of a region and its levels, and hatches its holes."""
    left, right = (
        _MAP.x(float(x_axis.share(edge)))
        for edge in (region.low_midi - 0.5, region.high_midi + 0.5)
    )
    borders_db = (region.soft_below_db, region.loud_above_db)
    lines = [(_MAP.y(float(y_axis.share(level)))) for level in borders_db]
    parts = [
        Markup(
            '<line class="border" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>'
        ).format(left, right, y, y)
        for y in lines
    ]
    if region.low_midi - 0.5 > x_axis.low:
        parts.append(
            Markup(
                '<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>'
            ).format(left, left, _MAP.y(0), _MAP.y(1))
        )
    bottoms = {"soft": _MAP.y(0), "medium": lines[0], "loud": lines[1]}
    tops = {"soft": lines[0], "medium": lines[1], "loud": _MAP.y(1)}
    for level in LEVELS:
        there_s = region.seconds(level)
        if there_s < HOLE_S:
            parts.append(
                _hole(left, tops[level], right, bottoms[level], there_s, level)
            )
    return Markup("").join(parts)


def _hole(
    left: float, top: float, right: float, bottom: float, there_s: float, level: Level
) -> Markup:
    label = f"{there_s:.1f} s"
    box = Markup(
        '<rect class="hole" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}: {}</title></rect>'
    ).format(left + 2, top + 2, right - left - 4, bottom - top - 4, level, label)
    if right - left < _LABEL_WIDTH:
        return box
    middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
    return box + Markup(
        '<rect class="plate" x="{:.1f}" y="{:.1f}" width="{}" height="17" rx="3"/>'
        '<text class="hole-label" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>'
    ).format(
        middle_x - _LABEL_WIDTH / 2 + 2,
        middle_y - 8.5,
        _LABEL_WIDTH - 4,
        middle_x,
        middle_y + 4,
        label,
    )


def _draw_level_names(region: Region, y_axis: Axis) -> Markup:
    """Names the levels beside their borders at the left edge."""
    soft, loud = (
        _MAP.y(float(y_axis.share(level)))
        for level in (region.soft_below_db, region.loud_above_db)
    )
    heights = {"loud": loud - 6, "medium": soft - 6, "soft": soft + 14}
    return Markup("").join(
        Markup('<text class="level" x="{:.1f}" y="{:.1f}">{}</text>').format(
            _MAP.x(0) + 5, y, name
        )
        for name, y in heights.items()
    )


def _holes(coverage: Coverage) -> Iterator[tuple[Region, Level]]:
    for region in coverage.regions:
        for level in LEVELS:
            if region.seconds(level) < HOLE_S:
                yield region, level


def _rect(
    style: str, x: float, y: float, width: float, height: float, bar: Bar
) -> Markup:
    return Markup(
        '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}: {:.1f}</title></rect>'
    ).format(style, x, y, max(width, 0.5), height, bar.name, bar.value)


def _worst(kind: str, warnings: list[Warning]) -> Warning:
    sign = -1 if kind in ("noise", "bandwidth", "speech") else 1
    return max(warnings, key=lambda w: sign * next(iter(w.numbers.values())))


def _draw_place(warning: Warning, take: TakeReport) -> list[Place]:
    at_s = take.places_s.get(warning.kind, take.places_s.get("polyphony", 0.0))
    if warning.kind == "reverb":  # echoes are seen where sound ends
        at_s = max(0.0, take.duration_s - PLACE_S)
    try:
        rate = decode.probe(take.path).sample_rate
        audio = decode.read_excerpt(
            take.path, sample_rate=rate, offset_s=at_s, duration_s=PLACE_S
        )
    except RecordingError:  # it was moved since it was heard
        return []
    if len(audio) < rate // 10:
        return []
    power_db = measure_spectrogram(audio, sample_rate=rate)
    spectrogram = draw_spectrogram(
        power_db,
        top_db=float(power_db.max()),
        duration_s=len(audio) / rate,
        sample_rate=rate,
        description=f"Spectrogram of {take.name} from {at_s:.1f} s on, a place with {warning.kind}.",
    )
    mp3 = base64.b64encode(encode_mp3(audio, sample_rate=rate)).decode()
    return [
        Place(
            kind=warning.kind,
            take=take.name,
            at_s=at_s,
            text=warning.text,
            spectrogram=spectrogram,
            waveform=_draw_waveform(audio, rate, warning.kind, take.name),
            mp3=f"data:audio/mpeg;base64,{mp3}",
        )
    ]


def _draw_waveform(audio: np.ndarray, rate: int, kind: str, name: str) -> Markup:
    """Draws some periods around the peak where samples were cut flat; nothing for other trouble."""
    if kind != "clipping":
        return Markup("")
    still = np.abs(np.diff(audio)) < 1e-6
    still &= np.abs(audio[1:]) > 0.95 * np.max(np.abs(audio))
    reach = round(_ZOOM_S / 2 * rate)
    density = np.convolve(still, np.ones(reach), "same")
    middle = int(np.clip(np.argmax(density), reach, max(reach, len(audio) - reach)))
    part = audio[max(0, middle - reach) : middle + reach]
    times_ms = np.arange(len(part)) / rate * 1_000
    return draw_chart(
        [Curve("samples", times_ms, part, "result")],
        x_axis=time_axis(float(times_ms[-1]), label="time in ms"),
        y_axis=fit_axis("amplitude", np.array([-1.0, 1.0, *part.tolist()]), n_ticks=4),
        description=f"Waveform of {name} where its peaks are cut flat.",
        frame=Frame(width=440, height=270),
    )
