"""The whole way: one command here, a package over the API, containers, buckets, and the voice that plays here."""

import re
import threading

import numpy as np
import pytest

from amadeus.stores import list_voices
from pipelines.kubeflow.client_messages import bare
from pipelines.kubeflow.package import Package
from tests.cli.terminal import amadeus
from tests.components import sounds
from tests.pipelines.kubeflow.cluster import Cluster, Run
from tests.pipelines.kubeflow.played_runs import Scene
from tests.pipelines.kubeflow.stand_in import StandIn
from tests.stores import emulators

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

BUCKET = "mlpipeline"
ROOT = f"s3://{BUCKET}/v2/artifacts"
VOICES = f"s3://{BUCKET}/voices"
TINY = (
    *("harmonic_count=8", "noise_band_count=9", "recurrent_unit_count=8"),
    *("dense_unit_count=8", "reverb_duration_s=0.05", "crop_duration_s=0.25"),
    "batch_size=2",
)


class Actor:
    """Carries runs out as they are begun, and tells the server how they stand."""

    def __init__(self, cluster):
        self._cluster = cluster
        self._acts = {}

    def __call__(self, told):
        if told["run_id"] not in self._acts:
            self._acts[told["run_id"]] = _Act(self._cluster, told)
        return self._acts[told["run_id"]].scene()

    def end(self):
        """Ends what still runs."""
        for act in self._acts.values():
            act.end()


class _Act:
    def __init__(self, cluster, told):
        self._run = Run(told["run_id"], cluster.folder / told["run_id"])
        self._failure = None
        self._is_left, self._process = False, None
        self._thread = threading.Thread(target=self._play, args=(cluster, told))
        self._thread.start()

    def _play(self, cluster, told):
        spec = told["pipeline_spec"]
        package = Package(dict(bare(spec)), spec.get("platform_spec", {}))
        try:
            cluster.run(
                package.to_yaml(),
                told["runtime_config"]["parameters"],
                resume=self._run,
                watch=self._watch,
            )
        except BaseException as error:  # is told by the state of the run
            self._failure = error

    def _watch(self, _task, _attempt, process):
        self._process = process
        assert not self._is_left, "nobody follows this run any more"

    def end(self):
        self._is_left = True
        if self._process is not None:
            self._process.kill()
        self._thread.join()

    def scene(self):
        run, is_over = self._run, not self._thread.is_alive()
        tasks = dict.fromkeys(run.attempts, "RUNNING")
        tasks |= dict.fromkeys(run.executed, "SUCCEEDED")
        tasks |= dict.fromkeys(run.cached, "CACHED")
        if self._failure is not None:
            tasks |= {
                name: "FAILED" for name, state in tasks.items() if state == "RUNNING"
            }
        logs = {f"{name}-0": run.log(name) for name in run.attempts}
        state = "RUNNING"
        if is_over:
            state = "SUCCEEDED" if self._failure is None else "FAILED"
        return Scene(tasks, state=state, logs=logs)


@pytest.fixture
def api(tmp_path, monkeypatch):
    with emulators.amazon() as leading, StandIn() as server:
        for name in emulators.CLEARED:
            monkeypatch.delenv(name, raising=False)
        for name, value in leading.items():
            monkeypatch.setenv(name, value)
        emulators.make_bucket("s3", leading, BUCKET)
        monkeypatch.setenv("AMADEUS_KFP_ENDPOINT", server.url)
        given = {"AMADEUS_METADATA": f"sqlite://{tmp_path}/cluster.sqlite", **leading}
        server.live = Actor(Cluster(tmp_path / "cluster", ROOT, given))
        yield server
        server.live.end()
        assert server.complaints == []


def test_one_command_has_a_cluster_practise_and_brings_the_voice_home(
    api, home, tmp_path
):
    takes = tmp_path / "takes"
    sounds.write_takes(takes, np.random.default_rng(440), n_takes=4, seconds=6.0)
    learner = [word for setting in TINY for word in ("--learner", setting)]
    done = amadeus(
        *("practice", "imitate", "cello", takes, "--runner", "kubeflow", "--follow"),
        *("--steps", 2, "--seed", 1, *learner, "--personalities", VOICES),
        *("--image", f"amadeus@sha256:{'0' * 64}", "--pipeline-root", ROOT),
        home=home,
        timeout_s=1700,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    lines = [line.strip() for line in done.stdout.splitlines()]
    began = [m[1] for line in lines if (m := re.fullmatch(r".*\s(\w+) begins", line))]
    assert began == [
        *("Prepare", "AudioExampleGen", "DdspTransform", "Trainer", "Evaluator"),
        *("Pusher", "PersonalityWriter"),
    ]
    assert any(line.startswith("cello plays generation 1 now") for line in lines)
    (voice,) = list_voices(VOICES, "cello")
    assert f"digest  {voice.digest}" in lines
    deu = home.deu("cello")
    assert deu.generations() == [1] == [deu.current_generation()]
