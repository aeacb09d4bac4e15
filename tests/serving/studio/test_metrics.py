import asyncio

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from amadeus.errors import ConfigError
from serving.studio.metrics import (
    HEALTH_PATH,
    METRICS_PATH,
    Metrics,
    MetricsEndpoint,
)


def read(text):
    """All samples of a scrape by name and labels."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_two_studios_count_apart():
    one, other = Metrics(), Metrics()
    one.blocks.inc(3)
    assert read(one.text().decode())["amadeus_blocks_total",] == 3
    assert read(other.text().decode())["amadeus_blocks_total",] == 0


def test_states_of_sessions_are_asked_for_at_each_scrape():
    metrics, states = Metrics(), {"RUNNING": 1}
    metrics.watch_sessions(lambda: states)
    states["QUEUED"] = 4
    samples = read(metrics.text().decode())
    assert samples["amadeus_practice_sessions", ("state", "RUNNING")] == 1
    assert samples["amadeus_practice_sessions", ("state", "QUEUED")] == 4


def test_the_endpoint_answers_in_the_format_of_prometheus():
    async def scrape():
        metrics = Metrics()
        metrics.performances_open.set(2)
        endpoint = MetricsEndpoint(metrics)
        await endpoint.start("127.0.0.1", 0)
        address = f"http://127.0.0.1:{endpoint.port}"
        async with aiohttp.ClientSession() as session:
            async with session.get(address + METRICS_PATH) as response:
                answer = response.headers["Content-Type"], await response.text()
            async with session.get(address + "/") as response:
                elsewhere = response.status
        await endpoint.stop()
        return answer, elsewhere

    (content_type, text), elsewhere = asyncio.run(scrape())
    assert content_type.startswith("text/plain; version=")
    assert read(text)["amadeus_performances_open",] == 2
    assert elsewhere == 404


def test_health_is_told_over_http_too():
    states = iter([False, True, False])

    async def ask():
        endpoint = MetricsEndpoint(Metrics(), lambda: next(states))
        await endpoint.start("127.0.0.1", 0)
        url = f"http://127.0.0.1:{endpoint.port}{HEALTH_PATH}"
        async with aiohttp.ClientSession() as session:
            answers = []
            for _ in range(3):
                async with session.get(url) as response:
                    answers.append((response.status, await response.text()))
        await endpoint.stop()
        return answers

    no, yes = (503, "NOT_SERVING\n"), (200, "SERVING\n")
    assert asyncio.run(ask()) == [no, yes, no]


def test_a_taken_port_is_a_sentence_with_the_flag():
    async def take_twice():
        first, second = MetricsEndpoint(Metrics()), MetricsEndpoint(Metrics())
        await first.start("127.0.0.1", 0)
        try:
            await second.start("127.0.0.1", first.port)
        finally:
            await first.stop()

    with pytest.raises(ConfigError, match="another with --metrics-port"):
        asyncio.run(take_twice())
