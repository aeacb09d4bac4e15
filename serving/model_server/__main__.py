"""A model server of its own: `python -m serving.model_server`, with TF Serving's flags.

    python -m serving.model_server --model_name half_plus_two --model_base_path /models/half_plus_two \
        --port 8500 --rest_api_port 8501

It answers once every model was loaded or given up, and tells on standard output where.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys

from amadeus.errors import AmadeusError, ConfigError


def build_parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.model_server", allow_abbrev=False
    )
    add = parser.add_argument
    add("--port", type=int, default=8500, help="gRPC; 0 chooses a free one")
    add("--rest_api_port", type=int, help="HTTP; 0 chooses a free one; none without")
    add("--bind_address", default="127.0.0.1", help="to listen on (ours)")
    add("--grpc_socket_path", default="", help="also listen on this socket file")
    add("--model_name", default="default")
    add("--model_base_path", default="")
    add("--model_config_file", default="", help="a ModelServerConfig in text format")
    add("--model_config_file_poll_wait_seconds", type=float, default=0)
    add("--file_system_poll_wait_seconds", type=float, default=1)
    add("--max_num_load_retries", type=int, default=5)
    add("--load_retry_interval_micros", type=int, default=60_000_000)
    add("--enable_model_warmup", type=_boolean, default=True)
    add("--allow_version_labels_for_unavailable_models", type=_boolean, default=False)
    add("--enable_grpc_healthcheck_service", type=_boolean, default=False)
    add("--rest_api_timeout_in_ms", type=int, default=30_000)
    add("--grpc_max_threads", type=int, default=0, help="0: four for each core")
    add("--allowed_root", action="append", default=[], help="of base paths (ours)")
    return parser


def main(argv: list[str]) -> int:
    """Serves until it is told to stop."""
    options = build_parser().parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("tensorflow").setLevel(logging.WARNING)
    try:
        asyncio.run(_serve(options))
    except (AmadeusError, OSError) as error:
        print(f"model_server: {error}", file=sys.stderr)  # noqa: T201 - a command's last word
        return 2
    return 0


async def _serve(options: argparse.Namespace) -> None:
    from serving.model_server.standalone import Standalone

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = Standalone(options)
    await server.start(stop)
    await stop.wait()
    await server.stop()


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise ConfigError(f"{text!r} is neither true nor false: write one of them.")
    return text.lower() in ("true", "1")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
