"""The versions of one model on their way from wanted to served to gone. Plain bookkeeping: no threads, no files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from serving.model_server.config import Model
from serving.model_server.policy import Phase, Standing, Step, next_step
from serving.model_server.pool import Key
from serving.model_server.servable import Servable


@dataclass
class Version:
    """One version of a model.

    Attributes:
      key: What it is on disk.
      path: Its folder.
      phase: `new` to be loaded; `waiting` between tries; `ready`; `failed` for good.
      wanted: Whether the policy asks for it.
      n_tries: Loads that failed.
      due_s: When a waiting one may be tried again, on the monotonic clock.
      servable: While ready.
    """

    key: Key
    path: Path
    phase: Phase = "new"
    wanted: bool = True
    n_tries: int = 0
    due_s: float = 0.0
    servable: Servable | None = None

    @property
    def number(self) -> int:
        """The version's own."""
        return self.key.version


class ServedModel:
    """A model and its versions."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.versions: dict[int, Version] = {}

    def want(self, present: Mapping[int, Path]) -> tuple[list[Version], list[Version]]:
        """Takes in what lies on disk.

        Returns:
          news: Versions now wanted that were not there.
          dropped: Versions that are forgotten, those that were ready included if another folder took their place.
        """
        wanted = self.model.policy.choose(present)
        chosen = {
            number: (path, Key.of(self.model.name, number, path))
            for number, path in present.items()
            if number in wanted
        }
        dropped = [
            version
            for number, version in self.versions.items()
            if _is_over(version, chosen.get(number))
        ]
        for version in dropped:
            del self.versions[version.number]
        news = []
        for number, (path, key) in sorted(chosen.items()):
            if number not in self.versions:
                self.versions[number] = Version(key, path)
                news.append(self.versions[number])
        for number, version in self.versions.items():
            version.wanted = number in chosen
        return news, dropped

    def want_nothing(self) -> list[Version]:
        """Asks for no version any more; returns those that are forgotten at once."""
        return self.want({})[1]

    def next_step(self, now_s: float) -> Step | None:
        """Chooses what to do next with this model."""
        return next_step(
            Standing(version.number, _standing(version, now_s), version.wanted)
            for version in self.versions.values()
        )

    def next_due_s(self) -> float | None:
        """Tells when a failed load is to be tried again, on the monotonic clock."""
        waiting = [v.due_s for v in self.versions.values() if v.phase == "waiting"]
        return min(waiting, default=None)

    def ready(self) -> Iterator[Version]:
        """Lists versions that can be asked, the highest first."""
        for _, version in sorted(self.versions.items(), reverse=True):
            if version.phase == "ready":
                yield version


def _is_over(version: Version, found: tuple[Path, Key] | None) -> bool:
    if found is None:
        return version.phase != "ready"
    return found != (version.path, version.key)


def _standing(version: Version, now_s: float) -> Phase:
    again = version.phase == "waiting" and version.due_s <= now_s
    return "new" if again else version.phase
