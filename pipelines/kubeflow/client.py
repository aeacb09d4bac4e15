"""What is asked of Kubeflow Pipelines: runs that are begun, looked at, listed and ended.

It speaks API v2beta1 through the generated client (kfp-server-api). `kfp.Client`, which is built on the same, waits
without end, prints, and keeps settings in the user's home; what it sends to begin a run is what is sent here.

A run is begun once, even where the answer is lost: it has a name of its own, and is looked for by it before another is
begun.
"""

import json
import re
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import kfp_server_api
from kfp_server_api import models

from amadeus.errors import ClusterError, ConfigError
from pipelines.kubeflow.client_endpoint import Endpoint
from pipelines.kubeflow.client_messages import (
    Run,
    Submission,
    bare,
    misunderstood,
    named,
    pages,
    read_run,
    runtime_config,
    specification,
    understood,
)
from pipelines.kubeflow.client_package import find_deu
from pipelines.kubeflow.client_patience import (
    PATIENCE_S,
    Lost,
    Patience,
    ask,
    create_once,
)
from pipelines.kubeflow.client_transport import TIMEOUT_S, open_api

NAMESPACE = "kubeflow"  # where an installation for one user keeps its pods
_MAX_EVENTS_BYTES = 4 * 2**20

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

T = TypeVar("T")


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

    def deu_of(self, run: Run) -> str:
        """Finds whom a run teaches, also where it was begun of a version of a pipeline; empty where it is none of ours.

        Raises:
          ClusterError: Nobody answers, or access is refused.
        """
        version_id = run.version
        if run.deu or version_id is None:
            return run.deu
        pipelines = kfp_server_api.PipelineServiceApi(self.api)
        version = self.ask(
            lambda: self._call(
                pipelines.pipeline_service_get_pipeline_version,
                pipeline_id=version_id.pipeline_id,
                pipeline_version_id=version_id.version_id,
            )
        )
        return find_deu(bare(version.pipeline_spec))

    def find(self, run: str) -> Run:
        """Finds a run by its id or its name; of several of one name the newest.

        Raises:
          ConfigError: There is none.
          ClusterError: Nobody answers, or access is refused.
        """
        run_id: str | None = run
        if not _ID.fullmatch(run):
            known = self.ask(lambda: list(self._named(run)))
            run_id = known[-1].run_id if known else None
        try:
            if run_id is not None:
                return self.run(run_id)
        except ClusterError as error:
            if error.status != 404:
                raise
        raise ConfigError(
            f"Kubeflow Pipelines at {self.endpoint.url} know no run {run!r}: see `amadeus pipeline runs`."
        )

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
        path = f"/k8s/pod/events?{self._place(pod)}"
        text = self.api.rest_client.read_beside(
            path, "application/json", _MAX_EVENTS_BYTES
        )
        try:
            events = json.loads(text or b"{}").get("items", [])
            return [
                f"{event['reason']}: {event['message']}"
                for event in events
                if event.get("type") == "Warning"
            ]
        except (ValueError, AttributeError, LookupError, TypeError):
            return []

    def read_log(self, run_id: str, pod: str) -> Iterator[bytes]:
        """Reads a pod's log piece by piece to its end, where the last words are; nothing where it is not to be had.

        No server of Kubeflow's hands out an end alone: the whole log comes, of which nobody need keep more than a line.
        """
        # By the API server, beside what is published, and by the pages, which stand before it in full installations.
        run = urllib.parse.urlencode({"runid": run_id})
        for path in (
            f"/apis/v1alpha1/runs/{run_id}/nodes/{pod}/log",
            f"/k8s/pod/logs?{self._place(pod)}&{run}",
        ):
            with self.api.rest_client.open_beside(path, "text/plain") as pieces:
                if pieces is not None:
                    yield from pieces
                    return

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

    def find_experiment_id(self, name: str) -> str | None:
        """Finds an experiment; None where there is none.

        Raises:
          ClusterError: Nobody answers, or access is refused.
        """
        found = self._find_experiment(name)
        return found.experiment_id if found else None

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
            raise misunderstood(self.endpoint, "a run without an id")
        return read_run(run)

    def _place(self, pod: str) -> str:
        namespace = self.endpoint.namespace or NAMESPACE
        return urllib.parse.urlencode({"podname": pod, "podnamespace": namespace})

    def _find_experiment(self, name: str) -> models.V2beta1Experiment | None:
        found = self.ask(
            lambda: self._call(
                self._experiments.experiment_service_list_experiments,
                filter=named(name),
                **self.in_namespace(),
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
        place: dict[str, Any] = (
            {"experiment_id": experiment_id} if experiment_id else self.in_namespace()
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

    def in_namespace(self) -> dict[str, str]:
        """Says in which namespace to look, where there are several."""
        return {"namespace": self.endpoint.namespace} if self.endpoint.namespace else {}
