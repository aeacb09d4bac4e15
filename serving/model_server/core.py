"""`ModelServer`: models on disk become models that can be asked.

    models = ModelServer([Model("cello", path)])
    models.start()
    with models.lease("cello") as lease:
        audio = lease.model.call("step", inputs)["audio"]
    models.close()

A new version is loaded before the old one goes, and who holds the old one keeps it.
"""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from tensorflow_serving.config import model_server_config_pb2

from serving.model_server import config as configs
from serving.model_server.config import Model
from serving.model_server.keeper import Keeper
from serving.model_server.lease import Lease
from serving.model_server.options import DEFAULT_OPTIONS, ServingOptions
from serving.model_server.pool import Key
from serving.model_server.servable import Servable
from serving.model_server.source import list_versions
from serving.model_server.states import Status
from serving.model_server.status import (
    Code,
    NotFoundError,
    ServingError,
    failed_precondition,
    invalid,
)

_RELOAD_WAIT_S = 0.2  # between looks whether the caller of a reload still waits


class ModelServer:
    """Serves models. All methods may be called from any thread."""

    def __init__(
        self,
        models: Iterable[Model] = (),
        *,
        discover: Callable[[], Iterable[Model]] | None = None,
        options: ServingOptions = DEFAULT_OPTIONS,
        load: Callable[[Path], Servable] = Servable.load,
    ) -> None:
        """Prepares a server that serves nothing until it is started.

        Args:
          models: To serve.
          discover: Lists further models; asked at every look at the disk, so that what appears is served. A model
            of `models` or of a reloaded configuration goes before one of the same name.
          options: How to behave.
          load: Makes a servable of a folder.

        Raises:
          ServingError: INVALID_ARGUMENT for a platform that this server does not know.
        """
        models = tuple(models)
        configs.check_supported(models)
        self.options = options
        self._keeper = Keeper(models, discover, options, load)
        self._labels = {model.name: dict(model.labels) for model in models}
        self._discovers = discover is not None
        self._reloading = threading.Lock()

    def start(self) -> None:
        """Begins to look for models and to load them, in a thread of its own."""
        self._keeper.start()

    def close(self) -> None:
        """Stops, and frees every model that nobody holds; held ones go when they are released."""
        self._keeper.close()

    def acquire(
        self, name: str, version: int | None = None, label: str | None = None
    ) -> Lease:
        """Holds a version that is served, by default the highest. Never blocks.

        Raises:
          ServingError: NOT_FOUND if it is not served; INVALID_ARGUMENT for an unknown label.
        """
        keeper = self._keeper
        with keeper.changed:
            if label:
                version = self.labelled(name, label)
            served = keeper.served.get(name)
            for ready in served.ready() if served else ():
                if version in (None, ready.number) and ready.servable is not None:
                    keeper.pool.share(ready.key)
                    return self._lease(ready.key, ready.servable, keep=False)
        raise NotFoundError(_not_served(name, version))

    def lease(
        self, name: str, version: int | None = None, label: str | None = None
    ) -> Lease:
        """Holds a version, and loads it first if it lies in the base path without being served.

        It may take the seconds that loading takes: do not call it from an event loop.

        Args:
          name: Of the model.
          version: By default the highest that is served, or that lies there if none is.
          label: Instead of a version.

        Raises:
          ServingError: NOT_FOUND if there is no such version; INVALID_ARGUMENT for an unknown label; or why it
            cannot be loaded.
        """
        try:
            return self.acquire(name, version, label)
        except NotFoundError:
            if label:
                raise
        model = self._find_model(name)
        present = (self._keeper.look(model) if model else None) or {}
        number = max(present, default=None) if version is None else version
        if number not in present:
            raise NotFoundError(_not_served(name, version))
        key = Key.of(name, number, present[number])
        servable = self._keeper.pool.take(key, present[number])
        return self._lease(key, servable, keep=True)

    def labelled(self, name: str, label: str) -> int:
        """Looks up the version of a label.

        Raises:
          ServingError: INVALID_ARGUMENT for an unknown label.
        """
        try:
            return self._labels[name][label]
        except KeyError:
            raise invalid(f"Unrecognized servable version label: {label}") from None

    def available(self) -> dict[str, list[int]]:
        """Lists what can be asked: versions by model, the highest first."""
        with self._keeper.changed:
            return {
                name: [version.number for version in served.ready()]
                for name, served in self._keeper.served.items()
            }

    def statuses(self, name: str) -> dict[int, Status]:
        """Tells of all versions of a model there ever were, the highest first."""
        return self._keeper.states.versions(name)

    def mlmd_uuids(self) -> dict[tuple[str, int], str]:
        """Lists what ML Metadata calls the versions served."""
        with self._keeper.changed:
            return {
                (name, version.number): version.servable.mlmd_uuid
                for name, served in self._keeper.served.items()
                for version in served.ready()
                if version.servable is not None and version.servable.mlmd_uuid
            }

    def n_loaded(self) -> int:
        """Counts models in memory, leased and lately leased ones included."""
        return self._keeper.pool.n_loaded()

    def poll_now(self) -> None:
        """Has the disk looked at without waiting for the next time."""
        with self._keeper.changed:
            self._keeper.poll_wanted = True
            self._keeper.changed.notify_all()

    def wait_until_settled(self, timeout_s: float | None = None) -> bool:
        """Waits until everything wanted was loaded or given up.

        Returns:
          Whether that happened in time.
        """
        with self._keeper.changed:
            return self._keeper.changed.wait_for(self._keeper.is_settled, timeout_s)

    def reload(
        self,
        config: model_server_config_pb2.ModelServerConfig,
        *,
        is_waiting: Callable[[], bool] = lambda: True,
    ) -> None:
        """Takes a new configuration, and waits until models new in it can be asked.

        Args:
          config: Replaces the one before; what is not in it is unloaded. Nothing at all changes nothing.
          is_waiting: Whether the caller still waits.

        Raises:
          ServingError: INVALID_ARGUMENT for a configuration that cannot be; FAILED_PRECONDITION if it is no
            model_config_list, or for a label of a version that is not available; PERMISSION_DENIED for a path
            outside the allowed folders; UNKNOWN if a new model could not be loaded.
        """
        if not config.WhichOneof("config"):
            return
        if config.WhichOneof("config") != "model_config_list":
            raise failed_precondition(
                "Cannot transition to requested config. It is only legal to transition from one ModelConfigList to "
                "another."
            )
        models = configs.read_models(config)
        with self._reloading:
            self._check(models)
            news = self._replace(models)
            self._await(news, is_waiting)
            self._assign_labels(models)

    def _check(self, models: tuple[Model, ...]) -> None:
        configs.check_platforms(self._keeper.configured, models)
        configs.check_supported(models)
        configs.check_roots(models, self.options.allowed_roots)
        for model in models:
            list_versions(model.name, model.base_path)

    def _replace(self, models: tuple[Model, ...]) -> list[str]:
        keeper = self._keeper
        with keeper.changed:
            old = {model.name for model in keeper.configured}
            keeper.configured = models
        keeper.enlist()
        if self.options.poll_wait_s >= 0:
            self.poll_now()
        return [model.name for model in models if model.name not in old]

    def _await(self, names: list[str], is_waiting: Callable[[], bool]) -> None:
        """Waits until each model has a version that is ready, or one that failed and none that might come."""
        keeper = self._keeper
        if self.options.poll_wait_s < 0:
            return
        with keeper.changed:
            while is_waiting() and not keeper.stopped:
                undecided = [name for name in names if not self._is_decided(name)]
                if not undecided and not keeper.is_looking():
                    break
                keeper.changed.wait(_RELOAD_WAIT_S)
            failed = [name for name in names if not any(keeper.served[name].ready())]
            if failed:
                raise ServingError(Code.UNKNOWN, self._describe_failures(failed))

    def _is_decided(self, name: str) -> bool:
        phases = {v.phase for v in self._keeper.served[name].versions.values()}
        return "ready" in phases or phases == {"failed"}

    def _describe_failures(self, names: list[str]) -> str:
        reasons = [
            f"{{name: {name} version: {number}}} due to error: {status.error}"
            for name in names
            for number, status in self.statuses(name).items()
            if status.error
        ]
        return (
            f"{len(names)} model(s) did not become available: {{{', '.join(reasons)}}}"
        )

    def _assign_labels(self, models: tuple[Model, ...]) -> None:
        with self._keeper.changed:
            for model in models:
                for label, number in model.labels.items():
                    self._check_label(model.name, label, number)
            self._labels = {model.name: dict(model.labels) for model in models}

    def _check_label(self, name: str, label: str, number: int) -> None:
        fresh = label not in self._labels.get(name, {})
        if fresh and self.options.labels_for_unavailable:
            return
        served = self._keeper.served[name]
        if not any(version.number == number for version in served.ready()):
            raise failed_precondition(
                f"Request to assign label to version {number} of model {name}, which is not currently available "
                "for inference"
            )

    def _find_model(self, name: str) -> Model | None:
        keeper = self._keeper
        if name not in keeper.served and self._discovers:
            keeper.enlist()
            self.poll_now()
        with keeper.changed:
            served = keeper.served.get(name)
            return served.model if served else None

    def _lease(self, key: Key, servable: Servable, *, keep: bool) -> Lease:
        return Lease(key, servable, lambda: self._release(key, keep))

    def _release(self, key: Key, keep: bool) -> None:
        keeper = self._keeper
        if keeper.pool.release(key, keep=keep):
            if keeper.stopped:
                keeper.pool.bury()
            else:
                keeper.wake()


def _not_served(name: str, version: int | None) -> str:
    request = f"Latest({name})" if version is None else f"Specific({name}, {version})"
    return f"Servable not found for request: {request}"
