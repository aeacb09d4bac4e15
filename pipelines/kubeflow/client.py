"""What is asked of Kubeflow Pipelines: runs that are begun, looked at, listed and ended.

It speaks API v2beta1 through the generated client (kfp-server-api). `kfp.Client`, which is built on the same, waits
without end, prints, and keeps settings in the user's home; what it sends to begin a run is what is sent here.

A run is begun once, even where the answer is lost: it has a name of its own, and is looked for by it before another is
begun.
"""

import json
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import kfp_server_api
from kfp_server_api import models

from amadeus.errors import AmadeusError, ClusterError, ConfigError
from amadeus.personality.quoting import tame
from pipelines.kubeflow.client_endpoint import Endpoint
from pipelines.kubeflow.client_patience import (
    PATIENCE_S,
    Lost,
    Patience,
    ask,
    create_once,
)
from pipelines.kubeflow.client_transport import TIMEOUT_S, open_api

EXPERIMENT = "amadeus"
NAMESPACE = "kubeflow"  # where an installation for one user keeps its pods
OVER = frozenset({"SUCCEEDED", "FAILED", "SKIPPED", "CANCELED"})
LOG_BYTES = 4 * 2**20
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


class Run(NamedTuple):
    """A run, as the API tells it.

    Attributes:
      run_id: Its id.
      name: As it was begun.
      state: `PENDING`, `RUNNING` ... as the API names them.
      created_at: When it was begun; None where it is not told.
      pipeline_root: Where its artifacts go; empty where the cluster decided.
      parameters: It was begun with.
      tasks: Its nodes, in no order.
      text: What the API says of its failure; mostly empty.
    """

    run_id: str
    name: str
    state: str
    created_at: datetime | None
    pipeline_root: str
    parameters: Mapping[str, Any]
    tasks: tuple[Task, ...]
    text: str

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in OVER


class Cluster:
    """Kubeflow Pipelines behind one endpoint."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        patience_s: float = PATIENCE_S,
        timeout_s: tuple[float, float] = TIMEOUT_S,
        on_lost: Lost | None = None,
    ) -> None:
        """Gets ready; nothing is sent before the first call.

        Args:
          endpoint: Where, and how to get in.
          patience_s: How long to try again what may be tried again.
          timeout_s: How long to wait for a connection, and for each byte of an answer.
          on_lost: Is told of each failure that is followed by another attempt, and of the pause before it.
        """
        self.endpoint = endpoint
        self.api = open_api(endpoint, timeout_s=timeout_s)
        self._patience_s, self._on_lost = patience_s, on_lost
        self._runs = kfp_server_api.RunServiceApi(self.api)
        self._experiments = kfp_server_api.ExperimentServiceApi(self.api)

    def begin(self, submission: Submission) -> Run:
        """Begins a run, or finds it where it was begun before.

        Raises:
          ClusterError: It is refused, or nobody answers.
        """
        experiment_id = self.experiment_id(submission.experiment)
        body = models.V2beta1Run(
            experiment_id=experiment_id,
            display_name=submission.name,
            description=submission.description or None,
            pipeline_spec=specification(submission),
            runtime_config=runtime_config(submission),
            service_account=submission.service_account or None,
        )

        def find() -> models.V2beta1Run | None:
            return next(self._named(submission.name, experiment_id), None)

        run, is_certain = create_once(
            lambda: self._call(self._runs.run_service_create_run, run=body),
            find,
            self.patience(),
        )
        if not is_certain:
            run = self._keep_first(submission.name, experiment_id) or run
        return self._read(run)

    def run(self, run_id: str, patience: Patience | None = None) -> Run:
        """Looks at a run.

        Raises:
          ClusterError: There is none, or nobody answers.
        """
        return self._read(
            self.ask(
                lambda: self._call(self._runs.run_service_get_run, run_id=run_id),
                patience,
            )
        )

    def find(self, run: str) -> Run:
        """Finds a run by its id or its name; of several of one name the newest.

        Raises:
          ConfigError: There is none.
          ClusterError: Nobody answers, or access is refused.
        """
        try:
            return self.run(run)
        except ClusterError as error:
            # Ids are UUIDs: what is none is refused in several ways.
            if error.status not in (400, 404, 500):
                raise
        named = self.ask(lambda: list(self._named(run)))
        if not named:
            raise ConfigError(
                f"Kubeflow Pipelines at {self.endpoint.url} know no run {run!r}: see `amadeus pipeline runs`."
            )
        return self.run(named[-1].run_id)

    def runs(self, experiment: str, limit: int) -> list[Run]:
        """Lists runs of an experiment, the newest first.

        Raises:
          ClusterError: Nobody answers, or access is refused.
        """
        found = self._find_experiment(experiment)
        if found is None:
            return []
        listed = self.ask(
            lambda: list(
                self._list_runs(
                    limit=limit,
                    experiment_id=found.experiment_id,
                    sort_by="created_at desc",
                )
            )
        )
        return [self._read(run) for run in listed]

    def cancel(self, run_id: str) -> None:
        """Asks for the end of a run; one that is over stays as it is.

        Raises:
          ClusterError: It is refused, or nobody answers.
        """
        self.ask(
            lambda: self._call(self._runs.run_service_terminate_run, run_id=run_id)
        )

    def read_events(self, pod: str) -> list[str]:
        """Reads what Kubernetes warns of about a pod, the newest last; empty where that is not to be had."""
        # Served by the pages of Kubeflow, not by its API.
        namespace = self.endpoint.namespace or NAMESPACE
        query = urllib.parse.urlencode({"podname": pod, "podnamespace": namespace})
        text = self.api.rest_client.read_text(f"/k8s/pod/events?{query}", LOG_BYTES)
        try:
            events = json.loads(text or b"{}").get("items", [])
            return [
                f"{event['reason']}: {event['message']}"
                for event in events
                if event.get("type") == "Warning"
            ]
        except (ValueError, AttributeError, LookupError, TypeError):
            return []

    def read_log(self, run_id: str, pod: str) -> bytes | None:
        """Reads the beginning of a pod's log; None where it is not to be had."""
        # Served beside the published API; the pages of runs read their logs here, too.
        path = f"/apis/v1alpha1/runs/{run_id}/nodes/{pod}/log"
        return self.api.rest_client.read_text(path, LOG_BYTES)

    def experiment_id(self, name: str) -> str:
        """Finds an experiment, or makes it.

        Raises:
          ClusterError: It is refused, or nobody answers.
        """
        found = self._find_experiment(name)
        if found is not None:
            return found.experiment_id
        body = models.V2beta1Experiment(
            display_name=name, namespace=self.endpoint.namespace or None
        )
        made, _ = create_once(
            lambda: self._call(
                self._experiments.experiment_service_create_experiment, experiment=body
            ),
            lambda: self._find_experiment(name),
            self.patience(),
        )
        return made.experiment_id

    def patience(self) -> Patience:
        """Makes the patience for one question."""
        if self._on_lost is None:
            return Patience(self._patience_s)
        return Patience(self._patience_s, self._on_lost)

    def ask(self, call: Callable[[], T], patience: Patience | None = None) -> T:
        """Calls what may be called as often as one likes.

        Raises:
          ClusterError: It is refused, or nobody answers.
        """
        return ask(call, patience or self.patience())

    def _call(self, method: Callable[..., T], **arguments: Any) -> T:
        return understood(self.endpoint, method, **arguments)

    def _read(self, run: models.V2beta1Run) -> Run:
        if not run.run_id:
            raise _misunderstood(self.endpoint, "a run without an id")
        return _read_run(run)

    def _find_experiment(self, name: str) -> models.V2beta1Experiment | None:
        found = self.ask(
            lambda: self._call(
                self._experiments.experiment_service_list_experiments,
                filter=named(name),
                **self._in_namespace(),
            )
        ).experiments
        return found[0] if found else None

    def _keep_first(self, name: str, experiment_id: str) -> models.V2beta1Run | None:
        """Of several runs of one name, which a lost answer may lead to, keeps the first and ends the others."""
        first, *others = self.ask(lambda: list(self._named(name, experiment_id))) or [
            None
        ]
        for run in others:
            self.cancel(run.run_id)
        return first

    def _named(
        self, name: str, experiment_id: str | None = None
    ) -> Iterator[models.V2beta1Run]:
        """Lists the runs of a name, the oldest first."""
        place = (
            {"experiment_id": experiment_id} if experiment_id else self._in_namespace()
        )
        return self._list_runs(filter=named(name), sort_by="created_at asc", **place)

    def _list_runs(
        self, limit: int | None = None, **arguments: Any
    ) -> Iterator[models.V2beta1Run]:
        return pages(
            lambda **page: self._call(
                self._runs.run_service_list_runs, **arguments, **page
            ),
            "runs",
            limit,
        )

    def _in_namespace(self) -> dict[str, str]:
        return {"namespace": self.endpoint.namespace} if self.endpoint.namespace else {}


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
        raise _misunderstood(endpoint, str(error)) from error


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


def runtime_config(submission: Submission) -> models.V2beta1RuntimeConfig:
    """Says what a run is begun with."""
    return models.V2beta1RuntimeConfig(
        parameters=dict(submission.parameters),
        pipeline_root=submission.pipeline_root or None,
    )


def _misunderstood(endpoint: Endpoint, what: str) -> ClusterError:
    return ClusterError(
        f"{endpoint.url} answered with what API v2beta1 of Kubeflow Pipelines does not say ({tame(what)}): check its "
        "version, which has to be 2.0 or newer."
    )


def _read_run(run: models.V2beta1Run) -> Run:
    config = run.runtime_config or models.V2beta1RuntimeConfig()
    details = run.run_details or models.V2beta1RunDetails()
    return Run(
        run_id=run.run_id,
        name=run.display_name or "",
        state=run.state or "PENDING",
        created_at=run.created_at,
        pipeline_root=config.pipeline_root or "",
        parameters=config.parameters or {},
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
    return next((word for word in words if word), "")
