import asyncio
import dataclasses
import socket

import pytest

from amadeus.errors import ConfigError
from serving.studio import rooms
from serving.studio.config import StudioConfig
from serving.studio.metrics import Metrics
from serving.studio.perform import PerformLimits
from serving.studio.personalities import PersonalityLimits
from serving.studio.practice_limits import PracticeLimits


def test_limits_that_nobody_set_are_those_of_the_rooms():
    config = StudioConfig()
    assert rooms.perform_limits(config) == PerformLimits()
    assert rooms.personality_limits(config) == PersonalityLimits()
    practices = rooms.practice_limits(config)
    assert dataclasses.replace(practices, close_s=PracticeLimits.close_s) == (
        PracticeLimits()
    )


def test_every_limit_reaches_its_room():
    config = StudioConfig(
        max_performances=3,
        max_sessions=5,
        max_upload_bytes=7_000_000,
        max_audio_minutes=9.0,
        max_minutes=11.0,
        max_bundle_bytes=13_000_000,
        practices_at_once=2,
        practices_here=0,
        keep_hours=6.0,
        grace_s=30.0,
    )
    assert rooms.perform_limits(config).max_performances == 3
    assert rooms.personality_limits(config).max_bundle_bytes == 13_000_000
    practices = rooms.practice_limits(config)
    assert practices.sessions == 5
    assert practices.session_bytes == 7_000_000
    assert practices.audio_minutes == 9.0
    assert practices.training_minutes == 11.0
    assert practices.running == 2
    assert practices.running_here == 0
    assert practices.keep_s == 6 * 3600


@pytest.mark.parametrize("grace_s", [5.0, 20.0, 60.0])
def test_workers_are_stopped_before_the_grace_is_over(grace_s):
    config = StudioConfig(grace_s=grace_s)
    assert rooms.practice_limits(config).close_s < grace_s


@pytest.mark.parametrize("flag", ["model_server_port", "model_server_rest_port"])
def test_a_taken_port_of_the_model_server_names_its_flag(home, flag):
    async def open_twice(port):
        ports = {"model_server_port": 0, "model_server_rest_port": 0, flag: port}
        config = StudioConfig(port=0, metrics_port=None, **ports)
        await rooms.open_rooms(config, home, Metrics())

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        option = "--" + flag.replace("_", "-")
        with pytest.raises(ConfigError, match=f":{port} .* another with {option}, 0"):
            asyncio.run(open_twice(port))
