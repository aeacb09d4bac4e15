"""What Prometheus reads, under TF Serving's names and with its buckets.

A collector of prometheus_client: the studio can put it into a registry of its own.
"""

import bisect
import threading
from collections.abc import Iterator

import prometheus_client
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.model_server.core import ModelServer
from serving.model_server.status import Code

PATH = "/monitoring/prometheus/metrics"
REQUEST_COUNT = ":tensorflow:serving:request_count"
REQUEST_LATENCY = ":tensorflow:serving:request_latency"
MLMD_MAP = ":tensorflow:serving:mlmd_map"

# TF Serving's: from 10 microseconds to 20 minutes, each 1.8 times the one before
BUCKETS_US = [10 * 1.8**power for power in range(33)]
_MAX_SERIES = 1000  # names come from clients


class _Histogram:
    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_US) + 1)
        self.sum_us = 0.0

    def add(self, value_us: float) -> None:
        self.counts[bisect.bisect_left(BUCKETS_US, value_us)] += 1
        self.sum_us += value_us


class ServingMetrics(Collector):
    """Counts requests; safe to use from any thread."""

    def __init__(self, models: ModelServer) -> None:
        self._models = models
        self._counts: dict[tuple[str, str], int] = {}
        self._latencies: dict[tuple[str, str, str], _Histogram] = {}
        self._lock = threading.Lock()

    def record(
        self, model: str, api: str, entrypoint: str, code: Code, latency_s: float
    ) -> None:
        """Notes a request that was answered.

        Args:
          model: As the request named it.
          api: `predict`.
          entrypoint: `GRPC` or `REST`.
          code: Of the answer.
          latency_s: From the request read to the answer made.
        """
        with self._lock:
            if len(self._counts) >= _MAX_SERIES:
                model = model if (model, code.name) in self._counts else "other"
            key = (model, code.name)
            self._counts[key] = self._counts.get(key, 0) + 1
            if code is Code.OK:
                series = (model, api, entrypoint)
                histogram = self._latencies.get(series)
                if histogram is None:
                    histogram = self._latencies[series] = _Histogram()
                histogram.add(latency_s * 1e6)

    def collect(self) -> Iterator[Metric]:
        """Hands everything to prometheus_client."""
        with self._lock:
            yield self._request_count()
            yield self._request_latency()
        yield self._mlmd_map()

    def page(self) -> bytes:
        """Writes the page that Prometheus fetches."""
        registry = prometheus_client.CollectorRegistry()
        registry.register(self)
        page = prometheus_client.generate_latest(registry)
        # prometheus_client names counters `_total` in their head line, which TF Serving does not
        return page.replace(f"{REQUEST_COUNT}_total".encode(), REQUEST_COUNT.encode())

    def _request_count(self) -> Metric:
        metric = Metric(REQUEST_COUNT, "The total number of requests.", "counter")
        for (model, status), count in self._counts.items():
            labels = {"model_name": model, "status": status}
            metric.add_sample(REQUEST_COUNT, labels, count)
        return metric

    def _request_latency(self) -> Metric:
        text = "Distribution of wall time (in microseconds) for Tensorflow Serving request."
        metric = Metric(REQUEST_LATENCY, text, "histogram")
        for (model, api, entrypoint), histogram in self._latencies.items():
            labels = {"model_name": model, "API": api, "entrypoint": entrypoint}
            total = 0
            for limit, count in zip(
                [*map(_write, BUCKETS_US), "+Inf"], histogram.counts, strict=True
            ):
                total += count
                bucket = {**labels, "le": limit}
                metric.add_sample(f"{REQUEST_LATENCY}_bucket", bucket, total)
            metric.add_sample(f"{REQUEST_LATENCY}_sum", labels, histogram.sum_us)
            metric.add_sample(f"{REQUEST_LATENCY}_count", labels, total)
        return metric

    def _mlmd_map(self) -> Metric:
        metric = GaugeMetricFamily(
            MLMD_MAP,
            "Mapping for ML Metadata UUID to model_name and version.",
            labels=("model_name", "version", "mlmd_uuid"),
        )
        for (name, version), uuid in self._models.mlmd_uuids().items():
            metric.add_metric((name, str(version), uuid), 1)
        return metric


def _write(limit: float) -> str:
    return f"{limit:.6g}"
