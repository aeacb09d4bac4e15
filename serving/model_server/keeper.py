"""The thread that keeps what is loaded in step with what lies on disk.

It alone looks at the base paths, loads and unloads, one step at a time; callers never wait for it. Whatever it
shares with them is guarded by `changed`, under which nothing slow is done.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from serving.model_server import warmup
from serving.model_server.config import Model
from serving.model_server.options import ServingOptions
from serving.model_server.policy import Step
from serving.model_server.pool import Key, Pool
from serving.model_server.priority import step_back
from serving.model_server.servable import Servable
from serving.model_server.served import ServedModel, Version
from serving.model_server.session import begin_threads
from serving.model_server.source import list_versions
from serving.model_server.states import State, StateMonitor
from serving.model_server.status import Code, ServingError

_HELD_WAIT_S = 0.05  # between looks whether an unloaded version is still held
_STUMBLE_WAIT_S = 1.0

_log = logging.getLogger(__name__)


class _Task(NamedTuple):
    served: ServedModel
    version: Version
    verb: Step


class Keeper:
    """Loads and unloads.

    Attributes:
      changed: Guards everything here, and is notified whenever something changes.
      configured: Models named by configuration.
      served: All models, by name.
      pool: Of what is loaded.
      states: For ModelService.
      poll_wanted: Whether a look at the disk is due.
      stopped: Whether the end has come.
    """

    def __init__(
        self,
        models: Iterable[Model],
        discover: Callable[[], Iterable[Model]] | None,
        options: ServingOptions,
        load: Callable[[Path], Servable],
    ) -> None:
        self.changed = threading.Condition()
        self.configured: tuple[Model, ...] = tuple(models)
        self.served: dict[str, ServedModel] = {}
        self.states = StateMonitor()
        self.pool = Pool(self._load_one, max_idle=options.max_idle_models)
        self.poll_wanted = options.poll_wait_s >= 0
        self.stopped = False
        self._is_polling = False
        self._discover = discover
        self._options = options
        self._load = load
        self._to_release: list[Key] = []
        self._departing: list[Key] = []
        self._complaints: dict[str, str] = {}
        self._thread = threading.Thread(target=self._run, name="models", daemon=True)
        self.enlist()

    def start(self) -> None:
        """Begins."""
        begin_threads()
        self._thread.start()

    def close(self) -> None:
        """Ends, and lets go of everything."""
        with self.changed:
            self.stopped = True
            self.changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()
        with self.changed:
            for served in self.served.values():
                for version in list(served.ready()):
                    self._depart(served, version)
        self._let_go()
        self.pool.close()

    def wake(self) -> None:
        """Has the thread look whether there is something to do."""
        with self.changed:
            self.changed.notify_all()

    def enlist(self) -> None:
        """Takes in which models there are to be, configured and discovered."""
        found = tuple(self._discover()) if self._discover else ()
        with self.changed:
            models = {model.name: model for model in (*found, *self.configured)}
            for name in self.served.keys() - models.keys():
                self._dismiss(self.served.pop(name))
            for name, model in models.items():
                self.served.setdefault(name, ServedModel(model)).model = model

    def look(self, model: Model) -> dict[int, Path] | None:
        """Lists versions on disk; None if there is no base path to look at, which is no reason to unload."""
        try:
            present = list_versions(model.name, model.base_path)
            complaint = "" if present else "it holds no versions"
        except ServingError as error:
            present, complaint = None, error.text
        if complaint != self._complaints.get(model.name, ""):
            self._complaints[model.name] = complaint
            _log.warning(
                "model %s at %s: %s", model.name, model.base_path, complaint or "found"
            )
        return present

    def is_looking(self) -> bool:
        """Tells whether a look at the disk is due or under way."""
        return self.poll_wanted or self._is_polling

    def is_settled(self) -> bool:
        """Tells whether everything wanted was loaded or given up."""
        versions = (v for s in self.served.values() for v in s.versions.values())
        return self.stopped or (
            not self.is_looking()
            and all(v.phase in ("ready", "failed") for v in versions)
        )

    def _run(self) -> None:
        step_back()  # whoever plays goes first
        next_poll_s = time.monotonic()
        while self._wait(next_poll_s):
            try:
                if self.poll_wanted or self._is_due(next_poll_s):
                    self._poll()
                    next_poll_s = time.monotonic() + self._options.poll_wait_s
                self._take_step()
                self._let_go()
            except Exception:  # a foreign model or a full disk must not end all others
                _log.exception("the model server stumbled; it goes on")
                time.sleep(_STUMBLE_WAIT_S)

    def _wait(self, next_poll_s: float) -> bool:
        with self.changed:
            idle = not (self.poll_wanted or self._to_release or self._next_task())
            if idle and not self.stopped:
                self.changed.notify_all()  # to those who wait until all is settled
                self.changed.wait(self._pause_s(next_poll_s))
            return not self.stopped

    def _is_due(self, next_poll_s: float) -> bool:
        return self._options.poll_wait_s > 0 and time.monotonic() >= next_poll_s

    def _pause_s(self, next_poll_s: float) -> float | None:
        dues = [served.next_due_s() for served in self.served.values()]
        times = [due for due in dues if due is not None]
        if self._options.poll_wait_s > 0:
            times.append(next_poll_s)
        if self._departing:
            times.append(time.monotonic() + _HELD_WAIT_S)
        return max(min(times) - time.monotonic(), 0.001) if times else None

    def _poll(self) -> None:
        with self.changed:
            self.poll_wanted, self._is_polling = False, True
        try:
            self._look_at_all()
        finally:
            with self.changed:
                self._is_polling = False

    def _look_at_all(self) -> None:
        self.enlist()
        for served in list(self.served.values()):
            present = self.look(served.model)
            if present is None or (not present and self._options.always_present):
                continue
            with self.changed:
                if self.served.get(served.model.name) is served:
                    self._want(served, present)

    def _want(self, served: ServedModel, present: dict[int, Path]) -> None:
        news, dropped = served.want(present)
        for version in dropped:
            self._drop(version)
        for version in news:
            self.states.set(served.model.name, version.number, State.START)

    def _drop(self, version: Version) -> None:
        if version.phase == "ready":
            self._leave(version)
        elif version.phase != "failed":
            self.states.set(version.key.name, version.number, State.END)

    def _dismiss(self, served: ServedModel) -> None:
        for version in served.want_nothing():
            self._drop(version)
        for version in list(served.ready()):
            self._depart(served, version)

    def _depart(self, served: ServedModel, version: Version) -> None:
        del served.versions[version.number]
        self._leave(version)

    def _leave(self, version: Version) -> None:
        self.states.set(version.key.name, version.number, State.UNLOADING)
        self._to_release.append(version.key)
        self.changed.notify_all()

    def _next_task(self) -> _Task | None:
        now_s = time.monotonic()
        for served in self.served.values():
            step = served.next_step(now_s)
            if step:
                return _Task(served, served.versions[step.version], step)
        return None

    def _take_step(self) -> None:
        with self.changed:
            task = self._next_task()
            if task is None:
                return
            if task.verb.verb == "unload":
                self._depart(task.served, task.version)
                return
            self.states.set(task.served.model.name, task.version.number, State.LOADING)
        try:
            servable = self.pool.take(task.version.key, task.version.path)
        except ServingError as error:
            self._fail(task.served, task.version, error)
        else:
            self._welcome(task.served, task.version, servable)

    def _welcome(
        self, served: ServedModel, version: Version, servable: Servable
    ) -> None:
        with self.changed:
            if self._is_current(served, version):
                version.servable, version.phase = servable, "ready"
                self.states.set(served.model.name, version.number, State.AVAILABLE)
            else:  # no longer wanted when it was loaded
                self._to_release.append(version.key)
            self.changed.notify_all()

    def _fail(self, served: ServedModel, version: Version, error: ServingError) -> None:
        with self.changed:
            version.n_tries += 1
            final = version.n_tries > self._options.max_load_retries
            version.phase = "failed" if final else "waiting"
            version.due_s = time.monotonic() + self._options.load_retry_interval_s
            if final and self._is_current(served, version):
                self.states.set(served.model.name, version.number, State.END, error)
            self.changed.notify_all()
        _log.warning(
            "model %s version %d cannot be loaded (%s); tried %d times of %d",
            served.model.name,
            version.number,
            error,
            version.n_tries,
            self._options.max_load_retries + 1,
        )

    def _is_current(self, served: ServedModel, version: Version) -> bool:
        name = served.model.name
        return (
            self.served.get(name) is served
            and served.versions.get(version.number) is version
        )

    def _let_go(self) -> None:
        with self.changed:
            keys, self._to_release = self._to_release, []
            self._departing += keys
        for key in keys:
            self.pool.release(key)
        self.pool.bury()
        with self.changed:
            gone = {key for key in self._departing if not self.pool.n_holders(key)}
            self._departing = [key for key in self._departing if key not in gone]
            for key in gone:
                status = self.states.get(key.name, key.version)
                if status and status.state == State.UNLOADING:
                    self.states.set(key.name, key.version, State.END)

    def _load_one(self, name: str, number: int, path: Path) -> Servable:
        start_s = time.monotonic()
        try:
            servable = self._load(path)
        except ServingError:
            raise
        except Exception as error:  # foreign matter may fail in any way
            _log.exception("model %s version %d cannot be loaded", name, number)
            raise ServingError(Code.INTERNAL, str(error)[:500]) from error
        self._warm_up(servable)
        took_s = time.monotonic() - start_s
        _log.info("model %s version %d: loaded in %.1f s", name, number, took_s)
        return servable

    def _warm_up(self, servable: Servable) -> None:
        if not self._options.warm_up:
            return
        try:
            warmup.warm_up(servable)
        except ServingError:
            servable.close()
            raise
