"""Where Kubeflow Pipelines are and how to get in."""

from pathlib import Path

import pytest

from amadeus.errors import ClusterError, ConfigError
from pipelines.kubeflow.client import Cluster
from pipelines.kubeflow.client_endpoint import Endpoint, find_endpoint
from pipelines.kubeflow.client_messages import Submission
from tests.pipelines.kubeflow.small_package import small_package
from tests.pipelines.kubeflow.stand_in import StandIn
from tests.serving.studio.certificates import Authority


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://localhost:8888", "http://localhost:8888"),
        ("https://kf.example.com/pipeline/", "https://kf.example.com/pipeline"),
        (
            "https://kf.example.com/_/pipeline/?ns=ama#/runs",
            "https://kf.example.com/pipeline",
        ),
        (
            "https://kf.example.com/pipeline/#/runs/details/1",
            "https://kf.example.com/pipeline",
        ),
        ("http://localhost:8888/apis/v2beta1", "http://localhost:8888"),
        (" http://localhost:8888/apis/ ", "http://localhost:8888"),
    ],
)
def test_an_address_out_of_a_browser_is_one(given, url):
    assert find_endpoint(given, environment={}).url == url


@pytest.mark.parametrize(
    "given",
    [
        *("kubeflow", "localhost:8888", "ftp://x", "http://", "http:///x"),
        *("http://[::1", "http://x:99999", "http://x:port/y"),
    ],
)
def test_what_is_no_address_is_refused(given):
    with pytest.raises(ConfigError, match="is no address"):
        find_endpoint(given, environment={})


@pytest.mark.parametrize(
    "given",
    ["https://a:hunter2@b", "https://a:hun/ter2@b", "a:hunter2@b", "ftp://a:hunter2@b"],
)
def test_a_password_in_an_address_is_refused_and_not_shown(given):
    with pytest.raises(ConfigError, match="holds a name or a password") as caught:
        find_endpoint(given, environment={})
    assert "ter2" not in str(caught.value)


def test_what_is_not_given_is_taken_from_the_environment(tmp_path):
    ca, token = tmp_path / "ca.pem", tmp_path / "token"
    ca.write_text("x")
    token.write_text("abc\n")
    environment = {
        "AMADEUS_KFP_ENDPOINT": "https://a",
        "AMADEUS_KFP_TOKEN_FILE": str(token),
        "AMADEUS_KFP_CA": str(ca),
        "KF_PIPELINES_UI_ENDPOINT": "https://pages/pipeline/",
    }
    endpoint = find_endpoint(environment=environment)
    assert (endpoint.url, endpoint.ca_path) == ("https://a", ca)
    assert endpoint.read_token() == "abc"
    assert endpoint.run_link("1") == "https://pages/pipeline/#/runs/details/1"
    given = find_endpoint(
        "https://b", environment={**environment, "KF_PIPELINES_UI_ENDPOINT": ""}
    )
    assert given.run_link("1") == "https://b/#/runs/details/1"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"a b", "holds spaces"),
        (b"\xff", "it is no text"),
        (None, "No such file"),
    ],
)
def test_a_token_file_that_holds_none_is_refused_without_its_words(
    tmp_path, content, sentence
):
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=sentence) as caught:
        find_endpoint("http://a", token_path=path, environment={})
    assert "a b" not in str(caught.value)


def test_two_tokens_are_refused():
    with pytest.raises(ConfigError, match="choose one"):
        find_endpoint(
            "http://a", token_path=Path("x"), environment={"AMADEUS_KFP_TOKEN": "y"}
        )


@pytest.mark.parametrize(
    "url", ["http://kubeflow.example.com", "http://10.0.0.7:8888", "http://[fd00::7]"]
)
def test_a_token_that_others_could_read_on_its_way_is_kept_back(url, tmp_path):
    (tmp_path / "token").write_text("hunter2")
    by_file = {"token_path": tmp_path / "token", "environment": {}}
    by_variable = {"environment": {"AMADEUS_KFP_TOKEN": "hunter2"}}
    for given in (by_file, by_variable):
        with pytest.raises(ConfigError, match="without TLS") as caught:
            find_endpoint(url, **given)
        assert "hunter2" not in str(caught.value)
        assert find_endpoint(url, insecure=True, **given).read_token() == "hunter2"
    assert find_endpoint(url, environment={}).read_token() == ""


@pytest.mark.parametrize(
    "url",
    ["http://localhost:8888", "http://127.0.0.9", "http://[::1]:1", "https://10.0.0.7"],
)
def test_a_token_travels_within_this_machine_and_under_tls(url):
    token = {"AMADEUS_KFP_TOKEN": "hunter2"}
    assert find_endpoint(url, environment=token).read_token() == "hunter2"


def test_a_token_is_never_printed():
    assert "hunter2" not in repr(Endpoint(url="http://a", token="hunter2"))


def test_a_token_is_shown_with_every_request():
    with StandIn() as api:
        api.token = "right"
        run = Submission(name="run", pipeline=small_package().pipeline)
        Cluster(Endpoint(url=api.url, token="right")).begin(run)
        for wrong in ("", "wrong"):
            with pytest.raises(ClusterError, match="do not let you in"):
                Cluster(Endpoint(url=api.url, token=wrong)).begin(run)
        assert len(api.runs) == 1


def test_certificates_are_checked_against_the_authorities_that_were_named(tmp_path):
    authority, other = (Authority(tmp_path, name) for name in ("ours", "another"))
    with StandIn(tls=authority.issue("server")) as api:
        trusting = Endpoint(url=api.url, ca_path=authority.ca.cert_path)
        assert Cluster(trusting).runs("amadeus", 1) == []
        for ca_path in (None, other.ca.cert_path):
            doubting = Endpoint(url=api.url, ca_path=ca_path)
            with pytest.raises(ClusterError, match="name its authorities with --ca"):
                Cluster(doubting).runs("amadeus", 1)


def test_a_proxy_that_the_environment_names_is_used_for_what_lies_beyond(monkeypatch):
    for variable in ("no_proxy", "NO_PROXY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with StandIn() as api:
        proxy = api.url.removesuffix("/pipeline")
        monkeypatch.setenv("http_proxy", proxy)
        Cluster(Endpoint(url="http://kubeflow.invalid/pipeline")).runs("amadeus", 1)
        assert api.asked("experiment_service_list_experiments") == [None]
        monkeypatch.setenv("http_proxy", "http://localhost:1")
        Cluster(Endpoint(url=api.url)).runs("amadeus", 1)  # is at home
        monkeypatch.setenv("no_proxy", "invalid")
        with pytest.raises(ClusterError, match="no machine has this name"):
            Cluster(Endpoint(url="http://kubeflow.invalid")).runs("amadeus", 1)
