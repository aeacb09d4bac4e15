"""API v2beta1 of Kubeflow Pipelines as it was published, read out of its generated client (kfp-server-api).

What stands in for a server asks here what there is: methods, paths, the names a query may have, and the fields of each
message, to any depth. Nothing of it is retyped.
"""

import inspect
import re
from typing import NamedTuple

import kfp_server_api
from kfp_server_api import models

_CALL = re.compile(r"call_api\(\s*'(?P<path>[^']+)', '(?P<method>[A-Z]+)'")
_QUERY = re.compile(r"query_params\.append\(\('(\w+)'")
_RESPONSE = re.compile(r"response_type='(\w+)'")
_BODY = re.compile(r"body_params = local_var_params\['(\w+)'\]")
_FILES = re.compile(r"local_var_files\['(\w+)'\]")


class Operation(NamedTuple):
    """One method of the API."""

    name: str
    method: str
    path: re.Pattern
    query: frozenset
    body: str | None
    files: frozenset
    response: str


class UnknownFieldError(Exception):
    """A message has a field that was never published, or one of another type."""


def operations():
    """All operations, by the name the generated client gives them."""
    services = [
        service
        for name, service in vars(kfp_server_api).items()
        if name.endswith("ServiceApi")
    ]
    found = [
        _operation(name.removesuffix("_with_http_info"), function)
        for service in services
        for name, function in vars(service).items()
        if name.endswith("_with_http_info")
    ]
    return {operation.name: operation for operation in found}


def check(kind, value, where=""):
    """Holds a JSON value to a type of the API.

    Raises:
      UnknownFieldError: It is none.
    """
    if kind.startswith("list["):
        _expect(isinstance(value, list), kind, value, where)
        for number, item in enumerate(value):
            check(kind[5:-1], item, f"{where}[{number}]")
    elif kind.startswith("dict("):
        _expect(isinstance(value, dict), kind, value, where)
        for key, item in value.items():
            check(kind.split(", ", 1)[1][:-1], item, f"{where}.{key}")
    elif kind in _PRIMITIVE:
        _expect(isinstance(value, _PRIMITIVE[kind]), kind, value, where)
    else:
        _check_message(getattr(models, kind), value, where)


_PRIMITIVE = {
    "str": str,
    "datetime": str,
    "bool": bool,
    "int": int,
    "float": (int, float),
    "object": object,
}


def _check_message(model, value, where):
    if not model.openapi_types:  # an enum
        allowed = model.allowable_values
        _expect(value in allowed, model.__name__, value, where)
        return
    _expect(isinstance(value, dict), model.__name__, value, where)
    fields = {
        model.attribute_map[key]: kind for key, kind in model.openapi_types.items()
    }
    for key, item in value.items():
        if key not in fields:
            raise UnknownFieldError(f"{model.__name__} has no field {where}.{key}")
        check(fields[key], item, f"{where}.{key}")


def _expect(is_right, kind, value, where):
    if not is_right:
        raise UnknownFieldError(f"{where or 'it'} is no {kind}: {value!r:.80}")


def _operation(name, function):
    source = inspect.getsource(function)
    call = _CALL.search(source)
    body = _BODY.search(source)
    path = re.sub(r"\\{[^}]+\\}", r"([^/:]+)", re.escape(call["path"]))
    return Operation(
        name=name,
        method=call["method"],
        path=re.compile(path),
        query=frozenset(_QUERY.findall(source)),
        body=_type_of(source, body[1]) if body else None,
        files=frozenset(_FILES.findall(source)),
        response=_RESPONSE.search(source)[1],
    )


def _type_of(source, argument):
    return re.search(rf":type {argument}: (\w+)", source)[1]
