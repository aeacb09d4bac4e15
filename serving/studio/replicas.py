"""Connections to a TF Serving, or to several that serve the same: who asks meets one that answers.

An address is `host:port`. A name may stand for several machines, as that of a headless Service does: each address that
DNS knows is connected to, and calls go round. Where a name is not enough several addresses are listed with commas, and
calls go round among those that are connected. `dns:`, `ipv4:` and `ipv6:` addresses of gRPC are taken as they are.

A call that one replica cannot answer (its connection broke, it stands still) is asked of the next one: what is asked
here are functions of their inputs, so to ask twice changes nothing.
"""

import itertools
import threading
from collections.abc import Callable
from typing import Any

import grpc

ATTEMPT_S, LAST_ATTEMPT_S = 2.0, 5.0  # a block of a busy server takes less than either
N_LATE = 2  # of those that did not answer in time, before the last is asked
_SCHEMES = ("dns:", "ipv4:", "ipv6:")
_SERVICE_CONFIG = """{
  "loadBalancingConfig": [{"round_robin": {}}],
  "methodConfig": [{
    "name": [{"service": "tensorflow.serving.PredictionService"}],
    "retryPolicy": {
      "maxAttempts": 4,
      "initialBackoff": "0.005s",
      "maxBackoff": "0.1s",
      "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }]
}"""
_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.service_config", _SERVICE_CONFIG),
    ("grpc.enable_retries", 1),
    # A machine that is gone without a word: its unacknowledged bytes end the connection after the timeout.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.keepalive_permit_without_calls", 0),
    # A replica that was away is found again within this time.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.dns_min_time_between_resolutions_ms", 5_000),
]

Stub = Callable[[grpc.Channel], Any]


def targets(address: str) -> list[str]:
    """Writes what a studio was told as gRPC wants it: one target for each address that is listed."""
    parts = [part.strip() for part in address.split(",")]
    return [part if part.startswith(_SCHEMES) else f"dns:///{part}" for part in parts]


class Replicas:
    """Connections to all replicas of a model server."""

    def __init__(self, address: str, make_stub: Stub) -> None:
        """Connects to nothing yet.

        Args:
          address: Of one, of several by one name, or a list with commas.
          make_stub: Makes a stub of a channel.
        """
        self.address = address
        self._channels = [
            grpc.insecure_channel(target, options=_OPTIONS)
            for target in targets(address)
        ]
        self._stubs = [make_stub(channel) for channel in self._channels]
        self._turns = itertools.count()
        self._mutex = threading.Lock()
        self._ready: set[int] = set()
        if len(self._channels) > 1:
            self._watch()

    def ask(
        self,
        method: str,
        request: Any,
        *,
        is_worth_another: Callable[[grpc.RpcError], bool] = lambda _error: False,
        n_tries: int = 3,
    ) -> Any:
        """Asks one replica after the other until one answers.

        Args:
          method: Of the stub.
          request: What is asked; a function of its inputs.
          is_worth_another: Says of other errors than those of connections whether the next replica may know better.
          n_tries: How many times; the last may take longer than those before it.

        Raises:
          grpc.RpcError: What the last one said.
        """
        asked: set[int] = set()
        still: set[int] = set()  # those that are connected and do not answer
        n_late = 0
        for n_left in reversed(range(n_tries)):
            is_last = n_late == N_LATE or not n_left
            place, is_connected = self._choose(asked, still)
            try:
                return getattr(self._stubs[place], method)(
                    request,
                    timeout=LAST_ATTEMPT_S if is_last else ATTEMPT_S,
                    # Rather than of one that stands still it is asked of one that is on its way back.
                    wait_for_ready=bool(n_late),
                )
            except grpc.RpcError as error:
                is_late = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
                is_gone = error.code() is grpc.StatusCode.UNAVAILABLE
                is_worth_it = is_late or is_gone or is_worth_another(error)
                if not n_left or (is_late and is_last) or not is_worth_it:
                    raise
                n_late += is_late
                if is_late and is_connected:
                    still.add(place)
        raise AssertionError("no try was made")

    def close(self) -> None:
        """Closes all connections."""
        for channel in self._channels:
            channel.close()

    def _choose(self, asked: set[int], still: set[int]) -> tuple[int, bool]:
        """Takes turns among those that are connected and have not been asked; adds who is chosen to those.

        Where all of them have been, it is the turn of the others: whether one is connected is heard of late. Then all
        begin anew, but for those that stand still.

        Returns:
          Who is chosen, and whether it is known to be connected.
        """
        everybody = set(range(len(self._channels)))
        free = everybody - still or everybody
        with self._mutex:
            turn = next(self._turns)
            ready = set(self._ready)
        if free <= asked:
            asked -= free
        candidates = sorted((ready & free) - asked or free - asked)
        chosen = candidates[turn % len(candidates)]
        asked.add(chosen)
        return chosen, chosen in ready

    def _watch(self) -> None:
        for number, channel in enumerate(self._channels):
            channel.subscribe(self._note_of(number), try_to_connect=True)

    def _note_of(self, number: int) -> Callable[[grpc.ChannelConnectivity], None]:
        def note(state: grpc.ChannelConnectivity) -> None:
            with self._mutex:
                if state is grpc.ChannelConnectivity.READY:
                    self._ready.add(number)
                else:
                    self._ready.discard(number)

        return note
