"""Whether a file of resources says what can be, key by key; see `resources`."""

import difflib
import math
import re
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from amadeus.errors import ConfigError

_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_ENV = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# A value that is written into a package can be read by whoever may see a run.
_SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|CREDENTIALS|ACCESS_KEY", re.IGNORECASE)


def mapping(value: Any, where: str, known: Sequence[str]) -> dict[str, Any]:
    """Makes sure that something is a mapping, and that all its keys are known.

    Raises:
      ConfigError: It is not, or one is not.
    """
    if not isinstance(value, dict):
        raise ConfigError(
            f"{where} holds {_shown(value)}, which is no mapping: write keys and values, of {', '.join(known)}."
        )
    for key in value:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=2, cutoff=0.4)
            offer = (
                f"did you mean {' or '.join(near)}?"
                if near
                else f"known are {', '.join(known)}."
            )
            raise ConfigError(
                f"{where} holds {str(key)!r}, which is not known: {offer}"
            )
    return value


def _quantity(value: Any, where: str) -> str:
    text = str(value)
    if isinstance(value, bool) or not _QUANTITY.fullmatch(text):
        raise ConfigError(
            f"{where} is {_shown(value)}, which is no quantity of Kubernetes: write such as 2, 500m or 4Gi."
        )
    return text


def _name(value: Any, where: str) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ConfigError(
            f"{where} is {_shown(value)}, which names nothing in Kubernetes: use a-z, 0-9, - and dots."
        )
    return value


def _names(value: Any, where: str) -> tuple[str, ...]:
    return tuple(_name(one, where) for one in _list(value, where))


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value or "\n" in value:
        raise ConfigError(f"{where} is {_shown(value)}: write a text of one line.")
    return value


def _path(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.startswith("/"):
        raise ConfigError(
            f"{where} is {_shown(value)}: write a whole path in the container, from /."
        )
    return value


def _variable(value: Any, where: str) -> str:
    if not isinstance(value, str) or not _ENV.fullmatch(value):
        raise ConfigError(
            f"{where} is {_shown(value)}, which names no variable: write letters, digits and _."
        )
    return value


def _count(low: int) -> Callable[[Any, str], int]:
    def check(value: Any, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise ConfigError(
                f"{where} is {_shown(value)}: write a whole number from {low}."
            )
        return value

    return check


def _factor(value: Any, where: str) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 1 <= value < math.inf:
        raise ConfigError(f"{where} is {_shown(value)}: write a number from 1.")
    return float(value)


def _labels(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where} is {_shown(value)}: write labels and their values.")
    return {_text(key, where): _label(text, where) for key, text in value.items()}


def _label(value: Any, where: str) -> str:
    if value is None or isinstance(value, dict | list):
        raise ConfigError(f"{where} holds {_shown(value)}: write a text.")
    # YAML reads `true` and `1` as what they look like; a label is a text
    return str(value).lower() if isinstance(value, bool) else str(value)


def _env(value: Any, where: str) -> dict[str, str]:
    found = _labels(value, where)
    for name in found:
        _variable(name, where)
        if _SECRET.search(name) and not name.endswith("_FILE"):
            raise ConfigError(
                f"{where} sets {name}, which may be a secret, and a package can be read by many: put it into a Secret "
                "of the cluster and name that under `secrets`."
            )
    return found


def _rows(
    checks: Mapping[str, Callable[[Any, str], Any]], needed: Sequence[str]
) -> Callable[[Any, str], tuple[dict[str, Any], ...]]:
    def check(value: Any, where: str) -> tuple[dict[str, Any], ...]:
        rows = []
        for row in _list(value, where):
            given = mapping(row, where, tuple(checks))
            missing = [key for key in needed if key not in given]
            if missing:
                raise ConfigError(f"{where} lacks {', '.join(missing)}: add it.")
            rows.append({k: checks[k](v, f"{k} in {where}") for k, v in given.items()})
        return tuple(rows)

    return check


def _secrets(value: Any, where: str) -> tuple[dict[str, Any], ...]:
    checks = {"name": _name, "key": _text, "env": _variable, "path": _path}
    rows = _rows(checks, ("name",))(value, where)
    for row in rows:
        if set(row) not in ({"name", "key", "env"}, {"name", "path"}):
            raise ConfigError(
                f"{where} does not say how {row['name']} comes in: write `key` and `env` for a variable, or `path` for "
                "files."
            )
    return rows


def _one_of(*known: str) -> Callable[[Any, str], str]:
    def check(value: Any, where: str) -> str:
        if value not in known:
            raise ConfigError(
                f"{where} is {_shown(value)}: write one of {', '.join(known)}."
            )
        return value

    return check


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ConfigError(f"{where} is {_shown(value)}: write a list.")
    return value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


_TOLERATION = {
    "key": _text,
    "operator": _one_of("Exists", "Equal"),
    "value": _text,
    "effect": _one_of("NoSchedule", "PreferNoSchedule", "NoExecute"),
    "seconds": _count(0),
}
CHECKS: Mapping[str, Callable[[Any, str], Any]] = types.MappingProxyType(
    {
        "cpu_request": _quantity,
        "cpu_limit": _quantity,
        "memory_request": _quantity,
        "memory_limit": _quantity,
        "gpu": _text,
        "gpu_count": _count(1),
        "node_selector": _labels,
        "tolerations": _rows(_TOLERATION, ()),
        "secrets": _secrets,
        "volumes": _rows({"claim": _name, "path": _path}, ("claim", "path")),
        "env": _env,
        "shared_memory": _quantity,
        "timeout_s": _count(1),
        "retries": _count(0),
        "retry_backoff_s": _count(0),
        "retry_backoff_factor": _factor,
        "retry_backoff_max_s": _count(0),
        "image_pull_secrets": _names,
    }
)
