"""A job of Beam that nobody waits for any more is cancelled, and does not go on alone."""

import apache_beam as beam
import pytest
from apache_beam.runners.runner import PipelineResult, PipelineRunner, PipelineState

from components import beam_engine
from components.beam_executor import BeamExecutor


class Step(BeamExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        with self._make_beam_pipeline() as pipeline:
            _ = pipeline | beam.Create([1])


class Job(PipelineResult):
    """A job that goes on elsewhere, for ever or as far as `reached`."""

    def __init__(self, reason, reached):
        super().__init__(reached)
        self.reason, self.n_cancelled = reason, 0

    def wait_until_finish(self, duration=None):
        if self.reason is not None:
            raise self.reason

    def cancel(self):
        self.n_cancelled += 1
        raise OSError("its service does not answer")


class Service(PipelineRunner):
    """Stands in for a job service, which nothing here could be billed by."""

    job = None

    def run_pipeline(self, pipeline, options):
        return self.job


@pytest.mark.parametrize(
    ("reason", "reached", "n_cancelled"),
    [
        (KeyboardInterrupt(), PipelineState.RUNNING, 1),
        (RuntimeError("lost"), PipelineState.RUNNING, 1),
        (RuntimeError("it failed by itself"), PipelineState.FAILED, 0),
        (None, PipelineState.DONE, 0),
    ],
)
def test_a_job_that_nobody_waits_for_is_cancelled(
    monkeypatch, reason, reached, n_cancelled
):
    monkeypatch.setattr(Service, "job", Job(reason, reached))
    args = [f"--runner={Service.__module__}.{Service.__name__}"]
    step = Step(Step.Context(beam_pipeline_args=args))
    if reason is None:
        step.Do({}, {}, {})
    else:
        with pytest.raises(type(reason)):
            step.Do({}, {}, {})
    assert Service.job.n_cancelled == n_cancelled


def test_how_work_is_shared_out_reaches_an_executor_by_a_way_of_its_own():
    given = ["--records_root=gs://b", *beam_engine.local_args()]
    lasting, sharing = beam_engine.split_args(given)
    assert lasting == ["--records_root=gs://b"]
    assert sorted(sharing) == sorted(beam_engine.local_args())
    with beam_engine.sharing_out(sharing):
        step = Step(Step.Context(beam_pipeline_args=lasting))
    assert sorted(step._beam_pipeline_args) == sorted(given)
    assert Step(Step.Context(beam_pipeline_args=[]))._beam_pipeline_args == []


def test_another_runner_is_asked_as_it_was():
    given = ["--runner=DataflowRunner", "--direct_num_workers=2"]
    assert beam_engine.split_args(given) == (given, [])
