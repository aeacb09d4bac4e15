"""Voices in stores: numbers that nobody shares, and content that is looked at before it plays."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from amadeus.errors import BundleError, ConfigError, NotHeldError, StoreError
from amadeus.personality import content
from amadeus.personality.bundle import BundleLimits, write_bundle
from amadeus.stores import (
    fetch_voice,
    find_voice,
    list_voices,
    open_store,
    publish_voice,
)
from amadeus.stores.paths import PathStore
from amadeus.stores.personalities import CLAIM_NAME, _claim, _Shelf
from tests import processes
from tests.personality.forging import contents, forge
from tests.stores.interrupted import interrupt
from tests.stores.voices import relative

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def voices(bundle_bytes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("voices")
    return [relative(bundle_bytes, seed, folder) for seed in (1, 2, 3, 4)]


def digest_of(voice_path):
    return content.read_personality(voice_path).digest


def key_of(voice_path, number):
    return f"cello/{number}/{digest_of(voice_path).removeprefix('sha256:')}.deu"


def test_a_voice_comes_back_as_it_went(url, voices, tmp_path):
    uri = publish_voice(url, "cello", voices[0])
    assert uri == f"{url}/cello/1"
    who = fetch_voice(url, "cello", 1, tmp_path / "back")
    assert (who.deu, who.generation, who.digest) == ("cello", 1, digest_of(voices[0]))
    for name in ("saved_model.pb", "variables/variables.data-00000-of-00001"):
        there = (voices[0] / name).read_bytes()
        assert (tmp_path / "back" / name).read_bytes() == there


def test_numbers_count_up_and_the_same_voice_keeps_its_own(url, voices, tmp_path):
    first, second = (publish_voice(url, "cello", voice) for voice in voices[:2])
    assert (first, second) == (f"{url}/cello/1", f"{url}/cello/2")
    assert publish_voice(url, "cello", voices[0]) == first
    assert publish_voice(url, "viola", voices[0]) == f"{url}/viola/1"
    found = [(v.deu, v.generation, v.digest) for v in list_voices(url)]
    one, two = map(digest_of, voices[:2])
    assert found == [("cello", 1, one), ("cello", 2, two), ("viola", 1, one)]
    assert [v.generation for v in list_voices(url, "cello")] == [1, 2]
    assert find_voice(url, "cello").generation == 2
    assert fetch_voice(url, "cello", None, tmp_path / "newest").digest == two


def test_who_is_not_there_is_said_to_be_not_there(url, voices, tmp_path):
    with pytest.raises(NotHeldError, match=r"holds no voice of 'cello'.*deu push"):
        fetch_voice(url, "cello", None, tmp_path / "x")
    publish_voice(url, "cello", voices[0])
    with pytest.raises(NotHeldError, match="no generation 7 of 'cello': there are 1"):
        fetch_voice(url, "cello", 7, tmp_path / "x")
    with pytest.raises(ConfigError, match="cannot name a deu"):
        publish_voice(url, "../cello", voices[0])
    assert not (tmp_path / "x").exists()


def test_publishers_never_share_a_number(url):
    """Many threads, each with a store of its own, take numbers for voices of their own."""
    taken, failed = [], []
    start = threading.Barrier(6)

    def publish(n):
        try:
            store = open_store(url)
            start.wait(60)
            for m in range(4):
                shelf = _Shelf.of(store, "cello")
                taken.append(_claim(store, "cello", f"sha256:{n}{m}", shelf))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=publish, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sorted(taken) == list(range(1, 25))


def test_publishers_of_the_same_voice_share_one(url):
    """As where a step of a cluster is tried again while its first try still goes on."""
    store = open_store(url)
    before = _Shelf.of(store, "cello")
    assert _claim(store, "cello", "sha256:a", before) == 1
    assert _claim(store, "cello", "sha256:a", before) == 1
    assert _claim(store, "cello", "sha256:b", before) == 2
    assert _claim(store, "cello", "sha256:a", before) == 1


_PUBLISH = """
import sys
from pathlib import Path
from amadeus.stores import publish_voice
print(publish_voice(sys.argv[1], "cello", Path(sys.argv[2])))
"""


@pytest.mark.cluster
def test_processes_publish_at_once_and_none_is_lost(reach, url, voices):
    scheme = url.partition(":")[0] if "://" in url else "file"
    publishers = [
        processes.start(
            [sys.executable, "-c", _PUBLISH, url, str(voice)],
            env=reach(scheme), cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )
        for voice in voices
    ]  # fmt: skip
    uris = [publisher.communicate(timeout=240)[0].strip() for publisher in publishers]
    assert {publisher.returncode for publisher in publishers} == {0}
    assert sorted(uris) == [f"{url}/cello/{n}" for n in (1, 2, 3, 4)]
    held = {voice.uri: voice.digest for voice in list_voices(url, "cello")}
    assert held == dict(zip(uris, map(digest_of, voices), strict=True))


@pytest.mark.parametrize(
    ("url", "unit", "limit"),
    [
        ("file", "steps", 6),
        *(
            pytest.param(*point, marks=pytest.mark.cluster)
            for point in [
                *(("file", "steps", n) for n in (1, 2, 3, 5, 8)),
                *((s, "bytes", n) for s in ("gs", "s3") for n in (1_500, 20_000)),
            ]
        ),
    ],
    indirect=["url"],
)
def test_a_publisher_that_is_killed_leaves_no_half_voice(
    reach, url, unit, limit, voices, tmp_path
):
    scheme = url.partition(":")[0] if "://" in url else "file"
    assert interrupt(voices[0], url, unit, limit, reach(scheme))
    assert list_voices(url) == []
    numbers = _Shelf.of(open_store(url), "cello").numbers
    assert numbers <= {1}
    # another voice passes over what was taken, and the same one takes it up again
    other = publish_voice(url, "cello", voices[1])
    assert other == f"{url}/cello/{2 if numbers else 1}"
    again = publish_voice(url, "cello", voices[0])
    assert again == f"{url}/cello/{1 if numbers else 2}"
    for number in (1, 2):
        fetch_voice(url, "cello", number, tmp_path / str(number))


def test_what_a_stranger_put_there_is_not_played(tmp_path, voices, bundle_bytes):
    url = str(tmp_path / "store")
    publish_voice(url, "cello", voices[0])
    store = open_store(url)
    key = key_of(voices[0], 1)
    whole = store.read(key, max_bytes=10**8)
    graph = dict(contents(whole))
    graph["saved_model.pb"] = graph["saved_model.pb"].replace(b"AddV2", b"ReadF")
    for data, why in (
        (bundle_bytes, "holds another personality than its name says"),
        (whole[:-1000], "damaged"),
        (b"", "damaged"),
        (forge(graph), "not that of a voice"),
    ):
        store.write(key, data)
        with pytest.raises(BundleError, match=why):
            fetch_voice(url, "cello", 1, tmp_path / "back")
        assert not (tmp_path / "back").exists()
    store.write(key, whole)
    with pytest.raises(StoreError, match="at most 1000 are taken"):
        fetch_voice(url, "cello", 1, tmp_path / "back", limits=BundleLimits(max_bundle_bytes=1000))  # fmt: skip
    fetch_voice(url, "cello", 1, tmp_path / "back")


def test_what_is_no_voice_is_passed_over(tmp_path, voices):
    store = open_store(tmp_path)
    for key in ("README", "cello/notes.txt", "cello/0/claim.json", "Cello/1/claim.json",
                "cello/01/claim.json", "cello/x/" + "0" * 64 + ".deu"):  # fmt: skip
        store.write(key, b"{}")
    assert list_voices(str(tmp_path)) == []
    store.write(f"cello/3/{CLAIM_NAME}", b"nonsense")
    assert publish_voice(str(tmp_path), "cello", voices[0]) == f"{tmp_path}/cello/4"


def test_a_server_that_ignores_conditions_is_refused(tmp_path, voices):
    class Careless(PathStore):
        def write(self, key, data, *, only_new=False):
            super().write(key, data)

    with pytest.raises(StoreError, match="cannot keep two publishers apart"):
        publish_voice(Careless(tmp_path / "store"), "cello", voices[0])
    assert list_voices(str(tmp_path / "store")) == []


def test_a_bundle_of_before_is_a_voice_of_now(tmp_path, voices):
    """What lies in a store is the bundle that `deu export` writes, byte by byte."""
    publish_voice(str(tmp_path / "store"), "cello", voices[0])
    write_bundle(voices[0], tmp_path / "cello.deu")
    stored = tmp_path / "store" / key_of(voices[0], 1)
    assert stored.read_bytes() == (tmp_path / "cello.deu").read_bytes()
