"""Steps for worker processes; `python -m tests.pipelines.beam_steps STEP FOLDER` runs one as a practice does."""

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import apache_beam as beam

from amadeus import interruption
from amadeus.errors import RecordingError
from amadeus.journal import Journal, emit
from amadeus.v1 import practice_pb2
from components import beam_worker
from pipelines.beam_options import beam_args
from pipelines.blame import find_reason

SENTENCE = "bourree.wav is empty: record it again."
TWO = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]


def leave_name(number, folder):
    """Says which process did it, and waits until the other was there too."""
    (Path(folder) / f"{number}-{os.getpid()}").write_text(os.environ["AMADEUS_THREADS"])
    emit(warning=practice_pb2.Warning(text=f"number {number}"))
    deadline_s = time.monotonic() + 120
    while time.monotonic() < deadline_s:
        if len({path.name.split("-")[1] for path in Path(folder).glob("?-*")}) == 2:
            return
        time.sleep(0.02)
    raise AssertionError("one process did everything")


def refuse(number, folder):
    if number == 1:
        raise RecordingError(SENTENCE)


def die(number, folder):
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)


def linger(number, folder):
    scratch = tempfile.mkdtemp()  # as for a recording from a bucket
    (Path(folder) / f"{number}-{os.getpid()}").write_text(scratch)
    time.sleep(600)


def run(step, folder, options=TWO):
    with beam.Pipeline(argv=beam_args(options)) as pipeline:
        _ = (
            pipeline
            | "Numbers" >> beam.Create([0, 1])
            | "Step" >> beam.Map(step, folder=str(folder))
        )


def main(step, folder):
    """Runs as `pipelines.local` does: with its signals and a journal."""
    interruption.listen()
    journal = Journal(Path(folder) / "journal.jsonl")
    with journal.activated(), journal.inherited():
        try:
            run(globals()[step], folder)
        except KeyboardInterrupt:
            return 130
        except Exception as error:
            sys.stdout.write(f"{find_reason(error, place='home')}\n")
            return 2
    return 0


if __name__ == "__main__":
    beam_worker.die_with(os.getppid())  # also where pytest is killed
    from tests.pipelines import beam_steps  # not __main__, which workers do not have

    sys.exit(beam_steps.main(*sys.argv[1:]))
