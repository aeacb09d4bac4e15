import contextlib
import json
import logging
import signal
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import json_format

from amadeus.home import Home
from amadeus.journal import read_journal
from amadeus.v1 import practice_pb2, profiles_pb2
from tests.components import sounds
from tests.components.conftest import takes_path, tiny_profile  # noqa: F401


class Studio:
    """A home in which practices are run by the real worker, in this process."""

    def __init__(self, path: Path) -> None:
        self.home = Home(path)
        self.deu = self.home.create_deu("cello")

    def request(self, name, recordings, profile, *, parent=0, beam_arg=()):
        """Writes a request; returns the folder of the practice."""
        request = practice_pb2.ImitationRequest(
            deu="cello",
            practice=name,
            recordings={"uri": [str(path) for path in recordings]},
            learner_profile=profile,
            parent_generation=parent,
            beam_arg=beam_arg,
        )
        path = self.deu.practices_path / name
        path.mkdir(parents=True)
        (path / "request.json").write_text(json_format.MessageToJson(request))
        return path

    def practise(self, name, recordings, profile, *, parent=0):
        """Runs a practice; returns what it left."""
        path = self.request(name, recordings, profile, parent=parent)
        return self.run(path)

    def run(self, path):
        from pipelines import local

        with process_settings_kept():
            return Outcome(path, local.main([str(path)]))


@contextlib.contextmanager
def process_settings_kept():
    """A worker owns its process: it sets up logging and signals, which pytest wants back."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    root.handlers.clear()  # so that the worker does not close pytest's
    numbers = (signal.SIGINT, signal.SIGTERM)
    signals = [signal.getsignal(number) for number in numbers]
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        for number, handler in zip(numbers, signals, strict=True):
            signal.signal(number, handler)


class Outcome:
    """What a practice left behind."""

    def __init__(self, path, status):
        self.path, self.status = path, status
        self.events = read_journal(path / "journal.jsonl")
        result = path / "result.json"
        self.result = json.loads(result.read_text()) if result.exists() else None

    def all(self, kind):
        return [getattr(e, kind) for e in self.events if e.WhichOneof("event") == kind]

    @property
    def cached(self):
        """Names of the components that came from the cache, and of those that did not."""
        finished = self.all("component_finished")
        return (
            {event.component for event in finished if event.cached},
            {event.component for event in finished if not event.cached},
        )


@pytest.fixture(scope="session")
def all_takes(takes_path):  # noqa: F811
    return sorted(takes_path.glob("*.wav"))


@pytest.fixture(scope="session")
def lone_take(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lone")
    return sounds.write_takes(
        folder, np.random.default_rng(441), n_takes=1, seconds=3.0
    )


def profile_with(profile, **fields):
    changed = profiles_pb2.LearnerProfile()
    changed.CopyFrom(profile)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


@pytest.fixture(scope="session")
def practised(tmp_path_factory, all_takes, tiny_profile):  # noqa: F811
    """A studio after four practices: the first, the same again by other workers, a child, a bad child."""
    studio = Studio(tmp_path_factory.mktemp("home"))
    studio.first = studio.practise("1-first", all_takes, tiny_profile)
    shared_out = ["--direct_running_mode=multi_processing", "--direct_num_workers=1"]
    studio.again = studio.run(
        studio.request("2-again", all_takes, tiny_profile, beam_arg=shared_out)
    )
    more = profile_with(tiny_profile, step_count=30, learning_rate=0.01)
    studio.child = studio.practise("3-child", all_takes, more, parent=1)
    worse = profile_with(
        tiny_profile, harmonic_count=3, step_count=1, learning_rate=1e-5,
        blessing_tolerance=0.0,
    )  # fmt: skip
    studio.worse = studio.practise("4-worse", all_takes, worse, parent=2)
    return studio
