from pathlib import Path

import pytest

from amadeus.errors import ConfigError
from serving.studio.config import StudioConfig, is_loopback, join_address, read_token
from serving.studio.replicas import targets

TOKEN = "0123456789abcdef0123456789abcdef"
PEM = {"tls_cert_path": Path("cert.pem"), "tls_key_path": Path("key.pem")}


def test_defaults_are_safe_for_one_machine():
    config = StudioConfig()
    assert (config.host, config.port) == ("127.0.0.1", 8470)
    assert is_loopback(config.model_server_host)
    assert is_loopback(config.metrics_host)
    assert not config.insecure


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1.2.3", "localhost", "::1", "[::1]"]
)
def test_loopback_needs_no_token(host):
    assert is_loopback(host)
    StudioConfig(host=host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "studio.example"])
def test_outside_loopback_a_token_and_tls_are_needed(host):
    assert not is_loopback(host)
    with pytest.raises(ConfigError, match=r"without a token.*--insecure"):
        StudioConfig(host=host)
    with pytest.raises(ConfigError, match=r"without TLS.*--tls-cert.*--insecure"):
        StudioConfig(host=host, token=TOKEN)
    with pytest.raises(ConfigError, match="without a token"):
        StudioConfig(host=host, **PEM)
    StudioConfig(host=host, token=TOKEN, **PEM)
    StudioConfig(host=host, insecure=True)


def test_the_model_server_leaves_loopback_only_when_insecure_is_said():
    with pytest.raises(ConfigError, match="its protocol knows no token"):
        StudioConfig(model_server_host="0.0.0.0")
    StudioConfig(model_server_host="0.0.0.0", insecure=True)
    StudioConfig(
        model_server_host="0.0.0.0", model_server_port=None, model_server_rest_port=None
    )


def test_a_refusal_is_one_sentence():
    for settings in (
        {"host": "0.0.0.0"},
        {"host": "0.0.0.0", "token": TOKEN},
        {"token": "short"},
        {"port": 70000},
        {"max_calls": 0},
    ):
        with pytest.raises(ConfigError) as caught:
            StudioConfig(**settings)
        text = str(caught.value)
        assert text.endswith(".")
        assert ". " not in text
        assert "\n" not in text


def test_a_token_never_shows():
    config = StudioConfig(token=TOKEN)
    assert TOKEN not in repr(config)
    with pytest.raises(ConfigError) as caught:
        StudioConfig(token="two words of a secret")
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        StudioConfig(token="s3cret")
    assert "s3cret" not in str(caught.value)
    assert "6 characters" in str(caught.value)


def test_a_token_is_taken_out_of_the_environment():
    environment = {"AMADEUS_STUDIO_TOKEN": TOKEN, "HOME": "/music"}
    assert read_token(environment) == TOKEN
    assert environment == {"HOME": "/music"}
    assert read_token(environment) == ""


def test_a_token_may_lie_in_a_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    assert read_token({}, path) == TOKEN
    with pytest.raises(ConfigError, match="choose one") as caught:
        read_token({"AMADEUS_STUDIO_TOKEN": "another"}, path)
    assert "another" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe\x00"])
def test_a_file_without_a_token_is_refused(tmp_path, content):
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="token file"):
        read_token({}, path)


def test_a_token_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_token({}, tmp_path / "nowhere")


def test_tls_needs_both_files():
    with pytest.raises(ConfigError, match="--tls-cert was given without --tls-key"):
        StudioConfig(tls_cert_path=Path("cert.pem"))
    with pytest.raises(ConfigError, match="--tls-key was given without --tls-cert"):
        StudioConfig(tls_key_path=Path("key.pem"))
    with pytest.raises(ConfigError, match="--client-ca was given without TLS"):
        StudioConfig(client_ca_path=Path("ca.pem"))


def test_two_servers_cannot_have_one_port():
    with pytest.raises(ConfigError, match="--port and --metrics-port are both 8471"):
        StudioConfig(port=8471)
    StudioConfig(port=0, metrics_port=0, model_server_port=0, model_server_rest_port=0)
    # With a TF Serving elsewhere the embedded one opens no port here.
    StudioConfig(port=8500, model_server="localhost:9000")


def test_several_model_servers_are_listed_with_commas():
    address = "one:8500, 10.0.0.2:8500,[::1]:8500"
    assert StudioConfig(model_server=address).model_server == address
    assert targets(address) == [
        "dns:///one:8500", "dns:///10.0.0.2:8500", "dns:///[::1]:8500"
    ]  # fmt: skip
    for one in ("dns://10.0.0.53/tf:8500", "ipv4:10.0.0.2:8500"):
        assert targets(StudioConfig(model_server=one).model_server) == [one]


@pytest.mark.parametrize(
    "address",
    ["localhost", ":8500", "host:", "host:0", "host:x", "one:1,", "one:1,two"],
)
def test_an_address_has_host_and_port(address):
    with pytest.raises(ConfigError, match="write host:port"):
        StudioConfig(model_server=address)


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("max_calls", 0),
        ("max_message_bytes", 1000),
        ("max_performances", -1),
        ("max_sessions", -1),
        ("max_upload_bytes", 0),
        ("max_audio_minutes", 0.0),
        ("max_minutes", float("nan")),
        ("max_bundle_bytes", 0),
        ("practices_at_once", 0),
        ("practices_here", -1),
        ("keep_hours", 0.0),
        ("grace_s", float("inf")),
    ],
)
def test_a_limit_that_cannot_be_is_named(limit, value):
    flag = "--" + limit.replace("_", "-")
    with pytest.raises(ConfigError, match=f"^{flag} {value} cannot be"):
        StudioConfig(**{limit: value})


def test_an_ipv6_address_is_written_with_brackets():
    assert join_address("::1", 8470) == "[::1]:8470"
    assert join_address("[::1]", 8470) == "[::1]:8470"
    assert join_address("localhost", 8470) == "localhost:8470"
