"""Whole runs of a compiled practice, container by container, against the same practice on this machine."""

import concurrent.futures
import os
import time

import numpy as np
import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from amadeus import lineage
from amadeus.personality import content, pedigree
from amadeus.stores import fetch_voice, list_voices, open_store
from amadeus.v1 import practice_pb2
from amadeus.voice.player import Voice
from pipelines.kubeflow import names
from pipelines.kubeflow.compiling import compile_practice
from pipelines.kubeflow.resources import parse_resources
from pipelines.kubeflow.telling import read_events
from tests.components import sounds
from tests.components.conftest import tiny_profile  # noqa: F401
from tests.pipelines.conftest import Studio, profile_with
from tests.pipelines.kubeflow.cluster import Cluster, Run, RunFailed, last_words, upload
from tests.stores import emulators

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]

ROOT = "minio://mlpipeline/v2/artifacts"
RECORDINGS = "s3://mlpipeline/recordings/cello"
VOICES = "s3://mlpipeline/voices"
N_LONG = 400  # steps of the lesson that is killed
TASKS = {
    *("prepare", "audio-example-gen", "ddsp-transform", "trainer", "evaluator"),
    *("pusher", "personality-writer"),
}
UNCACHED = {"prepare", "pusher", "personality-writer"}
Execution = metadata_store_pb2.Execution


class Town:
    """A cluster, buckets, and beside them a home in which the same is practised."""

    def __init__(self, path, environment, profile):
        self.path, self.profile = path, profile
        self.takes = sounds.write_takes(
            path / "takes", np.random.default_rng(440), n_takes=4
        )
        upload(path / "takes", RECORDINGS)
        self.studio = Studio(path / "home")
        self.metadata_url = f"sqlite://{path}/home/cluster.sqlite"
        self.cluster = Cluster(path / "cluster", ROOT, environment)

    def package(self, profile, *, retries=0):
        request = practice_pb2.ImitationRequest(
            deu="cello", recordings={"uri": [RECORDINGS]}, learner_profile=profile
        )
        given = {"defaults": {"retries": retries}}
        return compile_practice(
            request,
            pipeline_root=ROOT,
            image="amadeus/practice:1",
            resources=parse_resources(given),
        ).to_yaml()

    def arguments(self, **given):
        return {
            names.METADATA_URL: self.metadata_url,
            names.PERSONALITIES_URL: VOICES,
            names.PRACTICE: "1-first",
        } | given

    @property
    def store(self):
        config = metadata_store_pb2.ConnectionConfig()
        config.sqlite.filename_uri = self.metadata_url.removeprefix("sqlite://")
        return MetadataStore(config)

    def states(self, run):
        """What the metadata say of the tasks of a run."""
        context = self.store.get_context_by_type_and_name("pipeline_run", run.run_id)
        return {
            e.custom_properties["kfp_task"].string_value: Execution.State.Name(
                e.last_known_state
            )
            for e in self.store.get_executions_by_context(context.id)
        }

    def generations(self, monkeypatch):
        monkeypatch.setenv("AMADEUS_METADATA", self.metadata_url)
        return lineage.lineage_of(self.studio.home, self.studio.deu)


@pytest.fixture(scope="module")
def town(tmp_path_factory, tiny_profile):  # noqa: F811
    path = tmp_path_factory.mktemp("town")
    with emulators.amazon() as environment, pytest.MonkeyPatch.context() as patch:
        for name in emulators.CLEARED:
            patch.delenv(name, raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        emulators.make_bucket("s3", environment, "mlpipeline")
        town = Town(path, environment, tiny_profile)
        town.text = town.package(tiny_profile)
        town.first = town.cluster.run(town.text, town.arguments())
        yield town


@pytest.fixture(scope="module")
def local(town):
    return town.studio.practise("1-first", town.takes, town.profile)


def test_a_run_ends_with_the_personality_of_the_same_practice_on_one_machine(
    town, local, tmp_path
):
    assert set(town.first.executed) == TASKS
    (voice,) = list_voices(VOICES, "cello")
    assert voice.generation == 1
    assert voice.digest == local.all("finished")[0].digest
    fetch_voice(VOICES, "cello", 1, tmp_path / "voice")
    fetched = content.read_personality(tmp_path / "voice")
    same = content.read_personality(town.studio.deu.voice_path(1))
    assert fetched.practice == same.practice == "1-first"
    assert fetched.metrics == same.metrics
    assert fetched.statistics == same.statistics
    (own,) = pedigree.find_pedigree(tmp_path / "voice", fetched).entries
    assert own.practice == "1-first"
    assert {take.name for take in own.takes} == {path.name for path in town.takes}
    audio = Voice.load(tmp_path / "voice").render(
        np.full(50, 220.0), np.full(50, -20.0)
    )
    assert np.abs(audio).max() > 1e-4


def test_a_run_is_recorded_as_one_on_this_machine(town, local, monkeypatch):
    (ours,) = lineage.lineage_of(town.studio.home, town.studio.deu)
    records = town.generations(monkeypatch)
    theirs = records[0]
    for field in ("generation", "digest", "practice", "parent_generation", "takes"):
        assert getattr(theirs, field) == getattr(ours, field), field
    assert theirs.metrics == pytest.approx(ours.metrics)
    assert [e.component for e in theirs.executions] == [
        e.component for e in ours.executions
    ]
    states = town.states(town.first)
    assert states == dict.fromkeys(TASKS - {"prepare"}, "COMPLETE")
    artifacts = town.store.get_artifacts()
    assert all("://" in artifact.uri for artifact in artifacts), "no place of a pod"
    (blessing,) = [
        a.custom_properties for a in artifacts if "blessed" in a.custom_properties
    ]
    model = town.store.get_artifacts_by_id([blessing["current_model_id"].int_value])
    assert blessing["current_model"].string_value == model[0].uri


def test_the_log_of_a_run_tells_what_a_journal_tells(town):
    log = (town.first.folder / "trainer-01.log").read_bytes()
    kinds = [event.WhichOneof("event") for event in read_events([log])]
    assert kinds[0] == "component_started"
    assert kinds[-1] == "component_finished"
    assert "training_progress" in kinds
    assert b"Traceback" not in log
    logs = town.first.artifacts["trainer"]["executor-logs"]
    folder, _, name = logs.uri.rpartition("/")
    assert open_store(folder).read(name, max_bytes=1 << 20) == log


@pytest.fixture(scope="module")
def again(town):
    """The same once more; its pusher writes its lesson anew."""
    return town.cluster.run(town.text, town.arguments(practice="2-again"))


def test_a_run_of_the_same_comes_from_the_cache_and_makes_nothing_new(
    town, again, monkeypatch
):
    assert set(again.cached) == TASKS - UNCACHED
    assert set(again.executed) == UNCACHED
    records = town.generations(monkeypatch)
    assert [r.practice for r in records if r.generation == 1] == ["1-first"]
    states = town.states(again)
    assert states == {
        **dict.fromkeys(TASKS - UNCACHED, "CACHED"),
        "pusher": "COMPLETE",
        "personality-writer": "CACHED",
    }


def test_a_recurring_run_on_a_folder_makes_a_generation_only_of_what_is_new(
    town, again, tmp_path
):
    """As a schedule begins its runs: without a practice of their own, and from the latest voice.

    The lesson that it finds was written by a run that came from the cache, `again`: so it is for all but the first.
    """
    arguments = town.arguments(practice="", parent_generation=names.LATEST_IF_NEW)
    run = town.cluster.run(town.text, arguments)
    assert set(run.cached) == TASKS - UNCACHED
    (voice,) = list_voices(VOICES, "cello")
    more = "s3://mlpipeline/recordings-of-today"
    sounds.write_takes(tmp_path / "new", np.random.default_rng(7), n_takes=1)
    upload(tmp_path / "new", more)

    def stop(task, _attempt, _process):
        if task != "prepare":
            raise InterruptedError(task)

    today = Run("recurring", tmp_path / "run")
    arguments |= {names.RECORDINGS: [RECORDINGS, more]}
    with pytest.raises(InterruptedError, match="audio-example-gen"):
        town.cluster.run(town.text, arguments, resume=today, watch=stop)
    before, found = (one.parameters["prepare"] for one in (run, today))
    assert before[names.PARENT_GENERATION] == 0
    assert found[names.PARENT_GENERATION] == 1
    assert found[names.PARENT_DIGEST] == voice.digest
    assert found[names.FINGERPRINT] != before[names.FINGERPRINT]


def test_a_task_that_fails_says_why_in_its_log_and_in_the_metadata(town, tmp_path):
    (tmp_path / "letter.wav").write_text("Dear Constanze")
    upload(tmp_path / "letter.wav", "s3://mlpipeline/letters/letter.wav")
    text = town.package(town.profile, retries=2)
    arguments = town.arguments(recordings=["s3://mlpipeline/letters"])
    with pytest.raises(RunFailed) as failed:
        town.cluster.run(text, arguments)
    run = failed.value.run
    assert failed.value.task == "audio-example-gen"
    assert run.attempts == {"prepare": 1, "audio-example-gen": 3}
    log = run.log("audio-example-gen")
    assert log.count("component_started") == 1, "the letter was listened to once"
    assert "letter.wav" in log
    word = last_words(log.encode())
    assert word.exit_status == 2
    assert "Traceback" not in word.text  # Beam prints one into the log by itself
    assert "\n" not in word.text
    assert town.states(run) == {"audio-example-gen": "FAILED"}
    context = town.store.get_context_by_type_and_name("pipeline_run", run.run_id)
    (execution,) = town.store.get_executions_by_context(context.id)
    assert "letter.wav" in execution.custom_properties["reason"].string_value


def kill(task, attempt, process):
    """Takes nodes away: the trainer's once it has a checkpoint, the evaluator's as often as it may be tried.

    The trainer's second is taken away, too, when it has taught and its voice has not left it (`lost`).
    """
    if task == "trainer" and attempt == 1:
        wait_for(lambda: any(key.endswith(".npz") for key in _checkpoints()), process)
        process.kill()
    if task == "evaluator" and attempt <= 3:
        process.kill()


@pytest.fixture(scope="module")
def child(town, tmp_path_factory):
    """A run that grows from the first, is killed, fails, and is taken up by `Retry`: the same run, the same id."""
    long = profile_with(town.profile, step_count=N_LONG, early_stop=False)
    text = town.package(long, retries=2)
    arguments = town.arguments(practice="3-child", parent_generation=names.LATEST)
    town.cluster.lost = {("trainer", 2)}
    town.cluster.environment["AMADEUS_CHECKPOINT_INTERVAL_S"] = "0.2"
    with pytest.raises(RunFailed) as failed:
        town.cluster.run(text, arguments, watch=kill)
    assert failed.value.task == "evaluator"
    run = town.cluster.run(text, arguments, resume=failed.value.run)
    run.profile = long
    return run


def test_a_container_that_is_killed_goes_on_from_its_checkpoint(town, child):
    """Its pod is gone with all that was in it: what is left is in the bucket."""
    first, *_, last = steps_of(child, "trainer-02")
    assert 1 < first < last == N_LONG
    states = town.states(child)
    assert states["trainer"] == "COMPLETE"
    assert len(states) == len(TASKS) - 1, "one execution for each task"


def test_a_lesson_is_not_lost_with_the_node_that_its_voice_was_on(town, child):
    """Its container had ended well, and the launcher was bringing the voice to the bucket."""
    assert child.attempts["trainer"] == 3
    before, again = steps_of(child, "trainer-02"), steps_of(child, "trainer-03")
    assert all(step > before[0] for step in again)
    log = (child.folder / "trainer-03.log").read_text()
    assert "a checkpoint of an earlier attempt is taken up" in log
    assert not _checkpoints(), "the voice is in the bucket"


def steps_of(run, attempt):
    """The steps that an attempt at the trainer told of."""
    events = read_events([(run.folder / f"{attempt}.log").read_bytes()])
    told = [e.training_progress for e in events if e.HasField("training_progress")]
    return [progress.step for progress in told]


def test_a_run_that_has_failed_is_taken_up_where_it_failed(town, child):
    assert child.attempts["evaluator"] == 4
    assert {child.attempts[task] for task in ("prepare", "pusher")} == {1}
    assert set(child.cached) == {"audio-example-gen", "ddsp-transform"}
    assert town.states(child)["evaluator"] == "COMPLETE"


def test_what_was_killed_ends_as_if_it_had_not_been(town, local, child, monkeypatch):
    same = town.studio.practise("3-child", town.takes, child.profile, parent=1)
    voices = list_voices(VOICES, "cello")
    assert [voice.generation for voice in voices] == [1, 2]
    assert voices[-1].digest == same.all("finished")[0].digest
    first, second = town.generations(monkeypatch)
    assert (second.generation, second.practice) == (2, "3-child")
    assert second.parent_generation == 1
    assert second.parent_digest == first.digest


def test_two_runs_at_once_take_two_numbers(town, child, tmp_path):
    """Both push into an empty store at the same moment."""
    url = f"s3://mlpipeline/others/{os.getpid()}"
    runs = []
    for done in (town.first, child):
        run = Run(f"at-once-{len(runs)}", tmp_path / str(len(runs)))
        unpushed = TASKS - {"pusher", "personality-writer"}
        run.parameters = {task: done.parameters[task] for task in unpushed}
        run.artifacts = {task: done.artifacts[task] for task in unpushed}
        # its parent is in another store
        run.parameters["prepare"] = {**run.parameters["prepare"], **NO_PARENT}
        runs.append(run)
    arguments = town.arguments(personalities_url=url)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        done = list(
            pool.map(
                lambda run: town.cluster.run(town.text, arguments, resume=run), runs
            )
        )
    pushed = [
        run.artifacts["pusher"]["pushed_model"].metadata["pushed_version"]
        for run in done
    ]
    assert sorted(pushed) == ["1", "2"]
    assert [v.generation for v in list_voices(url, "cello")] == [1, 2]


NO_PARENT = {names.PARENT_GENERATION: 0, names.PARENT_DIGEST: ""}


def _checkpoints():
    root = f"{ROOT}/imitation-cello/checkpoints"
    return [entry.key for entry in open_store(root).list()]


def wait_for(condition, process, *, seconds=1200):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to that in time")
