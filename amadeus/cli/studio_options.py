"""The options of commands that go to a studio: where it is, and how to get in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from amadeus.cli.rooms import load
from amadeus.errors import ConfigError

_FILE = click.Path(dir_okay=False, path_type=Path)
_OPTIONS = (
    click.option(
        "--studio",
        metavar="HOST:PORT",
        help="Let a studio do it, such as localhost:8470. Its token: $AMADEUS_STUDIO_TOKEN.",
    ),
    click.option(
        "--studio-token-file",
        "studio_token_path",
        type=_FILE,
        help="A file that holds the studio's token.",
    ),
    click.option(
        "--studio-tls",
        is_flag=True,
        help="Speak TLS, trusting the system's authorities.",
    ),
    click.option(
        "--studio-ca",
        "studio_ca_path",
        type=_FILE,
        help="Speak TLS, trusting the authorities in this PEM file.",
    ),
    click.option(
        "--studio-cert",
        "studio_cert_path",
        type=_FILE,
        help="Certificate to show the studio, PEM.",
    ),
    click.option(
        "--studio-key", "studio_key_path", type=_FILE, help="Its private key, PEM."
    ),
)
_FLAGS = {
    "studio_token_path": "--studio-token-file",
    "studio_tls": "--studio-tls",
    "studio_ca_path": "--studio-ca",
    "studio_cert_path": "--studio-cert",
    "studio_key_path": "--studio-key",
}


def studio_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options to a command; it gets them as keywords that `read_address` takes."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read_address(
    *,
    studio: str | None,
    studio_token_path: Path | None,
    studio_tls: bool,
    studio_ca_path: Path | None,
    studio_cert_path: Path | None,
    studio_key_path: Path | None,
) -> Any:
    """Makes a `serving.client.connection.Address` of the options; None where no studio was named.

    Raises:
      ConfigError: Options say how to get in, but not where; or the token's file cannot be read.
    """
    given = {name for name, value in locals().items() if value and name in _FLAGS}
    if studio is None:
        if given:
            raise ConfigError(
                f"{_FLAGS[min(given)]} was given without a studio: name it with --studio HOST:PORT."
            )
        return None
    connection = load("serving.client.connection")
    return connection.Address(
        studio,
        token=connection.find_token(studio_token_path),
        tls_ca_path=studio_ca_path,
        client_cert_path=studio_cert_path,
        client_key_path=studio_key_path,
        tls=studio_tls,
    )
