"""`practice imitate --runner kubeflow`: what is refused before a cluster hears of it."""

import pytest

from pipelines.kubeflow import client_practice
from tests.cli.pipeline.words import imitate

ROOT = "gs://bucket/amadeus"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--package", "nowhere.yaml"], "cannot read nowhere.yaml"),
        (["--package", "{takes}/a.wav"], "is no compiled practice"),
        (["--image", "amadeus:1"], "--image is compiled into"),
        (["--steps", "3"], "step_count=3 is compiled into"),
        (["--beam-arg=--x"], "--x is compiled into"),
        (["--parent", "first"], "--parent first is no generation"),
        (["--parent", "9" * 10], "is no generation"),
        (["--pipeline-root", "/tmp"], "is on this machine, which no container sees"),
        (["--metadata", "mysql://a:hunter2@h/d"], "--metadata holds a password"),
        (["--metadata", "mysql://a:/hunter2@h/d"], "--metadata holds a password"),
        (["--personalities", "ftp://x/y"], "is no store that Amadeus knows"),
        (["--studio", "localhost:8470"], "both a studio and a cluster"),
        (["--session", "x"], "both a studio and a cluster"),
        (["--token-file", "nowhere"], "the token file nowhere cannot be read"),
        (["--ca", "nowhere.pem"], "there is no file nowhere.pem"),
        (["--endpoint", "kubeflow"], "is no address of Kubeflow Pipelines"),
        (["--endpoint", "https://a:hunter2@b"], "holds a name or a password"),
        (["--endpoint", "http://localhost:1"], "nobody listens there"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(
    run, api, package, takes, options, sentence
):
    filled = [one.format(takes=takes.removeprefix("file://")) for one in options]
    status, said = run(*imitate(package, takes), *filled)
    assert status == 2
    assert sentence in said
    assert "hunter2" not in said
    assert said.count("amadeus: ") == 1
    assert api.runs == {}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["cello", "{takes}"], "no image was named"),
        (["cello", "{takes}", "--image", "a@sha256:0"], "no place for artifacts"),
        (["../cello", "{takes}"], "cannot name a deu"),
        (["viola", "{takes}"], "teaches cello and not viola"),
        (["cello", "{takes}/none"], "holds no recordings"),
        (["cello", "{takes}", "a.wav"], "a.wav is on this machine and other"),
        (["cello", "nowhere.wav"], "nowhere.wav"),
    ],
)
def test_what_cannot_be_practised_is_refused_before_anything_is_begun(
    run, api, package, takes, arguments, sentence
):
    filled = [one.format(takes=takes) for one in arguments]
    given = (
        [] if "image" in sentence or "artifacts" in sentence else ["--package", package]
    )
    status, said = run("practice", "imitate", *filled, "--runner", "kubeflow", *given)
    assert status == 2
    assert sentence in said
    assert api.runs == {}


@pytest.mark.parametrize(
    "option",
    ["--follow", "--endpoint=http://x", "--image=x", "--parent=1", "--insecure"],
)
def test_what_is_for_a_cluster_is_refused_without_one(run, api, home, option):
    home.create_deu("cello")
    status, said = run("practice", "imitate", "cello", "x.wav", option)
    assert status == 2
    assert f"{option.partition('=')[0]} was given without a cluster" in said


def test_a_wrong_file_of_resources_is_refused_before_recordings_are_sent(
    run, api, tmp_path, monkeypatch
):
    def send(*_):
        raise AssertionError("recordings were sent")

    monkeypatch.setattr(client_practice, "gather", send)
    resources = tmp_path / "resources.yaml"
    resources.write_text("defaults: {retrys: 1}")
    given = ("--image", "a@sha256:0", "--pipeline-root", ROOT, "--resources", resources)
    status, said = run(
        "practice", "imitate", "cello", "x.wav", "--runner", "kubeflow", *given
    )
    assert status == 2
    assert "'retrys', which is not known" in said


def test_a_token_is_shown_to_nobody_on_the_way_unless_the_ama_says_so(
    run, api, monkeypatch
):
    proxy = api.url.removesuffix("/pipeline")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, proxy)  # whoever stands on the way
    monkeypatch.setenv("AMADEUS_KFP_TOKEN", "hunter2")
    api.token = "hunter2"
    listing = ("pipeline", "runs", "--endpoint", "http://kubeflow.invalid/pipeline")
    status, said = run(*listing)
    assert status == 2
    assert "another machine and without TLS" in said
    assert "hunter2" not in said
    assert api.requests == []
    status, said = run(*listing, "--insecure")
    assert status == 0, said
    assert len(api.requests) == 1
