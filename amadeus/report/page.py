"""One self-contained HTML page that tells all of a practice; it needs no network and no script."""

from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from amadeus import __version__
from amadeus.errors import AmadeusError, PracticeError
from amadeus.home import Deu, Home, is_recorded, write_atomically
from amadeus.personality.profiles import complete_learner_profile
from amadeus.report import figures, tables, wording
from amadeus.report.evaluation import read_examples
from amadeus.report.feedback import gather as gather_feedback
from amadeus.report.session import Session, read_session, read_statistics
from amadeus.report.spectrogram import RANGE_DB, draw_scale
from amadeus.tuning.request import is_feedback
from amadeus.v1 import profiles_pb2
from amadeus.v1.personality_pb2 import Statistics

MAX_RECORDINGS = 500  # that are named
TEMPLATE_NAME = "report.html"
MAX_EXAMPLES = 4


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
    return find_template(TEMPLATE_NAME).render(_gather(deu, session))


def find_template(name: str) -> jinja2.Template:
    """Loads a page of this folder; `style.html` is the same in all of them."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("amadeus", "report"),
        autoescape=True,  # recordings and notes of strangers name things
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


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
        "changes": list(session.tuning.changes) if session.tuning else [],
        "facts": _facts(session, statistics),
        "training": figures.draw_training(session.training) if session.training else "",
        "best": _best(session),
        "examples": drawn,
        "feedback": gather_feedback(session.path),
        "scale": draw_scale(),
        "range_db": RANGE_DB,
        "metrics": tables.metric_rows(session),
        "recordings": tables.recording_names(session),
        "max_recordings": MAX_RECORDINGS,
        "statistics": tables.statistics_rows(statistics),
        "note": _note(statistics),
        "note_shape": tables.note_rows(statistics),
        "settings": wording.settings(profile),
        "beam_args": list(session.request.beam_arg) if session.request else [],
        "costs": tables.cost_rows(session),
        "total": wording.duration(session.elapsed_s),
        "lineage": lineage,
        "missing": _missing(session, statistics, drawn) + missing + lineage_missing,
        "say_duration": wording.duration,
    }


def judge(session: Session) -> Verdict:
    """Puts the end of a practice in a word and a sentence."""
    finished, verdict, failed = session.finished, session.evaluated, session.failed
    if finished is not None:
        if session.is_of_player:
            return Verdict("good", "Tuned", _say_tuned(session))
        reason = verdict.reason if verdict is not None else ""
        if finished.is_new:
            return Verdict("good", "Blessed", reason or "The new voice plays.")
        if verdict is None and finished.generation and is_feedback(session.path):
            sentence = (
                "Nothing that was heard supports a change; the old voice keeps playing."
            )
            return Verdict("good", "Heard", sentence)
        if verdict is not None and verdict.blessed and finished.generation:
            sentence = f"What came out is generation {finished.generation}, which was there already. {reason}"
            return Verdict("good", "Nothing new", sentence.strip())
        return Verdict("bad", "Not blessed", reason or "The old voice keeps playing.")
    if failed is not None and failed.exit_status == 130:
        return Verdict("open", "Stopped", failed.text)
    if failed is not None:
        return Verdict("bad", "Failed", failed.text)
    return Verdict(
        "open", "No end", "It is still running, or it was killed before its end."
    )


def _say_tuned(session: Session) -> str:
    parent = session.tuning.parent_generation if session.tuning else 0
    return f"The network of generation {parent} plays otherwise; nothing had to be trained."


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
    metrics = tables.metrics_of(session)
    facts = [
        (wording.metric_label(name), wording.metric_value(name, metrics[name]))
        for name in wording.sorted_metrics(metrics)[:3]
    ]
    if session.training:
        facts.append(("training", wording.duration(session.training_s)))
        facts.append(("steps", str(session.training[-1].step)))
    if statistics is not None:
        facts.append(("heard", wording.duration(statistics.sounding_duration_s)))
    return facts


def _best(session: Session) -> str:
    measured = [p for p in session.training if p.eval_loss == p.eval_loss]
    if not measured:
        return ""
    best = min(measured, key=lambda point: point.eval_loss)
    return f"The lowest held-out loss was {best.eval_loss:.3f}, at step {best.step}."


def _note(statistics: Statistics | None) -> str:
    if statistics is None or not statistics.note_shape.note_count:
        return ""
    return figures.draw_note(statistics.note_shape)


def _lineage(deu: Deu) -> tuple[str, list[str]]:
    home = Home(deu.path.parents[1])
    if not is_recorded(home):
        return "", ["no lineage: this home has no metadata yet"]
    from amadeus.lineage import render_text  # ML Metadata takes a while to import

    try:
        return render_text(home, deu), []
    except AmadeusError as error:
        return "", [f"no lineage: {error}"]


def _missing(
    session: Session, statistics: Statistics | None, examples: list[Any]
) -> list[str]:
    if session.is_of_player:  # the network's own practice has the rest
        return []
    lacks = {
        "no request: the settings shown are the defaults": session.request is None,
        "no loss curves: nothing was trained, or the cache had it already": not session.training,
        "no statistics of the recordings: the practice left none": statistics is None,
        "no metrics: the practice left none": not tables.metrics_of(session),
        "no excerpts to hear: the practice left none": not examples,
    }
    return [sentence for sentence, is_missing in lacks.items() if is_missing]
