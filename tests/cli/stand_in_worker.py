"""A worker that teaches nothing: it writes the journal of a practice, as its script says.

Usage: stand_in_worker.py PRACTICE_DIR SCRIPT. Scripts: finish, refuse, die, crash, wait, deaf, chat.
"""

import functools
import os
import signal
import sys
import time
from pathlib import Path

from amadeus.journal import JOURNAL_NAME, Journal
from amadeus.v1 import practice_pb2


def begin(journal):
    for name in ("AudioExampleGen", "DdspTransform"):
        journal.write(component_started=practice_pb2.ComponentStarted(component=name))
        journal.write(
            component_finished=practice_pb2.ComponentFinished(
                component=name, duration_s=1.5, cached=name == "DdspTransform"
            )
        )
    journal.write(component_started=practice_pb2.ComponentStarted(component="Trainer"))


def train(journal, step):
    journal.write(
        training_progress=practice_pb2.TrainingProgress(
            step=step,
            train_loss=20.0 / (1 + step / 10),
            eval_loss=21.0 / (1 + step / 10) if step % 20 == 0 else float("nan"),
            steps_per_s=200.0,
            remaining_s=1.0,
        )
    )


def finish(journal):
    journal.write(
        component_finished=practice_pb2.ComponentFinished(
            component="Trainer", duration_s=2.0
        )
    )
    metrics = {"spectral_loss": 5.25, "f0_error_semitones": 0.125}
    journal.write(
        evaluated=practice_pb2.Evaluated(
            blessed=True, reason="there was no voice before", metrics=metrics
        )
    )
    journal.write(
        finished=practice_pb2.PracticeFinished(
            generation=1, digest="sha256:ab", is_new=True
        )
    )


def refuse(journal):
    journal.write(
        failed=practice_pb2.PracticeFailed(text="too little sound.", exit_status=2)
    )
    sys.exit(2)


def wait(journal, *, speak=False):
    try:
        Path("ready").touch()  # in the folder of the practice
        while True:
            time.sleep(0.02)
            if speak:
                journal.write(warning=practice_pb2.Warning(text="it goes on"))
    except KeyboardInterrupt:
        text = f"home {os.environ['AMADEUS_HOME']} is as it was"
        journal.write(failed=practice_pb2.PracticeFailed(text=text, exit_status=130))
        sys.exit(130)


def run(path, script):
    if script == "deaf":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    journal = Journal(path / JOURNAL_NAME)
    (path / "pid").write_text(str(os.getpid()))
    sys.stdout.write("the log begins\n")
    sys.stdout.flush()
    begin(journal)
    for step in range(10, 101, 10):
        train(journal, step)
        time.sleep(0.005)
    if script == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if script == "crash":
        raise RuntimeError("a fault of ours")
    scripts = {"finish": finish, "refuse": refuse, "wait": wait, "deaf": wait}
    scripts["chat"] = functools.partial(wait, speak=True)
    scripts[script](journal)


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2])
