"""`amadeus studio`: opens a studio and keeps it open until it is told to stop.

Each option can be given by the environment too: `--max-calls` is `AMADEUS_STUDIO_MAX_CALLS`.

Exit statuses: 0 stopped by SIGTERM; 1 a fault of ours; 2 something the ama can mend, in one sentence; 130 stopped by
Ctrl-C; 128 plus its number for a second signal, which ends the studio at once.
"""

import logging
import os
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import click

from amadeus.home import Home
from serving.studio import logs
from serving.studio.config import ENVIRONMENT_PREFIX, StudioConfig, read_token
from serving.studio.practice_limits import PracticeLimits

# gRPC and TensorFlow read these when they are loaded.
QUIET_ENVIRONMENT = {"GRPC_VERBOSITY": "NONE", "TF_CPP_MIN_LOG_LEVEL": "3"}
# A frame is a millisecond of work: waking other threads for parts of it costs a third of it, and more at the worst.
STEADY_ENVIRONMENT = {"TF_NUM_INTRAOP_THREADS": "1"}


class PortOrOff(click.ParamType):
    """A port, or `off`, which is None."""

    name = "PORT"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int | None:
        """Reads what was typed."""
        if isinstance(value, int):
            return value
        if value == "off":
            return None
        if not str(value).isdecimal():
            self.fail(
                f"{value!r} is no port: write a number, 0 for any, or off.", param, ctx
            )
        return int(value)


_FILE = click.Path(path_type=Path)
_PORT = PortOrOff()


@click.command(
    context_settings={"auto_envvar_prefix": ENVIRONMENT_PREFIX, "show_default": True}
)
@click.option("--host", default=StudioConfig.host, help="Address to listen on.")
@click.option(
    "--port", default=StudioConfig.port, help="Port to listen on; 0 chooses one."
)
@click.option(
    "--model-server",
    metavar="HOST:PORT[,...]",
    help="Play with the TF Serving there, or with several in turn, instead of the embedded model server.",
)
@click.option(
    "--model-server-host",
    default=StudioConfig.model_server_host,
    help="Address of the embedded model server.",
)
@click.option(
    "--model-server-port",
    type=_PORT,
    default=StudioConfig.model_server_port,
    help="Its gRPC port; 0 chooses one, off: none.",
)
@click.option(
    "--model-server-rest-port",
    type=_PORT,
    default=StudioConfig.model_server_rest_port,
    help="Its HTTP port; 0 chooses one, off: none.",
)
@click.option(
    "--personalities",
    metavar="URL",
    envvar=[f"{ENVIRONMENT_PREFIX}_PERSONALITIES", "AMADEUS_PERSONALITIES"],
    help="Store of voices to bring on first use, and to publish what is taught here in: gs://, s3:// or a folder; or "
    "set AMADEUS_PERSONALITIES.",
)
@click.option(
    "--metrics-host",
    default=StudioConfig.metrics_host,
    help="Address of /metrics for Prometheus.",
)
@click.option(
    "--metrics-port",
    type=_PORT,
    default=StudioConfig.metrics_port,
    help="Its port; 0 chooses one, off: none.",
)
@click.option(
    "--token-file",
    type=_FILE,
    help="File with the token that clients must show; or set AMADEUS_STUDIO_TOKEN.",
)
@click.option(
    "--tls-cert",
    "tls_cert_path",
    envvar=f"{ENVIRONMENT_PREFIX}_TLS_CERT",
    type=_FILE,
    help="Certificate chain for TLS, PEM.",
)
@click.option(
    "--tls-key",
    "tls_key_path",
    envvar=f"{ENVIRONMENT_PREFIX}_TLS_KEY",
    type=_FILE,
    help="Its private key, PEM.",
)
@click.option(
    "--client-ca",
    "client_ca_path",
    envvar=f"{ENVIRONMENT_PREFIX}_CLIENT_CA",
    type=_FILE,
    help="Clients must show certificates of these authorities, PEM.",
)
@click.option(
    "--insecure",
    is_flag=True,
    help="Listen outside loopback without a token or without TLS.",
)
@click.option("--max-calls", default=StudioConfig.max_calls, help="Calls open at once.")
@click.option(
    "--max-message-bytes",
    default=StudioConfig.max_message_bytes,
    help="Size of one message.",
)
@click.option("--max-performances", type=int, help="Performances open at once.")
@click.option(
    "--max-sessions",
    type=int,
    show_default=str(PracticeLimits.sessions),
    help="Practice sessions not over yet.",
)
@click.option(
    "--max-upload-bytes",
    type=int,
    show_default=str(PracticeLimits.session_bytes),
    help="Size of the recordings of a session.",
)
@click.option(
    "--max-audio-minutes",
    type=float,
    show_default=str(PracticeLimits.audio_minutes),
    help="Length of the recordings of a session.",
)
@click.option(
    "--max-minutes",
    type=float,
    show_default=str(PracticeLimits.training_minutes),
    help="Training of one practice.",
)
@click.option("--max-bundle-bytes", type=int, help="Size of a .deu bundle.")
@click.option(
    "--practices-at-once",
    type=int,
    show_default=str(PracticeLimits.running),
    help="Practices that run, in all studios of this home; the others wait.",
)
@click.option(
    "--practices-here",
    type=int,
    show_default="all",
    help="Practices this studio starts itself; 0 leaves them to others that share its home.",
)
@click.option(
    "--keep-hours",
    type=float,
    show_default=str(PracticeLimits.keep_s / 3600),
    help="Time for which a practice session that is over can be looked at.",
)
@click.option(
    "--grace-s",
    default=StudioConfig.grace_s,
    help="Seconds for performances to end when the studio stops.",
)
@click.option(
    "--log-level",
    type=click.Choice(get_args(logs.Level)),
    default="warning",
    help="How much to tell on stderr; info has a line for each call.",
)
@click.option(
    "--log-format",
    type=click.Choice(get_args(logs.Format)),
    default="text",
    help="Lines for people, or JSON for programs.",
)
@click.pass_obj
def studio(
    home: Home,
    /,
    token_file: Path | None,
    log_level: logs.Level,
    log_format: logs.Format,
    **settings: Any,
) -> int:
    """Open a studio: practise and perform over gRPC, with a model server beside it.

    It listens on this machine only, unless told otherwise. Ctrl-C stops it in good order; a second one at once.
    Each option can be set by the environment too: --max-calls by AMADEUS_STUDIO_MAX_CALLS.
    """
    token = read_token(os.environ, token_file)
    config = StudioConfig(token=token, **settings)
    for key, value in (QUIET_ENVIRONMENT | STEADY_ENVIRONMENT).items():
        os.environ.setdefault(key, value)
    # A stream of its own, for stderr is held back while TensorFlow greets.
    stream = os.fdopen(os.dup(sys.stderr.fileno()), "w", buffering=1)
    logs.configure(log_level, log_format, secrets=(token,), stream=stream)
    logging.getLogger(__name__).info("studio starts", extra=_said(config))
    from serving.cli.serve import serve

    return serve(config, home)


def _said(config: StudioConfig) -> dict[str, object]:
    """What the studio was told, for the log; of the token only whether there is one."""
    shown = {
        field.name: getattr(config, field.name)
        for field in fields(config)
        if field.repr
    }
    return {**shown, "with_token": bool(config.token)}
