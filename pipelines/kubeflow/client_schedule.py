"""Recurring runs: a practice again and again, on a folder that grows.

A run looks at its folder when it begins, so each hears what is there by then; where nothing is new, Kubeflow's cache
answers. One run at a time unless told otherwise, and what was missed is not caught up with: one practice on all that
has come is worth more than five on the same.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import kfp_server_api
from kfp_server_api import models

from amadeus.errors import ConfigError
from pipelines.kubeflow.client import Cluster
from pipelines.kubeflow.client_messages import VersionId, named, pages, understood
from pipelines.kubeflow.client_patience import create_once

MAX_CONCURRENCY = 10  # of Kubeflow

_UNITS_S = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_INTERVAL = re.compile(r"([1-9][0-9]{0,5})([mhdw])")
_CRON_FIELD = re.compile(r"[0-9A-Za-z*/,?-]+")


@dataclass(frozen=True, kw_only=True)
class Recurrence:
    """When: exactly one of both.

    Attributes:
      interval_s: Seconds from one beginning to the next; 0: by `cron`.
      cron: Second, minute, hour, day, month and weekday, as Kubeflow reads them; empty: by `interval_s`.
    """

    interval_s: int = 0
    cron: str = ""

    def __str__(self) -> str:
        if self.cron:
            return f"at {self.cron}"
        for unit, seconds in reversed(_UNITS_S.items()):
            if self.interval_s % seconds == 0:
                return f"every {self.interval_s // seconds}{unit}"
        return f"every {self.interval_s}s"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A recurring run to make.

    Attributes:
      name: Of its own among all of the experiment.
      version: Of which version of a pipeline its runs are.
      when: When they begin.
      parameters: Of the pipeline, by name.
      pipeline_root: Where artifacts go; empty: where the cluster puts them.
      experiment: What its runs are listed under.
      max_concurrency: The most runs at once.
      service_account: Kubernetes account they run as; empty: that of the cluster.
    """

    name: str
    version: VersionId
    when: Recurrence
    parameters: Mapping[str, Any] = field(default_factory=dict)
    pipeline_root: str = ""
    experiment: str
    max_concurrency: int = 1
    service_account: str = ""


class Schedule(NamedTuple):
    """A recurring run, as the API tells it."""

    schedule_id: str
    name: str
    is_enabled: bool
    when: Recurrence
    max_concurrency: int
    created_at: datetime | None


def read_recurrence(every: str | None, cron: str | None) -> Recurrence:
    """Reads when runs shall begin.

    Args:
      every: An interval, such as `6h`.
      cron: Five fields as crontab has them, or six with the second first.

    Raises:
      ConfigError: Both or neither was given, or it is none.
    """
    if (every is None) == (cron is None):
        raise ConfigError(
            "a schedule has one rhythm: give either --every, such as 6h, or --cron, such as '0 3 * * *'."
        )
    return _read_interval(every) if every is not None else _read_cron(cron or "")


class Schedules:
    """The recurring runs of a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._api = kfp_server_api.RecurringRunServiceApi(cluster.api)

    def make(self, plan: Plan) -> tuple[Schedule, bool]:
        """Makes a recurring run; one of the same name and rhythm is found and not made again.

        Returns:
          The recurring run, and whether it is new.

        Raises:
          ConfigError: There is another of this name.
          ClusterError: It is refused, or nobody answers.
        """
        experiment_id = self._cluster.experiment_id(plan.experiment)
        found = self._find_named(plan.name, experiment_id)
        if found is not None:
            return self._check_same(found, plan), False
        body = models.V2beta1RecurringRun(
            display_name=plan.name,
            experiment_id=experiment_id,
            pipeline_version_reference=models.V2beta1PipelineVersionReference(
                pipeline_id=plan.version.pipeline_id,
                pipeline_version_id=plan.version.version_id,
            ),
            runtime_config=models.V2beta1RuntimeConfig(
                parameters=dict(plan.parameters),
                pipeline_root=plan.pipeline_root or None,
            ),
            trigger=_trigger(plan.when),
            mode="ENABLE",
            max_concurrency=str(plan.max_concurrency),
            no_catchup=True,
            service_account=plan.service_account or None,
        )
        made, _ = create_once(
            lambda: self._call(
                self._api.recurring_run_service_create_recurring_run, recurring_run=body
            ),
            lambda: self._find_named(plan.name, experiment_id),
            self._cluster.patience(),
        )
        return _read(made), True

    def all_of(self, experiment: str) -> list[Schedule]:
        """Lists the recurring runs of an experiment, the newest first.

        Raises:
          ClusterError: Nobody answers, or access is refused.
        """
        place = self._cluster.find_experiment_id(experiment)
        if place is None:
            return []
        listed = self._list(experiment_id=place, sort_by="created_at desc")
        return [_read(one) for one in listed]

    def find(self, schedule: str, experiment: str) -> Schedule:
        """Finds a recurring run by its id or its name.

        Raises:
          ConfigError: There is none.
          ClusterError: Nobody answers, or access is refused.
        """
        for one in self.all_of(experiment):
            if schedule in (one.schedule_id, one.name):
                return one
        raise ConfigError(
            f"there is no schedule {schedule!r} in {experiment!r}: see `amadeus pipeline schedule list`."
        )

    def enable(self, schedule_id: str) -> None:
        """Has a recurring run begin runs again."""
        self._ask(self._api.recurring_run_service_enable_recurring_run, schedule_id)

    def disable(self, schedule_id: str) -> None:
        """Has a recurring run begin no more runs; those that are under way go on."""
        self._ask(self._api.recurring_run_service_disable_recurring_run, schedule_id)

    def delete(self, schedule_id: str) -> None:
        """Deletes a recurring run; its runs stay."""
        self._ask(self._api.recurring_run_service_delete_recurring_run, schedule_id)

    def _ask(self, method: Any, schedule_id: str) -> None:
        self._cluster.ask(lambda: self._call(method, recurring_run_id=schedule_id))

    def _call(self, method: Any, **arguments: Any) -> Any:
        return understood(self._cluster.endpoint, method, **arguments)

    def _find_named(
        self, name: str, experiment_id: str
    ) -> models.V2beta1RecurringRun | None:
        found = self._list(experiment_id=experiment_id, filter=named(name))
        return found[0] if found else None

    def _list(self, **arguments: Any) -> list[models.V2beta1RecurringRun]:
        method = self._api.recurring_run_service_list_recurring_runs
        return self._cluster.ask(
            lambda: list(
                pages(
                    lambda **page: self._call(method, **arguments, **page),
                    "recurring_runs",
                )
            )
        )

    def _check_same(self, found: models.V2beta1RecurringRun, plan: Plan) -> Schedule:
        there = _read(found)
        config = found.runtime_config or models.V2beta1RuntimeConfig()
        reference = found.pipeline_version_reference
        same = (
            there.when == plan.when
            and there.max_concurrency == plan.max_concurrency
            and (config.parameters or {}) == dict(plan.parameters)
            # Where nothing was asked for, the cluster may say what it chose.
            and plan.pipeline_root in ("", config.pipeline_root)
            and plan.service_account in ("", found.service_account)
            and reference is not None
            and reference.pipeline_version_id == plan.version.version_id
        )
        if same:
            return there
        raise ConfigError(
            f"there is a schedule {plan.name!r} already, {there.when}, of another practice or rhythm: delete it with "
            f"`amadeus pipeline schedule delete {there.schedule_id}`, or choose another name with --name."
        )


def _read_interval(every: str) -> Recurrence:
    match = _INTERVAL.fullmatch(every)
    if match is None:
        raise ConfigError(
            f"--every {every} is no interval: write a number and m, h, d or w, such as 30m, 6h or 1d."
        )
    interval_s = int(match[1]) * _UNITS_S[match[2]]
    return Recurrence(interval_s=interval_s)


def _read_cron(cron: str) -> Recurrence:
    fields = cron.split()
    is_cron = all(_CRON_FIELD.fullmatch(one) for one in fields)
    if len(fields) not in (5, 6) or not is_cron:
        raise ConfigError(
            f"--cron {cron!r} is no rhythm: write minute, hour, day, month and weekday, such as '0 3 * * *', or six "
            "fields with the second first."
        )
    # Kubeflow counts seconds, crontab does not.
    return Recurrence(cron=" ".join(fields if len(fields) == 6 else ["0", *fields]))


def _trigger(when: Recurrence) -> models.V2beta1Trigger:
    if when.cron:
        return models.V2beta1Trigger(
            cron_schedule=models.V2beta1CronSchedule(cron=when.cron)
        )
    return models.V2beta1Trigger(
        periodic_schedule=models.V2beta1PeriodicSchedule(
            interval_second=str(when.interval_s)
        )
    )


def _read(told: models.V2beta1RecurringRun) -> Schedule:
    trigger = told.trigger or models.V2beta1Trigger()
    cron = trigger.cron_schedule.cron if trigger.cron_schedule else ""
    periodic = trigger.periodic_schedule
    interval_s = int(periodic.interval_second or 0) if periodic else 0
    return Schedule(
        schedule_id=told.recurring_run_id or "",
        name=told.display_name or "",
        is_enabled=told.status == "ENABLED",
        when=Recurrence(interval_s=interval_s, cron=cron or ""),
        max_concurrency=int(told.max_concurrency or 1),
        created_at=told.created_at,
    )
