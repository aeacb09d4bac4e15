"""A studio that shares a store of voices with others."""

import contextlib
import threading
from concurrent.futures import wait

import pytest

from amadeus.errors import BundleError, NotHeldError, StoreError
from amadeus.home import open_home
from amadeus.personality import content
from amadeus.stores import open_store, publish_voice
from amadeus.stores.paths import PathStore
from amadeus.v1 import personality_pb2
from serving.studio import shared_voices
from serving.studio.shared_voices import SharedVoices
from tests.personality.conftest import bundle_bytes, voice_path  # noqa: F401
from tests.stores.voices import relative

Reference = personality_pb2.PersonalityReference


class Stage:
    """Plays nothing; says which voice it would have played."""

    def __init__(self, home):
        self.home = home
        self.is_closed = False

    def acquire(self, reference):
        named = reference.generation
        if reference.WhichOneof("reference") == "digest":
            return reference.digest
        path = self.home.deu(named.deu).voice_path(named.generation or None)
        return content.read_personality(path).digest

    def current(self, deu):
        return self.home.deu(deu).current_generation()

    def close(self):
        self.is_closed = True


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture(scope="module")
def voices(bundle_bytes, tmp_path_factory):  # noqa: F811
    folder = tmp_path_factory.mktemp("voices")
    return [relative(bundle_bytes, seed, folder) for seed in (1, 2, 3)]


@pytest.fixture
def url(tmp_path):
    return str(tmp_path / "store")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def studio(tmp_path, url, clock):
    with contextlib.ExitStack() as stack:

        def make(name="home"):
            home = open_home(str(tmp_path / name))
            shared = SharedVoices(home, Stage(home), url, period_s=10, clock=clock)
            stack.callback(shared.close)
            return shared, home

        yield make


def digest_of(voice):
    return content.read_personality(voice).digest


def ask(deu, generation=0):
    named = personality_pb2.GenerationReference(deu=deu, generation=generation)
    return Reference(generation=named)


def test_a_voice_is_brought_when_somebody_asks_for_it(studio, url, voices):
    for voice in voices[:2]:
        publish_voice(url, "cello", voice)
    shared, home = studio()
    assert shared.acquire(ask("cello")) == digest_of(voices[1])
    deu = home.deu("cello")
    assert (deu.generations(), deu.current_generation()) == ([2], 2)
    # an older one comes along and does not take over
    assert shared.acquire(ask("cello", 1)) == digest_of(voices[0])
    assert (deu.generations(), deu.current_generation()) == ([1, 2], 2)


def test_a_digest_is_found_under_whichever_deu_it_lies(studio, url, voices):
    publish_voice(url, "viola", voices[0])
    shared, home = studio()
    digest = digest_of(voices[0])
    assert shared.acquire(Reference(digest=digest)) == digest
    assert home.deu("viola").generations() == [1]


def test_studios_that_share_a_store_count_alike(studio, url, voices):
    for voice in voices:
        publish_voice(url, "cello", voice)
    for name, order in (("one", (3, 1, 2)), ("two", (0, 2, 1))):
        shared, home = studio(name)
        for generation in order:
            shared.acquire(ask("cello", generation))
        found = [digest_of(home.deu("cello").voice_path(n)) for n in (1, 2, 3)]
        assert found == [digest_of(voice) for voice in voices]


def test_a_newer_one_is_noticed_within_its_period_and_a_checkout_stays(
    studio, url, voices, clock, monkeypatch
):
    publish_voice(url, "cello", voices[0])
    shared, home = studio()
    shared.acquire(ask("cello"))
    looks, submit = [], shared._pool.submit
    monkeypatch.setattr(
        shared._pool, "submit", lambda *call: looks.append(submit(*call))
    )

    def current(after_s):
        clock.now_s += after_s
        shared.current("cello")
        wait(looks, 60)
        return shared.current("cello")

    assert current(after_s=0) == 1
    publish_voice(url, "cello", voices[1])
    assert current(after_s=9) == 1
    assert current(after_s=2) == 2
    home.deu("cello").point_to(1)
    for _ in range(3):
        assert current(after_s=11) == 1
    publish_voice(url, "cello", voices[2])
    assert current(after_s=11) == 3


def test_looks_for_one_deu_do_not_queue_up(studio, url, voices, clock, monkeypatch):
    """A store that swallows all for an hour is not asked for an hour of looks afterwards."""
    publish_voice(url, "cello", voices[0])
    shared, _ = studio()
    shared.acquire(ask("cello"))
    looks, submit, is_back = [], shared._pool.submit, threading.Event()
    plain = shared_voices.list_voices

    def slow(*asked):
        assert is_back.wait(60)
        return plain(*asked)

    monkeypatch.setattr(shared_voices, "list_voices", slow)
    monkeypatch.setattr(
        shared._pool, "submit", lambda *call: looks.append(submit(*call))
    )
    for _ in range(5):
        clock.now_s += 11
        shared.current("cello")
    assert len(looks) == 1
    is_back.set()
    wait(looks, 60)
    clock.now_s += 11
    shared.current("cello")
    assert len(looks) == 2


def test_an_old_list_does_not_come_after_a_newer_one(studio, url, voices, monkeypatch):
    """A list that a bad way held up would bring an older voice to play."""
    publish_voice(url, "cello", voices[0])
    shared, _ = studio()
    plain, alone = shared_voices.list_voices, []

    def listed(*asked):
        alone.append(shared._bringing.locked())
        return plain(*asked)

    monkeypatch.setattr(shared_voices, "list_voices", listed)
    shared._look("cello")
    assert alone == [True]


def test_many_who_ask_at_once_bring_it_once(studio, url, voices, monkeypatch):
    publish_voice(url, "cello", voices[0])
    shared, _ = studio()
    downloads, heard = [], []
    plain = PathStore.download

    def download(self, key, path, **options):
        downloads.append(key)
        return plain(self, key, path, **options)

    monkeypatch.setattr(PathStore, "download", download)
    threads = [
        threading.Thread(target=lambda: heard.append(shared.acquire(ask("cello", 1))))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == [digest_of(voices[0])] * 6
    assert len(downloads) == 1


def test_a_store_that_is_gone_takes_nothing_away(studio, url, voices, clock, monkeypatch):  # fmt: skip
    publish_voice(url, "cello", voices[0])
    shared, _ = studio()
    shared.acquire(ask("cello"))

    def refuse(*_):
        raise StoreError("it cannot be reached")

    plain = PathStore.list
    monkeypatch.setattr(PathStore, "list", refuse)
    clock.now_s += 11
    assert shared.current("cello") == 1
    assert shared.acquire(ask("cello")) == digest_of(voices[0])
    with pytest.raises(StoreError, match="cannot be reached"):
        shared.acquire(ask("viola"))
    monkeypatch.setattr(PathStore, "list", plain)
    publish_voice(url, "viola", voices[1])
    assert shared.acquire(ask("viola")) == digest_of(voices[1])  # at once


def test_what_must_not_be_played_is_not_brought_again_and_again(
    studio, url, voices, clock
):
    publish_voice(url, "cello", voices[0])
    store = open_store(url)
    (bundle,) = [e.key for e in store.list() if e.key.endswith(".deu")]
    store.write(bundle, b"nonsense")
    shared, home = studio()
    with pytest.raises(BundleError):
        shared.acquire(ask("cello"))
    assert home.deus() == []
    for _ in range(3):
        clock.now_s += 11
        with pytest.raises(NotHeldError, match="there is no deu"):
            shared.acquire(ask("cello"))


def test_it_closes_what_it_wraps(studio):
    shared, _ = studio()
    shared.close()
    assert shared._voices.is_closed
