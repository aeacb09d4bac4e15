"""What a studio counts, in the words of Prometheus.

Each studio has a registry of its own, so two in one process count apart. Servicers are handed a `Metrics` and turn its
counters; what can be asked for at any time, such as the states of sessions, is asked when somebody scrapes.

    amadeus_performances_open               performances that play now
    amadeus_blocks_total                    blocks of sound sent
    amadeus_late_blocks_total               of those, blocks that came later than their time
    amadeus_block_seconds                   time to make a block
    amadeus_practice_sessions{state}        practice sessions kept, by state
    amadeus_successors_failed{deu, error}   tries in vain to load a generation that is to take over; none if all is well
    amadeus_calls_open{method}              calls open now
    amadeus_calls_total{method, code}       calls ended, by status code
    amadeus_call_seconds{method}            how long calls lasted; of streams, from first to last message
    process_*                               memory, processor time and files of the process
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping

from aiohttp import web
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    exposition,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from amadeus.errors import ConfigError

METRICS_PATH = "/metrics"
# For those who cannot ask gRPC's health service, such as a container's own check where the studio speaks TLS.
HEALTH_PATH = "/health"

# A block of 5 ms is late beyond its own duration; the largest block lasts half a second.
BLOCK_BUCKETS_S = (
    *(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075),
    *(0.01, 0.015, 0.02, 0.05, 0.1, 0.25, 0.5),
)
CALL_BUCKETS_S = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0, 1800.0, 7200.0)


class Metrics:
    """The counters of one studio. They may be turned from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.performances_open = Gauge(
            "amadeus_performances_open",
            "Performances that play now.",
            registry=self.registry,
        )
        self.blocks = Counter(
            "amadeus_blocks", "Blocks of sound sent.", registry=self.registry
        )
        self.late_blocks = Counter(
            "amadeus_late_blocks",
            "Blocks that came later than their time.",
            registry=self.registry,
        )
        self.block_s = Histogram(
            "amadeus_block_seconds",
            "Time to make a block.",
            buckets=BLOCK_BUCKETS_S,
            registry=self.registry,
        )
        self.calls_open = Gauge(
            "amadeus_calls_open", "Calls open now.", ["method"], registry=self.registry
        )
        self.calls = Counter(
            "amadeus_calls",
            "Calls ended, by status code.",
            ["method", "code"],
            registry=self.registry,
        )
        self.call_s = Histogram(
            "amadeus_call_seconds",
            "How long calls lasted.",
            ["method"],
            buckets=CALL_BUCKETS_S,
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)
        self._remarks: list[Callable[[], list[str]]] = []

    def watch_sessions(self, count: Callable[[], Mapping[str, int]]) -> None:
        """Asks `count` for the number of practice sessions by state whenever somebody scrapes."""
        self.registry.register(_Sessions(count))

    def watch_successors(
        self, count: Callable[[], Mapping[tuple[str, str], int]]
    ) -> None:
        """Asks `count` for tries in vain by deu and kind of error whenever somebody scrapes."""
        self.registry.register(_Successors(count))

    def add_remarks(self, remarks: Callable[[], list[str]]) -> None:
        """Has `remarks` asked for sentences by whoever looks after the studio's health."""
        self._remarks.append(remarks)

    def remarks(self) -> list[str]:
        """Says what is not well though the studio plays, a sentence each."""
        return [text for remarks in self._remarks for text in remarks()]

    def text(self) -> bytes:
        """Writes all of it in Prometheus' text format."""
        return exposition.generate_latest(self.registry)


class MetricsEndpoint:
    """Serves `/metrics` over HTTP, and `/health`: 200 while the studio plays, 503 while it starts and stops.

    What is not well nonetheless is said on further lines of `/health`.
    """

    def __init__(
        self, metrics: Metrics, is_healthy: Callable[[], bool] = lambda: True
    ) -> None:
        self._metrics, self._is_healthy = metrics, is_healthy
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Begins to listen; port 0 chooses one.

        Raises:
          ConfigError: The port is taken, or the address is none of this machine's.
        """
        app = web.Application()
        app.router.add_get(METRICS_PATH, self._answer)
        app.router.add_get(HEALTH_PATH, self._answer_health)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, reuse_port=False)
        try:
            await site.start()
        except OSError as error:
            await self.stop()
            raise ConfigError(
                f"metrics cannot listen on {host}:{port} ({error.strerror}): choose another with --metrics-port, "
                "0 for any, or off."
            ) from error
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stops listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, _request: web.Request) -> web.Response:
        # In a thread, for some of it is counted from files.
        return web.Response(
            body=await asyncio.to_thread(self._metrics.text),
            headers={"Content-Type": exposition.CONTENT_TYPE_LATEST},
        )

    async def _answer_health(self, _request: web.Request) -> web.Response:
        # In the words of gRPC's health service.
        if self._is_healthy():
            # In a thread, for some of it is read from files.
            lines = ["SERVING", *await asyncio.to_thread(self._metrics.remarks)]
            return web.Response(text="\n".join(lines) + "\n")
        return web.Response(text="NOT_SERVING\n", status=503)


class _Sessions(Collector):
    def __init__(self, count: Callable[[], Mapping[str, int]]) -> None:
        self._count = count

    def describe(self) -> Iterator[GaugeMetricFamily]:
        # Said here, so that registering does not ask for sessions yet.
        yield self._family()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = self._family()
        for state, count in sorted(self._count().items()):
            family.add_metric([state], count)
        yield family

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "amadeus_practice_sessions",
            "Practice sessions kept, by state.",
            labels=["state"],
        )


class _Successors(Collector):
    def __init__(self, count: Callable[[], Mapping[tuple[str, str], int]]) -> None:
        self._count = count

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "amadeus_successors_failed",
            "Tries in vain to load the generation that is to take over.",
            labels=["deu", "error"],
        )
        for labels, count in sorted(self._count().items()):
            family.add_metric(labels, count)
        yield family
