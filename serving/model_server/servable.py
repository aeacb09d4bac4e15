"""A loaded SavedModel and its signatures.

It is loaded the way TF Serving does: the graph of the tag `serve` in a session of its own, by TensorFlow without its
Python (session.py), which leaves others their time while it loads, costs 0.3 ms less for each call than
`tf.saved_model.load`'s functions, and frees its memory when it is closed rather than when the garbage collector comes
round.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import tensorflow as tf

from serving.model_server.saved_model import needs_threads, read_outline
from serving.model_server.session import Feeds, Session
from serving.model_server.status import (
    Code,
    NotFoundError,
    ServingError,
    failed_precondition,
    invalid,
)
from serving.model_server.tensors import to_array

DEFAULT_SIGNATURE = "serving_default"
_UUID_FILE = Path("assets.extra", "mlmd_uuid")
_LONG_S = 0.05  # calls that take longer are watched
_FORGETTING = 0.98  # of the longest call, with each further one
_MAX_FETCHES = 64  # sets of outputs kept for each signature


class Servable:
    """A SavedModel that can be asked from any thread.

    Attributes:
      path: Its folder.
      signature_defs: Of the meta graph, by name.
      mlmd_uuid: What `assets.extra/mlmd_uuid` holds; empty without.
    """

    def __init__(self, path: Path, session: Session, meta_graph: Any) -> None:
        """Takes what `load` has read."""
        self.path = path
        self.signature_defs: Mapping[str, Any] = {
            name: signature for name, signature in meta_graph.signature_def.items()
        }
        self.mlmd_uuid = _read_uuid(path)
        self._session = session
        self._feeds: dict[tuple[str, tuple[str, ...]], Feeds] = {}
        self._plans = {
            name: _Plan(name, signature)
            for name, signature in self.signature_defs.items()
        }

    @classmethod
    def load(cls, path: Path) -> Self:
        """Loads a SavedModel.

        Raises:
          ServingError: There is none, or it is damaged.
        """
        _check_present(path)
        try:
            outline, is_threaded = read_outline(path), needs_threads(path)
        except (OSError, ValueError, LookupError) as error:
            raise ServingError(Code.DATA_LOSS, _first_line(error)) from None
        return cls(path, Session.load(path, is_threaded=is_threaded), outline)

    def signature(self, name: str) -> Any:
        """Finds a SignatureDef.

        Raises:
          ServingError: FAILED_PRECONDITION if there is none of this name.
        """
        return self._plan(name).definition

    def call(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str] = (),
        *,
        timeout_s: float | None = None,
    ) -> dict[str, np.ndarray]:
        """Asks a signature.

        Args:
          signature: Its name.
          inputs: By name; of the signature's types and shapes. They are not changed.
          outputs: Which to compute; none stands for all.
          timeout_s: When nobody waits any more. It ends what has shown to take long, between two operations or
            rounds of a loop; to watch over a short call would cost more than to finish it.

        Returns:
          Outputs by name.

        Raises:
          ServingError: No such signature, input or output; or what TensorFlow has to say.
        """
        plan = self._plan(signature)
        arrays = plan.arrange(inputs)
        names = plan.check_outputs(outputs)
        feeds = self._feeds.get((signature, names)) or self._prepare(plan, names)
        is_watched = timeout_s is not None and plan.took_s >= _LONG_S
        start_s = time.perf_counter()
        try:
            values = self._session.run(
                feeds, arrays, timeout_s=timeout_s if is_watched else None
            )
        except (TypeError, ValueError) as error:
            raise invalid(_first_line(error)) from None
        plan.note(time.perf_counter() - start_s)
        return dict(zip(names, values, strict=True))

    def close(self) -> None:
        """Frees its memory. Nobody may be asking."""
        self._feeds.clear()
        self._session.close()

    def _plan(self, name: str) -> "_Plan":
        try:
            return self._plans[name]
        except KeyError:
            raise failed_precondition(
                f'Serving signature key "{name}" not found.'
            ) from None

    def _prepare(self, plan: "_Plan", names: tuple[str, ...]) -> Feeds:
        inputs = [plan.definition.inputs[name].name for name in plan.input_names]
        outputs = [plan.definition.outputs[name].name for name in names]
        try:
            feeds = self._session.find(inputs, outputs)
        except LookupError as error:
            raise ServingError(Code.INTERNAL, _first_line(error)) from None
        if len(self._feeds) < _MAX_FETCHES * len(self._plans):
            self._feeds[plan.name, names] = feeds
        return feeds


class _Plan:
    """What a signature takes, looked up once."""

    def __init__(self, name: str, definition: Any) -> None:
        self.name = name
        self.definition = definition
        self.input_names = sorted(definition.inputs)
        self.output_names = tuple(sorted(definition.outputs))
        self.took_s = 0.0  # lately, at most
        self._defaults = {
            alias: to_array(tensor) for alias, tensor in _defaults(definition)
        }
        self._types = [
            np.dtype(tf.as_dtype(definition.inputs[alias].dtype).as_numpy_dtype)
            for alias in self.input_names
        ]
        self._shapes = [
            _shape(definition.inputs[alias].tensor_shape) for alias in self.input_names
        ]

    def note(self, took_s: float) -> None:
        """Remembers how long a call took."""
        self.took_s = max(took_s, _FORGETTING * self.took_s)

    def arrange(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Puts inputs in order and checks them."""
        try:
            arrays = [inputs[alias] for alias in self.input_names]
        except KeyError:
            arrays = self._complete(inputs)
        if len(inputs) > len(arrays):
            raise invalid(_wrong_inputs(inputs, self.input_names))
        for alias, array, dtype, shape in zip(
            self.input_names, arrays, self._types, self._shapes, strict=True
        ):
            if array.dtype != dtype:
                raise invalid(
                    f"Expected input {alias} to be {dtype.name} but it is {array.dtype.name}."
                )
            if shape is not None and not _fits(array.shape, shape):
                raise invalid(
                    f"Expected input {alias} to be of shape {_brackets(shape)} but it is {_brackets(array.shape)}."
                )
        return arrays

    def _complete(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        known = {**self._defaults, **inputs}
        missing = set(self.input_names) - known.keys()
        if missing and len(inputs) == len(self.input_names):
            strange = min(inputs.keys() - set(self.input_names))
            raise invalid(
                f"input tensor alias not found in signature: {strange}. Inputs expected to be in the set "
                f"{_braces(self.input_names)}."
            )
        if missing or inputs.keys() - set(self.input_names):
            raise invalid(_wrong_inputs(inputs, self.input_names))
        return [known[alias] for alias in self.input_names]

    def check_outputs(self, outputs: Sequence[str]) -> tuple[str, ...]:
        """Checks a filter of outputs; none stands for all."""
        for position, alias in enumerate(outputs):
            if alias not in self.definition.outputs:
                raise invalid(
                    f"output tensor alias not found in signature: {alias} Outputs expected to be in the set "
                    f"{_braces(self.output_names)}."
                )
            if alias in outputs[:position]:
                raise invalid(f"duplicate output tensor alias: {alias}")
        return tuple(outputs) or self.output_names


def _check_present(path: Path) -> None:
    if not (path / "saved_model.pb").is_file():
        raise NotFoundError(
            f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {path}. Check that the "
            "directory exists and that you have the right permissions for accessing it."
        )


def _read_uuid(path: Path) -> str:
    try:
        return (path / _UUID_FILE).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _defaults(definition: Any) -> Iterable[tuple[str, Any]]:
    return getattr(definition, "defaults", {}).items()


def _shape(proto: Any) -> tuple[int, ...] | None:
    return None if proto.unknown_rank else tuple(dim.size for dim in proto.dim)


def _fits(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        want in (-1, size) for size, want in zip(shape, wanted, strict=True)
    )


def _wrong_inputs(sent: Iterable[str], wanted: Iterable[str]) -> str:
    sent, wanted = set(sent), set(wanted)
    return (
        f"input size does not match signature: {len(sent)}!={len(wanted)} len({_braces(sent)}) != "
        f"len({_braces(wanted)}). Sent extra: {_braces(sent - wanted)}. Missing but required: "
        f"{_braces(wanted - sent)}."
    )


def _braces(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"


def _brackets(shape: Sequence[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:500]
