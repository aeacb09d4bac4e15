"""The Compose file is one, and says what the code means."""

import json
import re
import warnings

import jsonschema
import pytest
import yaml

from serving.model_server.__main__ import build_parser as serving_parser
from serving.model_server.listing import build_parser as listing_parser
from serving.studio import server
from serving.studio.schedule import KILLED_S
from tests.infra import npm, settings
from tests.infra.manifests import INFRA

TEXT = (INFRA / "compose.yaml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
each = pytest.mark.parametrize("name", SERVICES)


def _check(found):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name of the draft with https
        schema = json.loads(npm.compose_schema().read_text())
        jsonschema.Draft7Validator(schema).validate(found)


def test_it_fits_the_schema():
    _check(COMPOSE)
    with pytest.raises(jsonschema.ValidationError, match="imagine"):
        _check({"services": {"studio": {"imagine": "amadeus/studio"}}})


@pytest.mark.parametrize("name", ["studio", "practice"])
def test_a_studio_takes_its_environment(name, monkeypatch):
    service = SERVICES[name]
    assert service["environment"].keys() <= settings.read_names()
    config, told = settings.parse(["studio"], service["environment"], monkeypatch)
    host, port = config.model_server.split(":")
    assert host in SERVICES
    assert f"--port={port}" in SERVICES[host]["command"]
    rest_s = server.LINGER_S + server.UNWINDING_S + KILLED_S
    assert config.grace_s + rest_s < int(service["stop_grace_period"].rstrip("s"))
    if name == "studio":
        assert told["token_file"] is not None
        assert config.practices_here == 0
        assert service["ports"][0].endswith(f":{config.port}:{config.port}")
        assert service["ports"][1].endswith(f":{config.metrics_port}")
    else:
        assert config.host == "127.0.0.1"
        assert config.practices_here == 1


def test_tf_serving_reads_the_list_that_is_written():
    options = serving_parser().parse_args(SERVICES["tf-serving"]["command"])
    listing = SERVICES["listing"]
    assert listing["entrypoint"][1:] == ["-m", "serving.model_server.listing"]
    written = listing_parser().parse_args(listing["command"])
    assert str(written.output) == options.model_config_file
    assert listing["healthcheck"]["test"][-1] == options.model_config_file


def test_only_this_host_comes_in_unless_told_otherwise():
    for service in SERVICES.values():
        for port in service.get("ports", ()):
            assert re.match(r"127\.0\.0\.1:|\$\{AMADEUS_BIND:-127\.0\.0\.1\}:", port)
    assert COMPOSE["networks"]["inside"]["internal"]
    assert [n for n, s in SERVICES.items() if "outside" in s["networks"]] == ["studio"]


def test_root_of_the_database_comes_from_nowhere_else():
    assert SERVICES["mysql"]["environment"]["MARIADB_ROOT_HOST"] == "localhost"


@each
def test_every_service_is_restricted(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert any(place.startswith("/tmp:") for place in service["tmpfs"])


@each
def test_secrets_come_by_file_and_volumes_have_names(name):
    service = SERVICES[name]
    for secret in service.get("secrets", ()):
        assert secret in COMPOSE["secrets"]
    for key, value in service.get("environment", {}).items():
        assert not key.endswith(("TOKEN", "PASSWORD")) or value == "1"  # yes
        if key.endswith("_FILE"):
            assert value.removeprefix("/run/secrets/") in service["secrets"]
    for volume in service.get("volumes", ()):
        assert volume.split(":")[0] in COMPOSE["volumes"]
    for other in service.get("depends_on", ()):
        assert other in SERVICES
    ignored = (settings.ROOT / ".gitignore").read_text().splitlines()
    assert "infra/secrets/" in ignored
    for secret in COMPOSE["secrets"].values():
        assert secret["file"].startswith("./secrets/")
