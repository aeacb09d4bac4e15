"""A run is followed: everything once, in order, whatever goes away in between."""

import io
import itertools
import tracemalloc

import pytest
from google.protobuf import json_format

from amadeus.errors import ClusterError
from amadeus.v1 import practice_pb2
from pipelines.kubeflow.client import Cluster
from pipelines.kubeflow.client_endpoint import Endpoint
from pipelines.kubeflow.client_follow import Pace, follow
from pipelines.kubeflow.client_messages import Submission
from pipelines.kubeflow.telling import LogJournal, read_events
from tests.pipelines.kubeflow.played_runs import Scene
from tests.pipelines.kubeflow.small_package import small_package
from tests.pipelines.kubeflow.stand_in import Fault

PACE = Pace(poll_s=(0.001, 0.002), log_s=0.0, wait_s=0.0)
PULL = 'Failed to pull image "amadeus:1": not found'


class Ear:
    """Remembers what it is told."""

    def __init__(self):
        self.states, self.events, self.waited, self.losses = [], [], [], []

    def stands(self, run):
        self.states.append(run.state)

    def happened(self, event):
        self.events.append(event)

    def waits(self, component, reason):
        self.waited.append((component, reason))

    def lost(self, error, pause_s):
        self.losses.append(error.status)

    def lines(self):
        """Events in short."""
        return [_short(event) for event in self.events]


def _short(event):
    kind = event.WhichOneof("event")
    told = getattr(event, kind)
    if kind == "component_finished":
        return f"{told.component} {'cached' if told.cached else 'done'}"
    if kind == "component_started":
        return f"{told.component} begins"
    return f"step {told.step}" if kind == "training_progress" else told.text


def log_of(*events, **more):
    """What a container writes that tells of events, one a second: of more events the first are the same."""
    stream = io.StringIO("a line for people\n")
    journal = LogJournal(stream, itertools.count().__next__)
    for event in (*events, *([more] if more else [])):
        journal.write(**event)
    return stream.getvalue()


def step(number):
    return {"training_progress": practice_pb2.TrainingProgress(step=number)}


def failed(text, status=2):
    told = practice_pb2.PracticeFailed(text=text, exit_status=status)
    return {"failed": told}


def followed(api, scenes, **options):
    api.scenes = scenes
    cluster = Cluster(Endpoint(url=api.url), patience_s=60.0)
    package = small_package()
    run_id = cluster.begin(Submission(name="run", pipeline=package.pipeline)).run_id
    ear = Ear()
    run = follow(cluster, run_id, ear, pace=PACE, **options)
    return run, ear


def test_each_component_is_told_once_in_order(api):
    run, ear = followed(
        api,
        [
            Scene({"prepare": "DRIVING"}, state="PENDING"),
            Scene({"prepare": "RUNNING"}),
            Scene({"prepare": "RUNNING"}),
            Scene({"prepare": "SUCCEEDED", "audio-example-gen": "RUNNING"}),
            Scene({"audio-example-gen": "CACHED", "trainer": "RUNNING"}),
            Scene({"trainer": "SUCCEEDED", "personality-writer": "SKIPPED"}),
            Scene(state="SUCCEEDED"),
        ],
    )
    assert run.state == "SUCCEEDED"
    assert ear.states == ["PENDING", "RUNNING", "SUCCEEDED"]
    assert ear.lines() == [
        "Prepare begins",
        "Prepare done",
        "AudioExampleGen begins",
        "AudioExampleGen cached",
        "Trainer begins",
        "Trainer done",
    ]
    begun = [event.elapsed_s for event in ear.events]
    assert begun == sorted(begun)
    assert ear.events[1].component_finished.duration_s == 30.0


def test_who_comes_late_hears_all_of_it(api):
    tasks = {"prepare": "SUCCEEDED", "trainer": "SUCCEEDED", "evaluator": "FAILED"}
    _, ear = followed(api, [Scene(tasks, state="FAILED")])
    assert ear.lines() == [
        "Prepare begins",
        "Prepare done",
        "Trainer begins",
        "Trainer done",
        "Evaluator begins",
    ]


def test_the_trainer_is_heard_while_it_trains(api):
    _, ear = followed(
        api,
        [
            Scene({"trainer": "RUNNING"}, logs={"trainer-0": log_of(step(1))}),
            Scene(logs={"trainer-0": log_of(step(1), step(2)) + "amadeus-event {cut"}),
            Scene(
                {"trainer": "SUCCEEDED"},
                logs={"trainer-0": log_of(*map(step, (1, 2, 3)))},
            ),
            Scene(state="SUCCEEDED"),
        ],
    )
    assert ear.lines() == [
        "Trainer begins",
        "step 1",
        "step 2",
        "step 3",
        "Trainer done",
    ]
    assert ear.events[1].elapsed_s >= 60.0  # by the clock of the run


def test_why_a_component_failed_is_heard_last(api):
    log = log_of(failed("gs://bucket holds no recordings: name another."))
    _, ear = followed(
        api,
        [
            Scene({"prepare": "RUNNING"}, logs={"prepare-0": log}),
            Scene({"prepare": "FAILED"}, state="FAILED"),
        ],
    )
    assert ear.lines() == [
        "Prepare begins",
        "gs://bucket holds no recordings: name another.",
    ]
    assert ear.events[-1].failed.exit_status == 2


def test_a_machine_that_is_taken_away_is_said_and_the_next_attempt_followed(api):
    _, ear = followed(
        api,
        [
            Scene({"trainer": ["RUNNING"]}, logs={"trainer-0": log_of(step(1))}),
            Scene({"trainer": ["FAILED", "PENDING"]}),
            Scene(
                {"trainer": ["FAILED", "RUNNING"]}, logs={"trainer-1": log_of(step(2))}
            ),
            Scene({"trainer": ["FAILED", "SUCCEEDED"]}, state="SUCCEEDED"),
        ],
    )
    begins, one, again, two, done = ear.lines()
    assert (begins, one, two, done) == (
        "Trainer begins",
        "step 1",
        "step 2",
        "Trainer done",
    )
    assert again.startswith(
        "attempt 1 at Trainer failed (its container ended without a word"
    )


def test_what_an_attempt_said_is_no_last_word_while_there_is_another(api):
    log = log_of(failed("the disk of the container is full.", 2))
    _, ear = followed(
        api,
        [
            Scene({"trainer": ["RUNNING"]}, logs={"trainer-0": log}),
            Scene({"trainer": ["FAILED", "RUNNING"]}),
            Scene({"trainer": ["FAILED", "SUCCEEDED"]}, state="SUCCEEDED"),
        ],
    )
    assert not any(event.HasField("failed") for event in ear.events)
    assert "(the disk of the container is full); it is tried again." in ear.lines()[1]


def test_an_image_that_cannot_be_pulled_is_said_once(api):
    _, ear = followed(
        api,
        [
            Scene({"trainer": "PENDING"}, events={"trainer-0": PULL}),
            Scene(),
            Scene(),
            Scene({"trainer": "SUCCEEDED"}, state="SUCCEEDED"),
        ],
    )
    assert ear.waited == [("Trainer", f"Failed: {PULL}")]


def test_a_component_that_waits_for_nobody_knows_what_is_said_once(api):
    _, ear = followed(
        api, [Scene({"trainer": "PENDING"}), Scene(), Scene(state="CANCELED")]
    )
    assert ear.waited == [("Trainer", "")]


def test_an_api_that_goes_away_is_waited_for(api):
    api.faults = [
        Fault("reset", path="v2beta1/runs/", skip=1, times=3),
        Fault("status", path="v2beta1/runs/", status=503, skip=1, times=2),
    ]
    scenes = [Scene({"trainer": state}) for state in ("RUNNING", "SUCCEEDED")]
    run, ear = followed(api, [*scenes, Scene(), Scene(), Scene(state="SUCCEEDED")])
    assert run.state == "SUCCEEDED"
    assert sorted(ear.losses) == [0, 0, 0, 503, 503]
    assert ear.lines() == ["Trainer begins", "Trainer done"]


def test_an_api_that_stays_away_is_not_waited_for_without_end(api):
    api.faults = [Fault("reset", path="/runs/", skip=1, times=10_000)]
    with pytest.raises(ClusterError, match="cannot be reached"):
        followed(api, [Scene()], patience_s=0.05)


def test_a_token_that_expires_on_the_way_is_said(api):
    gone = {"status": 401, "body": {"message": "expired"}}
    api.faults = [Fault("status", path="/runs/", skip=1, **gone)]
    with pytest.raises(ClusterError, match="has expired; put a new one") as caught:
        followed(api, [Scene()])
    assert caught.value.status == 401


def test_a_token_is_read_anew_each_time(api, tmp_path):
    api.token = "first"
    path = tmp_path / "token"
    path.write_text("first\n")

    def exchange(_run):
        api.token = "second"
        path.write_text("second\n")

    api.scenes = [Scene(does=exchange), Scene(), Scene(state="SUCCEEDED")]
    cluster = Cluster(Endpoint(url=api.url, token_path=path))
    package = small_package()
    run_id = cluster.begin(Submission(name="run", pipeline=package.pipeline)).run_id
    assert follow(cluster, run_id, Ear(), pace=PACE).state == "SUCCEEDED"


def test_without_pods_a_run_is_followed_by_its_tasks(api, monkeypatch):
    """Releases before 2.5 name no pods."""
    from tests.pipelines.kubeflow import played_runs

    plain = played_runs.node

    def without_pods(*arguments, **options):
        node = plain(*arguments, **options)
        return {**node, "pod_name": "", "child_tasks": []}

    monkeypatch.setattr(played_runs, "node", without_pods)
    _, ear = followed(
        api,
        [
            Scene({"trainer": "RUNNING"}),
            Scene({"trainer": "CACHED"}, state="SUCCEEDED"),
        ],
    )
    assert ear.lines() == ["Trainer begins", "Trainer done"]


@pytest.mark.parametrize(
    "line",
    [
        b"amadeus-event {}",
        b'amadeus-event {"warning": {"text": 3}}',
        b"amadeus-event [1]",
        b"amadeus-event \xff",
        b'amadeus-event {"elapsed_s": "x"}',
        b'amadeus-event {"elapsed_s": "Infinity", "warning": {"text": "x"}}',
        b"amadeus-event " + b"[" * 100_000,
    ],
)
def test_foreign_lines_in_a_log_are_passed_over(line):
    good = log_of(step(1)).encode()
    log = [line + b"\n" + good + line]
    told = [event for event in read_events(log) if event.WhichOneof("event")]
    assert [event.training_progress.step for event in told] == [1]


TALK = "a line for people, again and again\n" * 200_000  # 7 MB


def test_the_last_words_of_a_talkative_container_are_heard(api):
    _, ear = followed(
        api,
        [
            Scene(
                {"trainer": ["FAILED", "FAILED"]},
                logs={
                    "trainer-0": TALK + log_of(failed("the disk is full.")),
                    "trainer-1": TALK + log_of(step(7), failed("nothing sounds.")),
                },
                state="FAILED",
            ),
        ],
    )
    assert ear.lines() == ["Trainer begins", "step 7", "nothing sounds."]


def test_the_last_words_of_a_talkative_attempt_are_heard(api):
    talk = TALK + log_of(failed("the disk is full."))
    _, ear = followed(
        api,
        [
            Scene({"trainer": ["FAILED", "RUNNING"]}, logs={"trainer-0": talk}),
            Scene({"trainer": ["FAILED", "SUCCEEDED"]}, state="SUCCEEDED"),
        ],
    )
    assert "(the disk is full); it is tried again." in ear.lines()[1]


def test_a_log_whose_beginning_a_node_threw_away_is_told_on_from_where_it_was(api):
    whole = log_of(*map(step, (1, 2, 3, 4)))
    _, ear = followed(
        api,
        [
            Scene({"trainer": "RUNNING"}, logs={"trainer-0": log_of(step(1), step(2))}),
            Scene(logs={"trainer-0": whole[whole.index('"step": 3') :]}),
            Scene({"trainer": "SUCCEEDED"}, state="SUCCEEDED"),
        ],
    )
    assert ear.lines() == [
        "Trainer begins",
        "step 1",
        "step 2",
        "step 4",
        "Trainer done",
    ]


@pytest.mark.parametrize("n_bytes", [1, 7, 1000])
def test_a_log_may_come_in_any_pieces(n_bytes):
    log = log_of(step(1), step(2)).encode()
    pieces = [log[i : i + n_bytes] for i in range(0, len(log), n_bytes)]
    assert [event.training_progress.step for event in read_events(pieces)] == [1, 2]


def test_of_a_log_no_more_is_kept_than_a_line():
    line = b"x" * 2**16
    log = [*[line] * 500, b"\n", log_of(step(1)).encode(), *[line] * 500]
    tracemalloc.start()
    try:
        (event,) = read_events(log)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert event.training_progress.step == 1
    assert most < 2**20


def _strings(told):
    if isinstance(told, str):
        yield told
    elif isinstance(told, dict):
        for part in (*told.keys(), *told.values()):
            yield from _strings(part)
    elif isinstance(told, list):
        for part in told:
            yield from _strings(part)


def test_a_log_moves_no_terminal():
    clear = "\x1b[2J\x1b]0;owned\x07\u202e\nforged line"
    verdict = practice_pb2.Evaluated(reason=clear, metrics={f"a{clear}": 1.0})
    log = log_of(
        {"component_started": practice_pb2.ComponentStarted(component=clear)},
        failed(clear),
        evaluated=verdict,
    )
    judged = practice_pb2.Judged(lines=[clear, "plain: ü"])
    for event in read_events([log.encode(), log_of(judged=judged).encode()]):
        shown = list(_strings(json_format.MessageToDict(event)))
        assert any("owned" in text for text in shown)
        assert all(text.isprintable() for text in shown)
    assert list(event.judged.lines)[1] == "plain: ü"
