"""What an ama types where stores are meant, and what comes back."""

import io
import json
import secrets
import socket

import numpy as np
import pytest
import soundfile as sf

from amadeus.cli.main import main
from amadeus.home import Home, open_home
from amadeus.personality import holding
from amadeus.stores import list_voices, open_store
from amadeus.v1 import practice_pb2
from tests.personality.forging import contents, forge, rewritten
from tests.stores import emulators
from tests.stores.conftest import QUICK

RATE = 16_000


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setitem(open_store.__kwdefaults__, "patience", QUICK)


@pytest.fixture
def bucket(reach):
    environment = reach("s3")
    name = f"amadeus-{secrets.token_hex(6)}"
    emulators.make_bucket("s3", environment, name)
    return f"s3://{name}"


def sound(hz):
    time_s = np.arange(3 * RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * hz * time_s) + 0.1 * np.sin(4 * np.pi * hz * time_s)
    file = io.BytesIO()
    sf.write(file, tone.astype(np.float32), RATE, format="WAV")
    return file.getvalue()


@pytest.fixture
def takes(bucket):
    store = open_store(f"{bucket}/cello")
    for name, hz in (("第1番.wav", 220.0), ("deep/bourrée.wav", 330.0)):
        store.write(name, sound(hz))
    store.write("notes.txt", b"x")
    return store


def test_a_practice_takes_recordings_by_their_url(home, takes, monkeypatch, capsys):
    practices = []

    def follow(_home, _deu, practice_path):
        practices.append(practice_path)
        return 0

    monkeypatch.setattr("amadeus.cli.lesson.follow_lesson", follow)
    home.create_deu("cello")
    assert main(["practice", "imitate", "cello", takes.url, "--steps", "1"]) == 0
    from google.protobuf import json_format

    text = (practices[0] / "request.json").read_text()
    request = json_format.Parse(text, practice_pb2.ImitationRequest())
    assert sorted(request.recordings.name) == ["bourrée.wav", "第1番.wav"]
    for uri, name in zip(request.recordings.uri, request.recordings.name, strict=True):
        hz = {"第1番.wav": 220.0, "bourrée.wav": 330.0}[name]
        with open(uri, "rb") as file:
            assert file.read() == sound(hz)
        assert uri.startswith(str(home.recordings_path))
    assert "bringing 2 files" in capsys.readouterr().err


def test_listening_names_recordings_as_their_bucket_does(home, takes, capsys):
    assert main(["listen", "--json", f"{takes.url}/deep/bourrée.wav"]) == 0
    captured = capsys.readouterr()
    assert [take["name"] for take in json.loads(captured.out)["takes"]] == ["bourrée.wav"]  # fmt: skip


def say(capsys, *arguments):
    """Runs a command that cannot work, and hands back its one sentence."""
    assert main(list(arguments)) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert "Traceback" not in captured.err
    return lines[0]


def test_what_cannot_be_practised_with_is_one_sentence(
    home, bucket, monkeypatch, capsys
):
    home.create_deu("cello")

    def imitate(url):
        return say(capsys, "practice", "imitate", "cello", url)

    open_store(bucket).write("texts/notes.txt", b"x")
    assert "holds no recordings (1 other files)" in imitate(f"{bucket}/texts")
    assert "no bucket 'no-such-bucket'" in imitate("s3://no-such-bucket/cello")
    assert "no store that Amadeus knows" in imitate("ftp://somewhere/cello")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
    assert f"cannot be reached at http://127.0.0.1:{port}" in imitate(f"{bucket}/x")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    assert "AWS_ACCESS_KEY_ID" in imitate(f"{bucket}/x")
    assert "GOOGLE_APPLICATION_CREDENTIALS" in imitate("gs://bucket/x")
    assert "AWS_ENDPOINT_URL_S3" in imitate("minio://bucket/x")
    assert home.deu("cello").practices() == []


def test_a_home_in_a_bucket_is_refused(monkeypatch, capsys):
    assert "a home cannot lie" in say(capsys, "--home", "gs://b/home", "deu", "list")
    monkeypatch.setenv("AMADEUS_HOME", "s3://b/home")
    assert "a home cannot lie" in say(capsys, "deu", "list")


@pytest.fixture
def relative(bundle_bytes):
    def change(who):
        who["learner_profile"]["seed"] = 12

    return forge(rewritten(contents(bundle_bytes), change))


def test_a_voice_travels_by_a_bucket(
    home, bucket, bundle_bytes, relative, tmp_path, monkeypatch, capsys
):
    holding.hold(home, io.BytesIO(bundle_bytes))
    holding.hold(home, io.BytesIO(relative))
    url = f"{bucket}/voices"
    monkeypatch.setenv("AMADEUS_PERSONALITIES", url)
    assert main(["deu", "stored"]) == 0
    assert "no voice in" in capsys.readouterr().out
    assert main(["deu", "push", "cello", url, "--generation", "1"]) == 0
    assert capsys.readouterr().out == f"generation 1 of deu cello is at {url}/cello/1\n"
    assert main(["deu", "push", "cello"]) == 0
    assert main(["deu", "push", "cello"]) == 0
    assert capsys.readouterr().out.endswith(f"is at {url}/cello/2\n")
    assert main(["deu", "stored"]) == 0
    assert capsys.readouterr().out.count("cello  generation") == 2
    there = tmp_path / "there"
    monkeypatch.setenv("AMADEUS_HOME", str(there))
    # the newest under the number it has in the store, whatever came before
    assert main(["deu", "pull", "cello"]) == 0
    assert "is generation 2 of deu cello now" in capsys.readouterr().out
    assert main(["deu", "pull", "cello"]) == 0
    assert "is generation 2 of deu cello already" in capsys.readouterr().out
    assert main(["deu", "pull", "cello", "--generation", "1", "--as", "viola"]) == 0
    assert "is generation 1 of deu viola now" in capsys.readouterr().out
    digests = {voice.generation: voice.digest for voice in list_voices(url)}
    for name, generation in (("cello", 2), ("viola", 1)):
        deu = Home(there).deu(name)
        assert deu.current_generation() == generation
        path = deu.voice_path()
        found = holding.digest_of(holding.Holding(name, generation, path))
        assert found == digests[generation]


def test_who_cannot_be_pushed_or_pulled_is_one_sentence(home, bucket, monkeypatch, capsys):  # fmt: skip
    monkeypatch.delenv("AMADEUS_PERSONALITIES", raising=False)
    home.create_deu("cello")
    assert "set AMADEUS_PERSONALITIES" in say(capsys, "deu", "pull", "cello")
    assert "has no voice yet" in say(capsys, "deu", "push", "cello", bucket)
    assert "holds no voice of 'cello'" in say(capsys, "deu", "pull", "cello", bucket)
    assert "no deu 'viola'" in say(capsys, "deu", "push", "viola", bucket)


def test_numbers_of_a_store_are_kept_where_they_are_free(tmp_path, bundle_bytes, relative):  # fmt: skip
    home = open_home(str(tmp_path / "home"))
    first = holding.hold(home, io.BytesIO(bundle_bytes), generation=7)
    assert first.personality.generation == 7
    # taken: the next; and one that only comes along does not play
    second = holding.hold(home, io.BytesIO(relative), generation=7, plays=False)
    assert second.personality.generation == 8
    assert home.deu("cello").current_generation() == 7
