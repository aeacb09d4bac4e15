"""Which models are served, from where and in which versions: TF Serving's ModelServerConfig, checked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from amadeus.errors import ConfigError
from amadeus.home import Home
from serving.model_server.policy import LATEST, All, Latest, Policy, Specific
from serving.model_server.status import (
    Code,
    ServingError,
    failed_precondition,
    invalid,
)

PLATFORM = "tensorflow"


@dataclass(frozen=True)
class Model:
    """A model to serve.

    Attributes:
      name: What clients call it.
      base_path: Folder of its versions.
      policy: Which of them are served.
      labels: Label -> version.
      platform: Only `tensorflow` is supported.
    """

    name: str
    base_path: Path
    policy: Policy = LATEST
    labels: Mapping[str, int] = field(default_factory=dict)
    platform: str = PLATFORM


def read_models(config: model_server_config_pb2.ModelServerConfig) -> tuple[Model, ...]:
    """Reads and checks a model_config_list.

    Raises:
      ServingError: INVALID_ARGUMENT, in TF Serving's words.
    """
    models: dict[str, Model] = {}
    for entry in config.model_config_list.config:
        if entry.name in models:
            raise invalid(
                f"Illegal to list model {entry.name} multiple times in config list"
            )
        models[entry.name] = _read_model(entry)
    return tuple(models.values())


def read_file(path: str | Path) -> model_server_config_pb2.ModelServerConfig:
    """Reads a ModelServerConfig in protobuf's text format.

    Raises:
      ConfigError: The file is missing or is not one.
    """
    try:
        text = Path(path).read_text()
        return text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read ({error}): name a ModelServerConfig in text format."
        ) from None
    except text_format.ParseError as error:
        # the first words are TF Serving's
        raise ConfigError(
            f"Invalid protobuf file: '{path}' ({error}): write a ModelServerConfig."
        ) from None


def home_models(home: Home) -> tuple[Model, ...]:
    """Lists the deus of a home as models: named as the deu, a version is a generation, the one that plays is served."""
    deus = home.deus() if home.path.is_dir() else []
    return tuple(
        Model(
            deu.name, deu.voices_path, Specific(frozenset({deu.current_generation()}))
        )
        for deu in deus
        if deu.voices_path.is_dir()
    )


def check_platforms(old: Iterable[Model], new: Iterable[Model]) -> None:
    """Checks that no model changes its platform.

    Raises:
      ServingError: FAILED_PRECONDITION.
    """
    before = {model.name: model.platform for model in old}
    for model in new:
        platform = before.get(model.name, model.platform)
        if platform != model.platform:
            raise failed_precondition(
                f"Illegal to change a model's platform. For model {model.name} platform was {platform} and new "
                f"platform requested is {model.platform}."
            )


def check_supported(models: Iterable[Model]) -> None:
    """Checks that models are of a platform this server knows.

    Raises:
      ServingError: INVALID_ARGUMENT.
    """
    for model in models:
        if model.platform != PLATFORM:
            raise invalid(
                f"Model {model.name} requests unsupported platform {model.platform}"
            )


def check_roots(models: Iterable[Model], roots: Iterable[Path]) -> None:
    """Checks that base paths lie below allowed folders, symbolic links resolved; without folders all may.

    Raises:
      ServingError: PERMISSION_DENIED.
    """
    roots = [Path(root).resolve() for root in roots]
    for model in models:
        path = model.base_path.resolve()
        if roots and not any(path.is_relative_to(root) for root in roots):
            raise ServingError(
                Code.PERMISSION_DENIED,
                f"base path {model.base_path} of model {model.name} lies outside the folders this server may read: "
                "move it below one of them.",
            )


def _read_model(entry: model_server_config_pb2.ModelConfig) -> Model:
    if not entry.base_path.startswith("/"):
        raise invalid(
            f"Expected model {entry.name} to have an absolute path or URI; got base_path()={entry.base_path}"
        )
    return Model(
        entry.name,
        Path(entry.base_path),
        _read_policy(entry.model_version_policy),
        dict(entry.version_labels),
        _read_platform(entry),
    )


def _read_policy(proto: Any) -> Policy:
    kind = proto.WhichOneof("policy_choice")
    if kind == "all":
        return All()
    if kind == "specific":
        return Specific(frozenset(proto.specific.versions))
    return Latest(proto.latest.num_versions or 1)


def _read_platform(entry: model_server_config_pb2.ModelConfig) -> str:
    if not entry.model_type and not entry.model_platform:
        raise invalid(
            "Illegal setting neither model_type(deprecated) nor model_platform."
        )
    if entry.model_type and entry.model_platform:
        raise invalid("Illegal setting both model_type(deprecated) and model_platform.")
    if entry.model_type:
        tensorflow = entry.model_type == model_server_config_pb2.TENSORFLOW
        return PLATFORM if tensorflow else "other"
    return entry.model_platform
