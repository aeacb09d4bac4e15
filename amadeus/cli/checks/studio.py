"""The studio: whether one could be opened here, with the ports it takes unless told otherwise."""

import importlib.util
import socket
from collections.abc import Mapping

from amadeus.cli.checks.check import Check
from amadeus.cli.rooms import load

CONFIG_MODULE = "serving.studio.config"


def check_studio() -> Check:
    """The studio's room is installed and its ports are free."""
    if importlib.util.find_spec("serving") is None:
        mend = "install Amadeus with its room serving, as make setup does; all else works without"
        return Check("studio", "warning", "not installed", mend)
    config = load(CONFIG_MODULE).StudioConfig
    return check_ports(
        config.host,
        {
            "--port": config.port,
            "--metrics-port": config.metrics_port,
            "--model-server-port": config.model_server_port,
            "--model-server-rest-port": config.model_server_rest_port,
        },
    )


def check_ports(host: str, ports: Mapping[str, int]) -> Check:
    """All ports, by the flag that changes each, are free."""
    taken = {flag: port for flag, port in ports.items() if not _is_free(host, port)}
    if taken:
        flags = " ".join(f"{flag} 0" for flag in taken)
        mend = f"nothing if a studio runs there; else open yours with {flags}, which chooses others"
        return Check("studio", "warning", f"taken already: {_join(taken)}", mend)
    return Check("studio", "ok", f"ports {_join(ports)} are free")


def _join(ports: Mapping[str, int]) -> str:
    return ", ".join(map(str, ports.values()))


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: what is left of a connection that ended does not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
