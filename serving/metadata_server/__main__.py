"""`python -m serving.metadata_server`: serves the metadata behind an address to other machines.

Exit statuses: 0 stopped by SIGTERM or Ctrl-C; 2 something that can be mended, in one sentence.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import click

from amadeus.cli.status import EXIT_BAD_INPUT, complain
from amadeus.errors import AmadeusError, ConfigError
from amadeus.home import METADATA_VARIABLE, open_home
from serving.studio.config import StudioConfig

PORT = 8080  # upstream's own
ENVIRONMENT_PREFIX = "AMADEUS_METADATA_SERVER"
TOKEN_VARIABLE = f"{ENVIRONMENT_PREFIX}_TOKEN"

_FILE = click.Path(path_type=Path)


@click.command(
    context_settings={"auto_envvar_prefix": ENVIRONMENT_PREFIX, "show_default": True}
)
@click.option(
    "--backing",
    metavar="URL",
    show_default="$AMADEUS_METADATA, else the home's file",
    help="What lies behind: sqlite:///PATH or mysql://USER@HOST:PORT/DB.",
)
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option("--port", default=PORT, help="Port to listen on; 0 chooses one.")
@click.option(
    "--token-file",
    type=_FILE,
    help=f"File with the token that clients must show; or set {TOKEN_VARIABLE}.",
)
@click.option("--tls-cert", "tls_cert_path", type=_FILE, help="Certificate chain, PEM.")
@click.option("--tls-key", "tls_key_path", type=_FILE, help="Its private key, PEM.")
@click.option(
    "--client-ca",
    "client_ca_path",
    type=_FILE,
    help="Clients must show certificates of these authorities, PEM.",
)
@click.option(
    "--insecure",
    is_flag=True,
    help="Listen outside loopback without a token or without TLS.",
)
def command(backing: str | None, token_file: Path | None, **door: Any) -> int:
    """Serve ML Metadata over gRPC; clients name it as AMADEUS_METADATA=grpc(s)://HOST:PORT."""
    token = os.environ.pop(TOKEN_VARIABLE, "").strip()
    if token_file is not None:
        token = _read(token_file)
    config = _door(token=token, **door)
    return asyncio.run(_serve(backing or _own_backing(), config))


def main() -> int:
    """Runs the command and returns its exit status."""
    try:
        return int(command.main(standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except AmadeusError as error:
        return complain(str(error), EXIT_BAD_INPUT)


def _door(**settings: Any) -> StudioConfig:
    """Holds this server to the rules of a studio's door."""
    try:
        return StudioConfig(
            metrics_port=None,
            model_server_port=None,
            model_server_rest_port=None,
            **settings,
        )
    except ConfigError as error:
        text = str(error).replace("the studio", "the metadata server")
        raise ConfigError(
            text.replace("AMADEUS_STUDIO_TOKEN", TOKEN_VARIABLE)
        ) from error


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the token file {path} cannot be read ({error}): name a text file that holds the token alone."
        ) from error


def _own_backing() -> str:
    from amadeus.lineage.addresses import sqlite_url

    home = open_home()
    home.path.mkdir(parents=True, exist_ok=True)
    return os.environ.get(METADATA_VARIABLE) or sqlite_url(home.metadata_path)


async def _serve(backing: str, config: StudioConfig) -> int:
    from amadeus.lineage.addresses import shown
    from serving.metadata_server.server import serving

    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with serving(backing, config) as server:
        scheme = "grpcs" if config.tls else "grpc"
        sys.stdout.write(f"metadata {scheme}://{server.address} ({shown(backing)})\n")
        sys.stdout.flush()
        await stopped.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
