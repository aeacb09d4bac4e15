"""A practice killed between its push and its record, and taken up again: there once, whole, and recorded once."""

import signal
import subprocess
import sys

import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from amadeus import lineage
from amadeus.personality import content, inspection, weights
from tests.pipelines.conftest import Studio

KILLED = """
import importlib, os, signal, sys
module, name, when, practice = sys.argv[1:]
owner = importlib.import_module(module)
*path, last = name.split(".")
for part in path:
    owner = getattr(owner, part)
original = getattr(owner, last)
def dying(*args, **kwargs):
    if when == "after":
        original(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(owner, last, dying)
from pipelines import local
sys.exit(local.main([practice]))
"""

STEPS = [
    ("amadeus.personality.generations", "_rename_to_new", "after"),
    ("components.personality_writer.write", "describe", "after"),
]
MORE_STEPS = [
    ("amadeus.personality.generations", "_rename_to_new", "before"),
    ("amadeus.home", "Deu.point_to", "after"),
    ("amadeus.lineage", "repair", "before"),
    ("amadeus.lineage", "attribute", "after"),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "name", "when"),
    [*STEPS, *(pytest.param(*step, marks=pytest.mark.cluster) for step in MORE_STEPS)],
)
def test_a_practice_killed_at_its_end_is_recorded_once(
    tmp_path, all_takes, tiny_profile, module, name, when
):
    studio = Studio(tmp_path / "home")
    path = studio.request("1", all_takes, tiny_profile)
    command = [sys.executable, "-c", KILLED, module, name, when, str(path)]
    died = subprocess.run(command, capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr[-2000:]
    assert studio.deu.generations() in ([], [1])
    outcome = studio.run(path)
    assert outcome.status == 0
    assert studio.deu.generations() == [1]
    assert studio.deu.current_generation() == 1
    voice = studio.deu.voice_path(1)
    who = content.read_personality(voice)
    inspection.check_digest(who, weights.read_weights(voice / "variables"))
    (record,) = lineage.lineage_of(studio.home, studio.deu)
    assert (record.kind, record.digest) == ("imitation", who.digest)
    assert len(record.takes) == len(all_takes)
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(studio.home.metadata_path)
    voices = MetadataStore(config).get_artifacts_by_type("amadeus.Personality")
    assert len({voice.id for voice in voices}) == 1
