"""Servables that load at once and tell which version they are, so that no test waits for TensorFlow."""

import threading

from serving.model_server.status import Code, ServingError


class StandIn:
    """A servable without a model."""

    def __init__(self, path):
        self.path = path
        self.signature_defs = {}
        self.mlmd_uuid = ""
        self.is_closed = False

    def call(self, signature, inputs, outputs=(), *, timeout_s=None):
        assert not self.is_closed, "asked after it was closed"
        return {"version": self.path.name}

    def close(self):
        self.is_closed = True


class Loader:
    """Loads stand-ins, and fails or waits when told to."""

    def __init__(self):
        self.loaded = []
        self.broken = set()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, path):
        assert self.gate.wait(30)
        if path.name in self.broken:
            raise ServingError(Code.DATA_LOSS, f"{path.name} is broken")
        servable = StandIn(path)
        self.loaded.append(servable)
        return servable

    def alive(self):
        """Versions in memory."""
        return sorted(one.path.name for one in self.loaded if not one.is_closed)
