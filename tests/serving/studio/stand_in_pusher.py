"""A worker that teaches nothing and pushes as the real one does: stand_in_pusher.py PRACTICE_DIR.

It waits for PRACTICE_DIR/go, and each practice pushes another network, as one that is taught for a time does. With
HOME/between it stands still between the look at its claim and the rename until PRACTICE_DIR/on is there.
"""

import sys
import time
from pathlib import Path

from amadeus.errors import AmadeusError
from amadeus.home import Home
from amadeus.journal import JOURNAL_NAME, Journal
from amadeus.personality import generations
from amadeus.personality.content import write_personality
from amadeus.v1 import personality_pb2, practice_pb2
from components.pusher import push

PATIENCE_S = 120.0


def main(path):
    home = Home(path.parents[3])
    deu = home.deu(path.parents[1].name)
    (path / "ready").touch()
    if (home.path / "between").exists():
        stand_still_before_the_rename(path)
    with deu.locked():
        wait_for(path / "go")
        return teach(deu, path)


def teach(deu, path):
    journal = Journal(path / JOURNAL_NAME)
    who = personality_pb2.Personality(
        deu=deu.name, practice=path.name, digest=f"sha256:{path.name}"
    )
    model = path / "model"
    write_personality(model, who)
    try:
        pushed = push.push(model, deu.voices_path, who).personality
    except AmadeusError as error:
        journal.write(
            failed=practice_pb2.PracticeFailed(text=str(error), exit_status=2)
        )
        return 2
    journal.write(
        finished=practice_pb2.PracticeFinished(
            generation=pushed.generation, digest=pushed.digest, is_new=True
        )
    )
    return 0


def stand_still_before_the_rename(path):
    rename = generations._rename_to_new

    def late(prepared, target):
        (path / "between").touch()
        wait_for(path / "on")
        return rename(prepared, target)

    generations._rename_to_new = late


def wait_for(path):
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists():
        if time.monotonic() > deadline:
            sys.exit(3)
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
