"""A worker that teaches nothing: it writes the journal of a practice as the real one does.

Usage: stand_in_teacher.py PRACTICE_DIR. It goes on while HOME/hold exists, or HOME/hold-network for one that judges no
takes, and tells HOME/starts.txt that it began. What it does then is said by the seed of the learner profile.
"""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

from google.protobuf import json_format

from amadeus.home import Home
from amadeus.journal import JOURNAL_NAME, Journal
from amadeus.personality.content import read_personality, write_personality
from amadeus.v1 import personality_pb2, practice_pb2

FINISH, REFUSE, DIE, DEAF, CRASH_ONCE = range(5)
HELD_S = 300.0  # at most: who holds it may have been killed


def main(path):
    request = json_format.Parse(
        (path / "request.json").read_text(),
        practice_pb2.ImitationRequest(),
        ignore_unknown_fields=True,  # those of a tuning
    )
    home = Home(path.parents[3])
    deu = home.deu(request.deu)
    with (home.path / "starts.txt").open("a") as starts:
        starts.write(
            f"{request.deu} {path.name} {os.getpid()} {os.getpriority(os.PRIO_PROCESS, 0)}\n"
        )
    is_judging = '"regions"' in (path / "request.json").read_text()
    with deu.locked():
        journal = Journal(path / JOURNAL_NAME)
        return teach(home, deu, request, journal, is_judging=is_judging)


def teach(home, deu, request, journal, *, is_judging):
    seed = request.learner_profile.seed
    if seed == DEAF:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        journal.write(
            component_started=practice_pb2.ComponentStarted(component="Trainer")
        )
        progress(journal, 10)
        if seed == DIE or (seed == CRASH_ONCE and len(deu.practices()) == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        held = [home.path / "hold"]
        if not is_judging:
            held.append(home.path / "hold-network")
        deadline = time.monotonic() + HELD_S
        while any(path.exists() for path in held):
            if time.monotonic() > deadline:
                return 3
            time.sleep(0.02)
    except KeyboardInterrupt:
        text = "the practice was interrupted: the same command goes on."
        journal.write(failed=practice_pb2.PracticeFailed(text=text, exit_status=130))
        return 130
    if seed == REFUSE:
        text = f"{request.recordings.uri[0]} cannot be learned from."
        journal.write(failed=practice_pb2.PracticeFailed(text=text, exit_status=2))
        return 2
    progress(journal, 20)
    if is_judging:
        journal.write(judged=judged(deu))
    finish(deu, request, journal)
    return 0


def judged(deu):
    """What a judge says who likes it dark."""
    liked = practice_pb2.TraitTaste(trait="brightness_octaves", preference=-0.9)
    return practice_pb2.Judged(
        lines=["the good regions are darker"],
        generation=deu.current_generation() + 1,
        taste=practice_pb2.Taste(traits=[liked]),
    )


def progress(journal, step):
    journal.write(
        training_progress=practice_pb2.TrainingProgress(
            step=step, train_loss=20.0 / step, eval_loss=float("nan"), steps_per_s=9.0
        )
    )


def finish(deu, request, journal):
    generation = deu.current_generation() + 1
    voice = deu.voices_path / str(generation)
    personality = personality_pb2.Personality(digest=f"sha256:{generation:064x}")
    real_voice = deu.path.parents[1] / "voice"
    if real_voice.exists():  # a test wants one that can be packed
        shutil.copytree(real_voice, voice)
        personality = read_personality(voice)
    personality.deu, personality.generation = deu.name, generation
    personality.practice = request.practice
    write_personality(voice, personality)
    journal.write(
        finished=practice_pb2.PracticeFinished(
            generation=generation, digest=personality.digest, is_new=True
        )
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
