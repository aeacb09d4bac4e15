"""What is said to Kubeflow Pipelines and what they say, between our words and those of the generated client."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import kfp_server_api
from kfp_server_api import models

from amadeus.errors import AmadeusError, ClusterError
from amadeus.personality.quoting import tame
from pipelines.kubeflow.client_endpoint import Endpoint
from pipelines.kubeflow.client_package import find_deu

EXPERIMENT = "amadeus"
OVER = frozenset({"SUCCEEDED", "FAILED", "SKIPPED", "CANCELED"})
_PAGE = 50

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A run to begin.

    Attributes:
      name: Of its own among all runs of the experiment.
      pipeline: Of a Package, as JSON.
      platform: Of a Package, as JSON; empty without one.
      parameters: Of the pipeline, by name.
      pipeline_root: Where its artifacts go; empty: where the cluster puts them.
      experiment: What it is listed under.
      service_account: Kubernetes account it runs as; empty: that of the cluster.
      description: What people read of it.
    """

    name: str
    pipeline: Mapping[str, Any]
    platform: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    pipeline_root: str = ""
    experiment: str = EXPERIMENT
    service_account: str = ""
    description: str = ""


class Task(NamedTuple):
    """A node of a run, as the API tells it.

    Attributes:
      name: Its name on the page of the run.
      state: `PENDING`, `RUNNING` ... as the API names them.
      started_at: When it began; None while it has not.
      ended_at: When it ended; None while it has not.
      pod: Name of its pod, which its log is read by; empty without one.
      children: Pods of what comes after it.
      text: What the API says of its failure; mostly empty.
    """

    name: str
    state: str
    started_at: datetime | None
    ended_at: datetime | None
    pod: str
    children: tuple[str, ...]
    text: str


class VersionId(NamedTuple):
    """Names a version of a pipeline."""

    pipeline_id: str
    version_id: str


class Run(NamedTuple):
    """A run, as the API tells it.

    Attributes:
      run_id: Its id.
      name: As it was begun.
      state: `PENDING`, `RUNNING` ... as the API names them.
      created_at: When it was begun; None where it is not told.
      pipeline_root: Where its artifacts go; empty where the cluster decided.
      parameters: It was begun with.
      deu: Whom it teaches; empty where it is not told.
      version: Of which version of a pipeline it was begun; None: of a package.
      tasks: Its nodes, in no order.
      text: What the API says of its failure; mostly empty.
    """

    run_id: str
    name: str
    state: str
    created_at: datetime | None
    pipeline_root: str
    parameters: Mapping[str, Any]
    deu: str
    version: VersionId | None
    tasks: tuple[Task, ...]
    text: str

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in OVER


def understood(endpoint: Endpoint, method: Callable[..., T], **arguments: Any) -> T:
    """Calls a method of the generated client, and words what it cannot read.

    Raises:
      ClusterError: It is refused, nobody answers, or the answer has another form than API v2beta1 gives it.
    """
    try:
        return method(**arguments)
    except AmadeusError:
        raise  # some of ours are ValueErrors, too
    except (
        kfp_server_api.OpenApiException,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        raise misunderstood(endpoint, str(error)) from error


def pages(
    call: Callable[..., Any], key: str, limit: int | None = None
) -> Iterator[Any]:
    """Lists over page after page.

    Args:
      call: Asks for a page, given `page_size` and `page_token`.
      key: What the answer calls its list.
      limit: The most to list; None: all.
    """
    n_left, token = limit, ""
    while n_left is None or n_left > 0:
        size = _PAGE if n_left is None else min(_PAGE, n_left)
        page = call(page_size=size, page_token=token)
        yield from getattr(page, key) or ()
        token = page.next_page_token
        if not token:
            return
        n_left = None if n_left is None else n_left - size


def named(name: str) -> str:
    """Writes the filter that only what has this name passes."""
    predicate = {"operation": "EQUALS", "key": "display_name", "string_value": name}
    return json.dumps({"predicates": [predicate]})


def specification(submission: Submission) -> dict[str, Any]:
    """Brings a package to the form that the API takes it in, which is that of kfp's own client."""
    if not submission.platform:
        return dict(submission.pipeline)
    return {
        "pipeline_spec": dict(submission.pipeline),
        "platform_spec": dict(submission.platform),
    }


def bare(told: Any) -> Any:
    """Finds the pipeline in what `specification` has made of a package."""
    is_wrapped = isinstance(told, dict) and "pipeline_spec" in told
    return told["pipeline_spec"] if is_wrapped else told


def runtime_config(submission: Submission) -> models.V2beta1RuntimeConfig:
    """Says what a run is begun with."""
    return models.V2beta1RuntimeConfig(
        parameters=dict(submission.parameters),
        pipeline_root=submission.pipeline_root or None,
    )


def misunderstood(endpoint: Endpoint, what: str) -> ClusterError:
    """Words an answer that nobody understands."""
    return ClusterError(
        f"{endpoint.url} answered with what API v2beta1 of Kubeflow Pipelines does not say ({tame(what)}): check its "
        "version, which has to be 2.0 or newer."
    )


def read_run(run: models.V2beta1Run) -> Run:
    """Reads a run; what is not told of it is empty."""
    config = run.runtime_config or models.V2beta1RuntimeConfig()
    details = run.run_details or models.V2beta1RunDetails()
    return Run(
        run_id=run.run_id,
        name=tame(run.display_name or ""),
        state=run.state or "PENDING",
        created_at=run.created_at,
        pipeline_root=config.pipeline_root or "",
        parameters=config.parameters or {},
        deu=find_deu(bare(run.pipeline_spec)),
        version=_read_version(run.pipeline_version_reference),
        tasks=tuple(_read_task(task) for task in details.task_details or ()),
        text=_read_text(run.error, run.state_history),
    )


def _read_task(task: models.V2beta1PipelineTaskDetail) -> Task:
    return Task(
        name=task.display_name or "",
        state=task.state or "",
        started_at=_moment(task.start_time),
        ended_at=_moment(task.end_time),
        pod=task.pod_name or "",
        children=tuple(child.pod_name or "" for child in task.child_tasks or ()),
        text=_read_text(task.error, task.state_history),
    )


def _read_version(
    reference: models.V2beta1PipelineVersionReference | None,
) -> VersionId | None:
    if reference is None or not reference.pipeline_version_id:
        return None
    return VersionId(reference.pipeline_id or "", reference.pipeline_version_id)


def _moment(told: datetime | None) -> datetime | None:
    """Reads a moment; what has not been yet is told as the beginning of 1970."""
    return told if told is not None and told.year > 1970 else None


def _read_text(
    error: models.GoogleRpcStatus | None,
    history: Sequence[models.V2beta1RuntimeStatus] | None,
) -> str:
    """Finds what is said of a failure: beside the state, or in the last of the states there were."""
    said = [status.error for status in history or () if status.error]
    words = [status.message for status in (error, *reversed(said)) if status]
    return tame(next((word for word in words if word), ""))
