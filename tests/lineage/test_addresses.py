"""Addresses of metadata: what they mean, and what they refuse."""

import pytest

from amadeus.cli.main import main
from amadeus.errors import ConfigError
from amadeus.lineage.addresses import (
    configure,
    place_of,
    read_address,
    shown,
    sqlite_url,
)
from amadeus.lineage.store import Mode, connection, open_store
from tests.lineage.scribe import Tale


def test_a_file_is_named_by_its_path(tmp_path):
    config = configure(sqlite_url(tmp_path / "a b.sqlite"), mode=Mode.READWRITE)
    assert config.sqlite.filename_uri == str(tmp_path / "a b.sqlite")
    assert config.sqlite.connection_mode == Mode.READWRITE
    assert read_address("sqlite:////x").path == read_address("sqlite:///x").path


def test_a_port_is_no_password():
    named = "?ssl_ca=/dev/null&ssl_cert=/dev/null&ssl_key=/dev/null#a@b"
    assert read_address(f"mysql://host:3306/db{named}").port == 3306
    assert read_address(f"grpcs://host:1{named}").port == 1


def test_what_is_shown_has_no_password():
    assert shown("mysql://ama:a/se@cret@host:1/db?x=y") == "mysql://ama@host:1/db"
    assert shown("mysql://ama@host:1/db?x=y") == "mysql://ama@host:1/db"
    assert shown("grpc://[::1") == "grpc://[::1"


def test_a_server_is_named_by_host_and_port():
    config = configure("grpc://meta.example:9090")
    assert (config.host, config.port) == ("meta.example", 9090)
    assert not config.HasField("ssl_config")
    assert configure("grpc://meta.example").port == 8080
    assert configure("grpc://[::1]:1").host == "[::1]"


def test_certificates_travel_as_upstream_wants_them(tmp_path):
    for name in ("ca", "cert", "key"):
        (tmp_path / name).write_text(f"{name} in PEM")
    named = "&".join(f"ssl_{n}={tmp_path / n}" for n in ("ca", "cert", "key"))
    ssl = configure(f"grpcs://meta:1?{named}").ssl_config
    assert ssl.custom_ca == "ca in PEM"
    assert (ssl.server_cert, ssl.client_key) == ("cert in PEM", "key in PEM")
    options = configure(f"mysql://ama@host/db?{named}").mysql.ssl_options
    assert options.ca == str(tmp_path / "ca")
    assert (options.cert, options.key) == (
        str(tmp_path / "cert"),
        str(tmp_path / "key"),
    )


def test_what_is_written_beside_certificates_is_left_out(tmp_path):
    """Bundles name their authorities in many tongues, and upstream knows one."""
    (tmp_path / "ca").write_text("# Főtanúsítvány\nca in PEM", encoding="utf-8")
    ssl = configure(f"grpcs://meta:1?ssl_ca={tmp_path / 'ca'}").ssl_config
    assert ssl.custom_ca.isascii()
    assert ssl.custom_ca.endswith("\nca in PEM")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("grpc://host/path", "no address of metadata"),
        ("grpc://", "no address of metadata"),
        ("sqlite://host/path", "no address of metadata"),
        ("sqlite:///", "no address of metadata"),
        ("grpc://token:secret@host:1", "holds a password"),
        ("mysql://ama@host/db?ssl_ca=/no/such/file", "ssl_ca=/no/such/file .* cannot be read"),
        ("mysql://ama@host/db?tls=1", "tls .* is no option of a mysql address: it knows socket, ssl_ca"),
        ("grpc://host:1?ssl_ca=x", "is no option of a grpc address: it takes none"),
        ("mysql://ama@host/db?ssl_cert=/dev/null", "only one of ssl_cert and ssl_key"),
        ("mysql://ama:a/secret@host/db", "holds a password"),
        ("mysql://ama:1/secret@host/db", "holds a password"),
        ("mysql://ama:a?secret@host/db", "holds a password"),
        ("mysql://ama:a#secret@host/db", "holds a password"),
        ("mysql://ama@host?password=secret", "ama@host is no address of metadata"),
        ("mysql://ama@host/db?password=secret", "password .* is no option"),
        ("grpc://[::1:80", "no address of metadata"),
        ("grpcs://host:1?ssl_ca=/", "ssl_ca=/ .* cannot be read"),
    ],
)  # fmt: skip
def test_an_address_that_cannot_work_is_refused(address, words):
    with pytest.raises(ConfigError, match=words) as raised:
        configure(address)
    assert "secret" not in str(raised.value)


def test_a_place_is_named_without_secrets(monkeypatch):
    monkeypatch.setenv("AMADEUS_METADATA_PASSWORD", "hush")
    for url in ("mysql://ama@host:3306/db", "grpc://host:1"):
        assert place_of(configure(url)) == url
    assert "hush" not in place_of(configure("mysql://ama@host/db?socket=/run/x"))


def test_the_command_line_names_it_for_one_command(home, tmp_path, monkeypatch, capsys):
    url = sqlite_url(tmp_path / "elsewhere.sqlite")
    monkeypatch.setenv("AMADEUS_METADATA", url)
    Tale(home, home.create_deu("cello")).tell(1)
    assert not home.metadata_path.exists()
    monkeypatch.delenv("AMADEUS_METADATA")
    assert main(["--metadata", url, "lineage", "cello"]) == 0
    assert "1" in capsys.readouterr().out
    assert connection(home).sqlite.filename_uri == str(home.metadata_path)
    assert main(["--metadata", "mysql://a:secret@host/db", "lineage", "cello"]) == 2
    assert "secret" not in capsys.readouterr().err


def test_what_is_not_there_yet_is_not_made_by_reading(home, tmp_path):
    url = sqlite_url(tmp_path / "new.sqlite")
    assert open_store(url, mode=Mode.READONLY) is None
    assert open_store(url, mode=Mode.READWRITE_OPENCREATE) is not None
