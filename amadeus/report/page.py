"""One self-contained HTML page that tells all of a practice; it needs no network and no script."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from amadeus import __version__
from amadeus.errors import AmadeusError, PracticeError
from amadeus.home import Deu, Home, write_atomically
from amadeus.personality.profiles import complete_learner_profile
from amadeus.report import figures, wording
from amadeus.report.evaluation import read_examples
from amadeus.report.session import Session, read_session, read_statistics
from amadeus.report.spectrogram import RANGE_DB, draw_scale
from amadeus.v1 import profiles_pb2
from amadeus.v1.personality_pb2 import Statistics

TEMPLATE_NAME = "report.html"
MAX_EXAMPLES = 4


class MetricRow(NamedTuple):
    """A metric, the parent's, and what changed."""

    label: str
    meaning: str
    value: str
    parent: str
    change: str


class CostRow(NamedTuple):
    """What a part of the practice cost, and its share of the whole."""

    name: str
    duration: str
    share: float
    remark: str


class Verdict(NamedTuple):
    """How it ended: a class for the page, a word and a sentence."""

    kind: str
    word: str
    sentence: str


def write_report(deu: Deu, practice_path: Path, path: Path) -> None:
    """Writes the report of a practice, with whatever the practice left behind.

    Args:
      deu: Who practised.
      practice_path: Folder of the practice.
      path: Where to write the page; an existing file is replaced at once.

    Raises:
      PracticeError: The folder holds nothing of a practice.
    """
    write_atomically(path, render_report(deu, practice_path))


def render_report(deu: Deu, practice_path: Path) -> str:
    """Renders the report of a practice as HTML.

    Raises:
      PracticeError: The folder holds nothing of a practice.
    """
    session = read_session(practice_path)
    if session.request is None and not session.elapsed_s:
        raise PracticeError(
            f"{practice_path} holds neither a request nor a journal, so there is nothing to report: choose another "
            "practice with --practice."
        )
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("amadeus", "report"),
        autoescape=True,  # recordings and notes of strangers name things
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template(TEMPLATE_NAME)
    return template.render(_gather(deu, session))


def _gather(deu: Deu, session: Session) -> dict[str, Any]:
    profile = _profile(session)
    statistics = read_statistics(session.result.get("statistics_uri", ""))
    examples, missing = read_examples(session.result.get("evaluation_uri", ""))
    drawn = [
        figures.draw_example(
            example, confidence_threshold=profile.f0_confidence_threshold
        )
        for example in examples[:MAX_EXAMPLES]
    ]
    lineage, lineage_missing = _lineage(deu)
    return {
        "deu": deu.name,
        "session": session,
        "version": __version__,
        "title": _title(deu, session),
        "verdict": judge(session),
        "facts": _facts(session, statistics),
        "training": figures.draw_training(session.training) if session.training else "",
        "best": _best(session),
        "examples": drawn,
        "scale": draw_scale(),
        "range_db": RANGE_DB,
        "metrics": _metric_rows(session),
        "recordings": _recordings(session),
        "statistics": _describe_statistics(statistics),
        "note": _note(statistics),
        "note_shape": _describe_note(statistics),
        "settings": wording.settings(profile),
        "beam_args": list(session.request.beam_arg) if session.request else [],
        "costs": _cost_rows(session),
        "total": wording.duration(session.elapsed_s),
        "lineage": lineage,
        "missing": _missing(session, statistics, drawn) + missing + lineage_missing,
        "say_duration": wording.duration,
    }


def judge(session: Session) -> Verdict:
    """Puts the end of a practice in a word and a sentence."""
    finished, verdict, failed = session.finished, session.evaluated, session.failed
    if finished is not None:
        reason = verdict.reason if verdict is not None else ""
        if finished.is_new:
            return Verdict("good", "Blessed", reason or "The new voice plays.")
        return Verdict("bad", "Not blessed", reason or "The old voice keeps playing.")
    if failed is not None and failed.exit_status == 130:
        return Verdict("open", "Stopped", failed.text)
    if failed is not None:
        return Verdict("bad", "Failed", failed.text)
    return Verdict(
        "open", "No end", "It is still running, or it was killed before its end."
    )


def _title(deu: Deu, session: Session) -> str:
    if session.finished is not None and session.finished.is_new:
        return f"{deu.name}, generation {session.finished.generation}"
    return f"{deu.name}, a practice"


def _profile(session: Session) -> profiles_pb2.LearnerProfile:
    try:
        profile = session.request.learner_profile if session.request else None
        return complete_learner_profile(profile)
    except AmadeusError:  # a request of another version
        return complete_learner_profile()


def _facts(session: Session, statistics: Statistics | None) -> list[tuple[str, str]]:
    metrics = _metrics(session)
    facts = [
        (wording.metric_label(name), wording.metric_value(name, metrics[name]))
        for name in wording.sorted_metrics(metrics)[:3]
    ]
    if session.training:
        steps = (
            f"{wording.duration(session.training_s)}, {session.training[-1].step} steps"
        )
        facts.append(("training", steps))
    if statistics is not None:
        facts.append(("heard", wording.duration(statistics.sounding_duration_s)))
    return facts


def _metrics(session: Session) -> Mapping[str, float]:
    if session.evaluated is not None:
        return session.evaluated.metrics
    return session.result.get("metrics") or {}


def _metric_rows(session: Session) -> list[MetricRow]:
    metrics = _metrics(session)
    parent = session.evaluated.parent_metrics if session.evaluated is not None else {}
    return [
        MetricRow(
            label=wording.metric_label(name),
            meaning=wording.METRICS[name].meaning if name in wording.METRICS else "",
            value=wording.metric_value(name, metrics[name]),
            parent=wording.metric_value(name, parent[name]) if name in parent else "",
            change=_say_change(metrics[name], parent[name]) if name in parent else "",
        )
        for name in wording.sorted_metrics(metrics)
    ]


def _say_change(value: float, before: float) -> str:
    if not before or value == before:
        return "the same" if value == before else ""
    percent = 100 * (value / before - 1)
    return f"{abs(percent):.1f} % {'lower' if percent < 0 else 'higher'}"


def _best(session: Session) -> str:
    measured = [p for p in session.training if p.eval_loss == p.eval_loss]
    if not measured:
        return ""
    best = min(measured, key=lambda point: point.eval_loss)
    return f"The lowest held-out loss was {best.eval_loss:.3f}, at step {best.step}."


def _recordings(session: Session) -> list[str]:
    uris = session.request.recordings.uri if session.request else []
    folder = os.path.commonpath([os.path.dirname(uri) for uri in uris]) if uris else ""
    return [os.path.relpath(uri, folder) if folder else uri for uri in uris]


def _describe_statistics(statistics: Statistics | None) -> list[tuple[str, str]]:
    if statistics is None:
        return []
    pitches, levels_db = (
        statistics.pitch_quantiles_midi,
        statistics.loudness_quantiles_db,
    )
    rows = [
        ("sounding time", wording.duration(statistics.sounding_duration_s)),
        ("with a confident pitch", wording.duration(statistics.voiced_duration_s)),
    ]
    if pitches:
        names = [
            wording.note_name(p)
            for p in (pitches[0], pitches[len(pitches) // 2], pitches[-1])
        ]
        rows.append(("pitch", f"{names[0]} to {names[2]}, half of it below {names[1]}"))
    if levels_db:
        rows.append(("loudness", f"{levels_db[0]:.0f} to {levels_db[-1]:.0f} dB"))
    rows.append(("background", f"{statistics.silence_loudness_db:.0f} dB"))
    takes = [
        f"{count} {split}" for split, count in sorted(statistics.take_count.items())
    ]
    if takes:
        rows.append(("takes", ", ".join(takes)))
    return rows


def _note(statistics: Statistics | None) -> str:
    if statistics is None or not statistics.note_shape.note_count:
        return ""
    return figures.draw_note(statistics.note_shape)


def _describe_note(statistics: Statistics | None) -> list[tuple[str, str]]:
    if statistics is None or not statistics.note_shape.note_count:
        return []
    shape = statistics.note_shape
    rows = [
        ("notes found", str(shape.note_count)),
        (
            "attack",
            f"{_ms(shape.attack_duration_s)} from {shape.attack_depth_db:.0f} dB below the peak",
        ),
        (
            "decay",
            f"{_ms(shape.decay_duration_s)} to {shape.decay_depth_db:.1f} dB below the peak",
        ),
        ("sustain", f"{shape.sustain_slope_db_per_s:+.1f} dB a second"),
        ("release", f"{_ms(shape.release_duration_s)} for 40 dB"),
        (
            "peaks",
            f"{shape.soft_loudness_db:.0f} dB soft, {shape.loud_loudness_db:.0f} dB loud",
        ),
    ]
    if shape.vibrato_rate_hz:
        depth = f"{shape.vibrato_rate_hz:.1f} Hz, {shape.vibrato_depth_cents:.0f} cents"
        rows.append(("vibrato", f"{depth}, after {_ms(shape.vibrato_delay_s)}"))
    return rows


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


def _cost_rows(session: Session) -> list[CostRow]:
    costs = [("training", session.training_s, "")] if session.training else []
    for component in session.components:
        seconds, remark = (
            component.duration_s,
            "from the cache" if component.cached else "",
        )
        if component.name == "Trainer" and session.training and not component.cached:
            seconds, remark = max(seconds - session.training_s, 0.0), "besides training"
        costs.append((component.name, seconds, remark))
    rest_s = session.elapsed_s - sum(seconds for _, seconds, _ in costs)
    if session.components:
        costs.append(("imports and the rest", max(rest_s, 0.0), ""))
    longest = max((seconds for _, seconds, _ in costs), default=0.0) or 1.0
    return [
        CostRow(name, wording.duration(seconds), 100 * seconds / longest, remark)
        for name, seconds, remark in costs
    ]


def _lineage(deu: Deu) -> tuple[str, list[str]]:
    home = Home(deu.path.parents[1])
    if not home.metadata_path.exists():
        return "", ["no lineage: this home has no metadata yet"]
    from amadeus.lineage import render_text  # ML Metadata takes a while to import

    try:
        return render_text(home, deu), []
    except AmadeusError as error:
        return "", [f"no lineage: {error}"]


def _missing(
    session: Session, statistics: Statistics | None, examples: list[Any]
) -> list[str]:
    lacks = {
        "no request: the settings shown are the defaults": session.request is None,
        "no loss curves: training did not begin, or came from the cache": not session.training,
        "no statistics: the recordings were not measured to the end": statistics
        is None,
        "no metrics: the voice was not evaluated": not _metrics(session),
        "no excerpts to hear: the evaluation left none": not examples,
    }
    return [sentence for sentence, is_missing in lacks.items() if is_missing]
