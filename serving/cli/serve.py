"""Runs a studio as a process: signals, exit status, and the page that says how to connect."""

import asyncio
import functools
import logging
import os
import signal
import socket
import sys
import threading
import time

from amadeus.cli.status import EXIT_INTERRUPTED
from amadeus.home import Home
from serving.studio.config import (
    TOKEN_VARIABLE,
    StudioConfig,
    is_loopback,
    join_address,
)
from serving.studio.server import Studio

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_ALL_ADDRESSES = ("0.0.0.0", "::")
ECHO_S = 0.5  # programs such as `timeout` send a signal twice and mean it once
ENDING_S = 5.0  # for threads, once nobody is served any more
_MAX_NAMED_DEUS = 8

_log = logging.getLogger(__name__)


def serve(config: StudioConfig, home: Home) -> int:
    """Opens a studio and returns the exit status when it has been stopped.

    Raises:
      AmadeusError: It cannot start.
    """
    return asyncio.run(_serve(config, home))


async def _serve(config: StudioConfig, home: Home) -> int:
    studio = Studio(config, home)
    stopped_by = asyncio.get_running_loop().create_future()
    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(
            number, functools.partial(_notice, stopped_by, number)
        )
    starting = asyncio.create_task(studio.start())
    await asyncio.wait({starting, stopped_by}, return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        starting.result()
        say(page(studio, config, home))
        await stopped_by
        say(
            f"Stopping; performances have {config.grace_s:g} s to end. Once more stops at once."
        )
    starting.cancel()
    await studio.stop()
    status = EXIT_INTERRUPTED if stopped_by.result()[0] == signal.SIGINT else 0
    _end_soon(status)
    return status


def _end_soon(status: int) -> None:
    """Ends the process even where threads hang, such as one that downloads from a store that does not answer.

    What they were at is left as a machine that fails would leave it: files appear whole, by a rename, or not at all.
    """

    def end() -> None:
        time.sleep(ENDING_S)
        names = sorted(t.name for t in threading.enumerate() if not t.daemon)
        _log.warning("ended although some work does not: %s", ", ".join(names))
        sys.stdout.flush()
        os._exit(status)

    threading.Thread(target=end, name="end", daemon=True).start()


def _notice(stopped_by: asyncio.Future[tuple[int, float]], number: int) -> None:
    if not stopped_by.done():
        stopped_by.set_result((number, time.monotonic()))
    elif time.monotonic() - stopped_by.result()[1] > ECHO_S:
        # Sessions and voices are files that bear this; whoever asks twice means it.
        os._exit(128 + number)


def say(text: str) -> None:
    """Tells whoever started the studio; nobody may be listening any more."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except OSError:
        pass  # the reader of a pipe left; the studio plays on


def page(studio: Studio, config: StudioConfig, home: Home) -> str:
    """Writes what somebody who wants to connect needs to know."""
    lines = {
        "studio": f"{studio.address} (gRPC)",
        **studio.addresses(),
        "metrics": f"http://{studio.metrics_address}/metrics"
        if studio.metrics_address
        else "off",
        "home": str(home.path),
        "deus": _name_deus(home),
        **_name_store(config),
        "safety": describe_safety(config),
        "connect": describe_connecting(studio.port, config),
        "stop": "Ctrl-C",
    }
    width = max(map(len, lines))
    return "\n".join(f"{name:<{width}}  {text}" for name, text in lines.items())


def _name_store(config: StudioConfig) -> dict[str, str]:
    if config.personalities is None:
        return {}
    return {"voices of": f"{config.personalities}, where what is taught goes too"}


def describe_safety(config: StudioConfig) -> str:
    """Says in a line who can reach the studio and what is asked of them."""
    reach = "this machine only" if is_loopback(config.host) else "the network"
    token = "with a token" if config.token else "without a token"
    tls = "TLS" if config.tls else "no TLS"
    if config.client_ca_path:
        tls = "TLS with certificates of clients"
    return f"reached from {reach}, {token}, {tls}"


def describe_connecting(port: int, config: StudioConfig) -> str:
    """Writes a command that plays in this studio."""
    host = config.host
    if host.strip("[]") in _ALL_ADDRESSES:
        host = socket.gethostname()
    words = [
        f"amadeus perform DEU tune.mid -o tune.wav --studio {join_address(host, port)}"
    ]
    if config.tls:
        words.append("--studio-ca CA.pem")
    if config.client_ca_path:
        words.append("--studio-cert CERT.pem --studio-key KEY.pem")
    if config.token:
        words.insert(0, f"{TOKEN_VARIABLE}=...")
    return " ".join(words)


def _name_deus(home: Home) -> str:
    found = [(deu.name, deu.current_generation()) for deu in home.deus()]
    playing = [
        f"{name} (generation {generation})" for name, generation in found if generation
    ]
    if not playing:
        return "none yet: `amadeus practice imitate` teaches one, `amadeus deu import` brings one"
    more = len(playing) - _MAX_NAMED_DEUS
    return ", ".join(playing[:_MAX_NAMED_DEUS]) + (
        f" and {more} more" if more > 0 else ""
    )
