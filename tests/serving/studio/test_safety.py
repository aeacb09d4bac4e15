import asyncio
import contextlib
import io
import logging

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from amadeus.errors import ConfigError
from amadeus.v1 import studio_pb2, studio_pb2_grpc
from serving.studio import logs
from serving.studio.server import Studio
from tests.serving.studio.certificates import Authority
from tests.serving.studio.stand_in import (
    channel_to,
    list_personalities,
    opener,
    studio_of,
)
from tests.serving.studio.test_server import check, config, reason_of

TOKEN = "a-token-of-forty-characters-0123456789-x"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def tls(pair, **settings):
    return config(tls_cert_path=pair.cert_path, tls_key_path=pair.key_path, **settings)


async def _refusal(channel, token=None):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await list_personalities(channel, token)
    return caught.value


@pytest.fixture
def log():
    """All that is logged, down to debug, as the studio writes it."""
    stream, root = io.StringIO(), logging.getLogger()
    before, level = root.handlers[:], root.level
    logs.configure("debug", "text", stream=stream)
    yield stream
    root.handlers[:], root.level = before, level


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        (None, "TOKEN_MISSING"),
        ("wrong-token-0123456789", "TOKEN_WRONG"),
        (TOKEN[:-1], "TOKEN_WRONG"),
        (TOKEN + "x", "TOKEN_WRONG"),
        ("", "TOKEN_WRONG"),
    ],
)
def test_only_the_token_opens_and_no_log_ever_has_it(home, log, shown, reason):
    async def knock():
        async with (
            studio_of(config(token=TOKEN), home) as studio,
            channel_to(studio) as channel,
        ):
            error = await _refusal(channel, shown)
            await list_personalities(channel, TOKEN)
            return error, await check(channel)

    error, health = asyncio.run(knock())
    assert error.code() == grpc.StatusCode.UNAUTHENTICATED
    assert reason_of(error) == reason
    assert health == health_pb2.HealthCheckResponse.SERVING  # needs no token
    for secret in filter(None, (shown, TOKEN)):
        assert secret not in error.details()
        assert secret not in log.getvalue()
    assert "ListPersonalities" in log.getvalue()
    assert "code=UNAUTHENTICATED" in log.getvalue()


def test_the_scheme_is_bearer_in_any_case_and_no_other(home):
    async def knock():
        async with (
            studio_of(config(token=TOKEN), home) as studio,
            channel_to(studio) as channel,
        ):
            stub = studio_pb2_grpc.PersonalitiesStub(channel)
            ask = studio_pb2.ListPersonalitiesRequest()
            await stub.ListPersonalities(
                ask, metadata=[("authorization", f"bearer {TOKEN}")]
            )
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.ListPersonalities(
                    ask, metadata=[("authorization", f"Basic {TOKEN}")]
                )
            return caught.value.code()

    assert asyncio.run(knock()) == grpc.StatusCode.UNAUTHENTICATED


def test_reflection_and_streams_need_the_token_too(home):
    async def knock():
        async with (
            studio_of(config(token=TOKEN), home) as studio,
            channel_to(studio) as channel,
        ):
            codes = []
            for call in (
                reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
                    iter([reflection_pb2.ServerReflectionRequest(list_services="")])
                ),
                studio_pb2_grpc.StudioStub(channel).Perform(iter([])),
                studio_pb2_grpc.StudioStub(channel).Practice(iter([])),
            ):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await anext(aiter(call))
                codes.append(caught.value.code())
            return codes

    assert asyncio.run(knock()) == [grpc.StatusCode.UNAUTHENTICATED] * 3


def test_tls_is_spoken_and_plain_text_is_not(home, authority):
    async def speak():
        pair = authority.issue("studio")
        credentials = grpc.ssl_channel_credentials(authority.ca.cert)
        async with studio_of(tls(pair, token=TOKEN), home) as studio:
            async with channel_to(studio, credentials) as channel:
                answer = await list_personalities(channel, TOKEN)
                unknown = await _refusal(channel)
            async with channel_to(studio) as channel:
                plain = await _refusal(channel, TOKEN)
            stranger = grpc.ssl_channel_credentials()
            async with channel_to(studio, stranger) as channel:
                untrusting = await _refusal(channel, TOKEN)
        return answer, unknown, plain, untrusting

    answer, unknown, plain, untrusting = asyncio.run(speak())
    assert answer.next_page_token == "here"
    assert unknown.code() == grpc.StatusCode.UNAUTHENTICATED
    assert plain.code() == grpc.StatusCode.UNAVAILABLE
    assert untrusting.code() == grpc.StatusCode.UNAVAILABLE


def test_mtls_lets_in_whom_the_authority_has_signed(home, authority, tmp_path):
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other", "stranger").issue("visitor")
    friend = authority.issue("friend")

    def credentials(pair=None):
        return grpc.ssl_channel_credentials(
            authority.ca.cert, pair and pair.key, pair and pair.cert
        )

    async def speak():
        settings = tls(authority.issue("studio"), client_ca_path=authority.ca.cert_path)
        async with studio_of(settings, home) as studio:
            async with channel_to(studio, credentials(friend)) as channel:
                await list_personalities(channel)
            async with channel_to(studio, credentials()) as channel:
                nobody = await _refusal(channel)
            async with channel_to(studio, credentials(stranger)) as channel:
                foreign = await _refusal(channel)
        return nobody.code(), foreign.code()

    assert asyncio.run(speak()) == (grpc.StatusCode.UNAVAILABLE,) * 2


@pytest.mark.parametrize("speaks_tls", [False, True])
def test_noise_on_the_port_disturbs_nobody(home, authority, rng, speaks_tls):
    settings = tls(authority.issue("studio")) if speaks_tls else config()
    credentials = (
        grpc.ssl_channel_credentials(authority.ca.cert) if speaks_tls else None
    )

    async def disturb():
        async with studio_of(settings, home) as studio:
            for _ in range(20):
                _, writer = await asyncio.open_connection("127.0.0.1", studio.port)
                writer.write(rng.bytes(2_000))
                with contextlib.suppress(ConnectionError):
                    await writer.drain()
                writer.close()
            # As many that say nothing at all.
            silent = [
                await asyncio.open_connection("127.0.0.1", studio.port)
                for _ in range(20)
            ]
            async with channel_to(studio, credentials) as channel:
                answer = await list_personalities(channel)
            for _, writer in silent:
                writer.close()
            return answer.next_page_token

    assert asyncio.run(disturb()) == "here"


def _start(settings, home):
    async def start():
        studio = Studio(settings, home, open_rooms=opener([]))
        await studio.start()
        await studio.stop(0)

    asyncio.run(start())


def test_a_key_of_another_certificate_is_refused_at_the_start(home, authority):
    one, other = authority.issue("one"), authority.issue("other")
    mixed = config(tls_cert_path=one.cert_path, tls_key_path=other.key_path)
    with pytest.raises(ConfigError, match="cannot be used together"):
        _start(mixed, home)


def test_certificates_that_are_none_are_refused_at_the_start(home, authority, tmp_path):
    pair = authority.issue("studio")
    (tmp_path / "text.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"nowhere\.pem cannot be read"):
        _start(
            config(tls_cert_path=tmp_path / "nowhere.pem", tls_key_path=pair.key_path),
            home,
        )
    with pytest.raises(ConfigError, match="cannot be used together"):
        _start(
            config(tls_cert_path=tmp_path / "text.pem", tls_key_path=pair.key_path),
            home,
        )
    with pytest.raises(ConfigError, match="holds no certificate"):
        _start(tls(pair, client_ca_path=tmp_path / "text.pem"), home)


def test_a_secret_that_gets_into_a_message_is_hidden():
    stream, root = io.StringIO(), logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        for form in ("text", "json"):
            logs.configure("info", form, secrets=(TOKEN, ""), stream=stream)
            try:
                raise ValueError(f"in a traceback: {TOKEN}")
            except ValueError:
                logging.getLogger("x").exception("and %s", TOKEN, extra={"key": TOKEN})
    finally:
        root.handlers[:], root.level = before, level
    assert TOKEN not in stream.getvalue()
    assert stream.getvalue().count(logs.HIDDEN) == 6
