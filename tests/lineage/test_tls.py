"""ML Metadata on a real MariaDB that speaks nothing but TLS."""

import pytest

from amadeus import lineage
from amadeus.cli.main import main
from amadeus.errors import ConfigError, HomeError
from amadeus.lineage.store import Mode, open_store
from tests.lineage import mariadb
from tests.lineage.scribe import Tale
from tests.serving.studio.certificates import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(authority, tmp_path_factory):
    if mariadb.missing():
        pytest.skip(f"MariaDB is not here: {mariadb.missing()}")
    own = authority.issue("server")
    options = (
        f"--ssl-ca={authority.ca.cert_path}",
        f"--ssl-cert={own.cert_path}",
        f"--ssl-key={own.key_path}",
        "--require-secure-transport=ON",
    )
    with mariadb.serving(tmp_path_factory.mktemp("mariadb"), *options) as server:
        words = f"identified by '{mariadb.PASSWORD}'"
        server.say(f"create user 'known'@'127.0.0.1' {words} require x509;")
        server.say("grant all on *.* to 'known'@'127.0.0.1';")
        yield server


@pytest.fixture
def told(home, monkeypatch):
    """Sets where the metadata are."""
    monkeypatch.setenv("AMADEUS_METADATA_PASSWORD", mariadb.PASSWORD)
    return lambda url: monkeypatch.setenv("AMADEUS_METADATA", url)


def _url(server, *, user=mariadb.USER, host="localhost", **options):
    named = "&".join(f"{name}={path}" for name, path in options.items())
    return f"mysql://{user}@{host}:{server.port}/amadeus?{named}"


def test_lineage_is_written_and_read_over_tls(home, told, server, authority):
    told(_url(server, ssl_ca=authority.ca.cert_path))
    deu = home.create_deu("cello")
    Tale(home, deu).tell(1)
    assert len(lineage.generations_of(home, deu)) == 1
    assert int(server.say("show status like 'Ssl_accepts'").stdout.split()[1]) > 0


def test_without_tls_nobody_is_let_in(home, told, server, capfd):
    home.create_deu("cello")
    told(_url(server))
    assert main(["lineage", "cello"]) == 2
    said = capfd.readouterr().err.splitlines()[-1]
    assert "refuses the login" in said
    assert "add ?ssl_ca=FILE" in said


def test_a_server_that_is_not_who_it_says_is_not_spoken_to(
    home, told, server, authority, tmp_path
):
    stranger = Authority(tmp_path, "stranger")
    for url in (
        _url(server, ssl_ca=stranger.ca.cert_path),
        _url(server, ssl_ca=authority.ca.cert_path, host="127.0.0.1"),
    ):
        told(url)
        with pytest.raises(HomeError, match="certificate that cannot be trusted"):
            open_store(home, mode=Mode.READONLY)


def test_a_certificate_of_ours_is_shown(home, told, server, authority):
    own = authority.issue("ama")
    url = _url(server, user="known", ssl_ca=authority.ca.cert_path)
    told(url)
    with pytest.raises(HomeError, match="refuses the login"):
        open_store(home, mode=Mode.READWRITE_OPENCREATE)
    told(f"{url}&ssl_cert={own.cert_path}&ssl_key={own.key_path}")
    assert open_store(home, mode=Mode.READWRITE_OPENCREATE) is not None
    told(f"{url}&ssl_cert={own.cert_path}&ssl_key={authority.ca.key_path}")
    with pytest.raises(ConfigError, match="files in PEM that belong together"):
        open_store(home, mode=Mode.READONLY)


def test_a_server_without_tls_gets_no_password(home, told, authority, tmp_path):
    with mariadb.serving(tmp_path, "--skip-ssl") as server:
        told(_url(server, ssl_ca=authority.ca.cert_path, host="127.0.0.1"))
        with pytest.raises(HomeError, match="offers no TLS, and its address asks"):
            open_store(home, mode=Mode.READONLY)
