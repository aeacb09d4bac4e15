"""A coach that hears nothing: it refuses recordings that begin with `unteachable`, and warns of those with `noise`.

Usage: stand_in_coach.py SESSION_DIR. It waits while HOME/deaf exists.
"""

import json
import sys
import time
from pathlib import Path

from amadeus.home import Home, write_atomically
from amadeus.journal import JOURNAL_NAME, Journal
from amadeus.v1 import practice_pb2
from serving.studio.audition import JUDGEMENT_NAME
from serving.studio.recordings import RecordingStore
from serving.studio.sessions import SessionStore

HELD_S = 300.0  # at most: who holds it may have been killed


def main(path):
    home = Home(path.parents[1])
    session = SessionStore(path.parent).find(path.name)
    journal = Journal(path / JOURNAL_NAME)
    deadline = time.monotonic() + HELD_S
    while (home.path / "deaf").exists():
        if time.monotonic() > deadline:
            return 3
        time.sleep(0.02)
    refusal = ""
    for recording in RecordingStore(home.recordings_path).lay_out(session):
        content = recording.read_bytes()
        if content.startswith(b"unteachable"):
            refusal = f"{recording.name} in {recording} is silent."
        if content.startswith(b"noise"):
            text = f"{recording.name}: noise 12 dB below the sound"
            journal.write(warning=practice_pb2.Warning(text=text))
    if refusal:
        failed = practice_pb2.PracticeFailed(text=refusal, exit_status=2)
        journal.write(failed=failed)
    write_atomically(path / JUDGEMENT_NAME, json.dumps({"refusal": refusal}))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
