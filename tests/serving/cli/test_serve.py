import socket
from pathlib import Path

import pytest

from serving.cli import serve
from serving.studio.config import StudioConfig
from serving.studio.server import Studio

TOKEN = "0123456789abcdef0123456789abcdef"
PEM = {"tls_cert_path": Path("cert.pem"), "tls_key_path": Path("key.pem")}


def _page(home, **settings):
    config = StudioConfig(**settings)
    return serve.page(Studio(config, home), config, home)


def test_a_store_is_named_with_what_goes_there(home, tmp_path):
    page = _page(home, personalities=str(tmp_path / "store"))
    assert f"{tmp_path / 'store'}, where what is taught goes too" in page
    assert "voices of" not in _page(home)


def test_the_page_names_deus_and_generations(home):
    assert "none yet" in _page(home)
    for number, name in enumerate(("cello", "flute"), start=1):
        (home.create_deu(name).voices_path / str(number)).mkdir(parents=True)
    home.create_deu("silent")
    page = _page(home)
    assert "cello (generation 1), flute (generation 2)" in page
    assert "silent" not in page


def test_a_house_full_of_deus_is_not_listed_to_its_end(home):
    for number in range(20):
        (home.create_deu(f"deu-{number}").voices_path / "1").mkdir(parents=True)
    assert "and 12 more" in _page(home)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "this machine only, without a token, no TLS"),
        ({"token": TOKEN}, "this machine only, with a token, no TLS"),
        (
            {"host": "0.0.0.0", "insecure": True},
            "the network, without a token, no TLS",
        ),
        (
            {"host": "0.0.0.0", "token": TOKEN, **PEM},
            "the network, with a token, TLS",
        ),
        (
            {"client_ca_path": Path("ca.pem"), **PEM},
            "this machine only, without a token, TLS with certificates of clients",
        ),
    ],
)
def test_safety_is_said_as_it_is(home, settings, words):
    page = _page(home, **settings)
    assert f"reached from {words}\n" in page
    assert TOKEN not in page


def test_the_command_that_connects_has_what_the_studio_asks_for():
    open_to_all = StudioConfig(
        host="0.0.0.0", token=TOKEN, client_ca_path=Path("ca.pem"), **PEM
    )
    command = serve.describe_connecting(8470, open_to_all)
    assert command == (
        "AMADEUS_STUDIO_TOKEN=... amadeus perform DEU tune.mid -o tune.wav "
        f"--studio {socket.gethostname()}:8470 --studio-ca CA.pem "
        "--studio-cert CERT.pem --studio-key KEY.pem"
    )
    assert serve.describe_connecting(8470, StudioConfig()) == (
        "amadeus perform DEU tune.mid -o tune.wav --studio 127.0.0.1:8470"
    )


def test_nobody_listening_is_no_reason_to_stop(monkeypatch):
    class Broken:
        def write(self, _text):
            raise BrokenPipeError

    monkeypatch.setattr("sys.stdout", Broken())
    serve.say("ready")
