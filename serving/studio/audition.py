"""The coach listens to recordings or takes: `python -m serving.studio.audition SESSION_DIR --audio-minutes N`.

A process of its own, so that decoding the files of strangers and tracking pitch disturb no performance. It tells
SESSION_DIR/journal.jsonl its warnings, or why nothing can be learned, and writes SESSION_DIR/audition.json when it
has come to a judgement: `{"refusal": ""}` if all is well.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from amadeus.errors import AmadeusError, RecordingError
from amadeus.home import Home, write_atomically
from amadeus.journal import JOURNAL_NAME, Journal
from amadeus.v1 import practice_pb2
from serving.studio import feedbacks
from serving.studio.recordings import RecordingStore
from serving.studio.sessions import Session, SessionStore

JUDGEMENT_NAME = "audition.json"
SCRATCH_NAME = ".journal.new"
LISTENING_S = 60.0  # of sound; as much as `amadeus practice` listens to first
EXIT_BAD_INPUT = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Judges the recordings of a session and returns the exit status."""
    arguments = build_parser().parse_args(argv)
    path = Path(arguments.session).resolve()
    session = SessionStore(path.parent).find(path.name)
    if session is None:
        sys.stderr.write(f"{path} is no session.\n")
        return EXIT_BAD_INPUT
    scratch = path / SCRATCH_NAME
    journal = Journal(scratch)
    refusal = ""
    try:
        for line in _listen(session, audio_minutes=arguments.audio_minutes):
            journal.write(warning=practice_pb2.Warning(text=line))
    except AmadeusError as error:
        refusal = str(error)
        failed = practice_pb2.PracticeFailed(text=refusal, exit_status=EXIT_BAD_INPUT)
        journal.write(failed=failed)
    # Who reads a journal counts on what it has read: one that a coach before this has left stays as it is.
    if not (path / JOURNAL_NAME).exists():
        scratch.replace(path / JOURNAL_NAME)
    write_atomically(path / JUDGEMENT_NAME, json.dumps({"refusal": refusal}))
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    parser = argparse.ArgumentParser(prog="python -m serving.studio.audition")
    parser.add_argument(
        "session", help="folder of a session whose recordings are whole"
    )
    parser.add_argument(
        "--audio-minutes",
        type=float,
        required=True,
        help="length of all recordings that is taken, in minutes",
    )
    return parser


def _listen(session: Session, *, audio_minutes: float) -> list[str]:
    from amadeus.listen.coach import check_teachable, listen  # numpy, the decoders
    from amadeus.listen.warnings import say_warnings

    home = Home(session.path.parents[1])
    paths = RecordingStore(home.recordings_path).lay_out(session)
    if feedbacks.is_feedback(session.configuration):
        feedbacks.listen(session, home, paths)
        return []
    profile = session.configuration.learner_profile
    report = listen(paths, profile=profile, limit_s=LISTENING_S)
    minutes = report.duration_s / 60
    if minutes > audio_minutes:
        raise RecordingError(
            f"the recordings last {minutes:.0f} minutes, and this studio takes {audio_minutes:g}: leave out some."
        )
    check_teachable(report)
    return list(say_warnings(report.warnings))


if __name__ == "__main__":
    sys.exit(main())
