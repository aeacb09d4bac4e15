"""What a studio teaches goes to the store that studios share, and what lives there is taught on from there."""

import asyncio
import contextlib
import json
import shutil
import threading

import grpc
import pytest

from amadeus.errors import StoreError
from amadeus.home import open_home
from amadeus.personality import content
from amadeus.stores import list_voices, publish_voice
from serving.studio import publishing
from serving.studio.practice_limits import PracticeLimits
from serving.studio.publishing import Publisher, Supplier
from serving.studio.shared_voices import SharedVoices
from tests.personality.conftest import bundle_bytes, voice_path  # noqa: F401
from tests.serving.studio.practising import (
    CONTENTS,
    WHOLE_S,
    States,
    configure,
    hold,
    let_go,
    studio,
    until,
)
from tests.serving.studio.stand_in_teacher import REFUSE
from tests.serving.studio.teaching import teach
from tests.serving.studio.test_shared_voices import Stage
from tests.serving.studio.test_tunings import BRIGHT, tuning
from tests.stores.voices import relative

LIMITS = PracticeLimits(patience_s=2.0, close_s=2.0, keep_s=1.0)


@pytest.fixture(scope="module")
def voices(bundle_bytes, tmp_path_factory):  # noqa: F811
    folder = tmp_path_factory.mktemp("voices")
    return [relative(bundle_bytes, seed, folder) for seed in (1, 2, 3)]


@pytest.fixture
def url(tmp_path):
    return str(tmp_path / "store")


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(publishing, "LOOK_S", 0.05)
    monkeypatch.setattr(publishing, "FIRST_PAUSE_S", 0.05)


def run(home, url, body, **commands):
    async def run_it():
        publisher = Publisher(home, url)
        async with studio(home, publisher=publisher, **commands) as found:
            found.publisher = publisher
            await body(found)

    asyncio.run(asyncio.wait_for(run_it(), WHOLE_S))


def teaches(home, voice):
    """Has the next practice make a copy of a voice."""
    home.path.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(home.path / "voice", ignore_errors=True)
    shutil.copytree(voice, home.path / "voice")


def digest_of(voice):
    return content.read_personality(voice).digest


def stored(url):
    return [(voice.deu, voice.generation, voice.digest) for voice in list_voices(url)]


def test_what_is_taught_is_published_in_order_and_once(home, url, voices):
    async def body(found):
        for voice in voices[:2]:
            teaches(home, voice)
            done = await found.practise(configure(CONTENTS), CONTENTS)
            assert done.session.state == States.STATE_SUCCEEDED
        await until(lambda: len(stored(url)) == 2)
        await until(lambda: found.publisher.publish_all())
        assert found.publisher.publish_all()

    run(home, url, body)
    assert stored(url) == [
        ("cello", number, digest_of(voice))
        for number, voice in enumerate(voices[:2], start=1)
    ]


@pytest.mark.cluster
def test_a_store_that_is_away_fails_no_practice_and_gets_it_later(
    home, url, tmp_path, voices, caplog
):
    (tmp_path / "store").write_text("in the way")
    kept = []

    async def teach_two(found):
        for voice in voices[:2]:
            teaches(home, voice)
            done = await found.practise(configure(CONTENTS), CONTENTS)
            assert done.session.state == States.STATE_SUCCEEDED
            kept.append(done.session.session_id)
        await until(lambda: found.publisher.remarks())
        (remark,) = found.publisher.remarks()
        assert "2 voices wait to be published" in remark
        await asyncio.sleep(0.5)  # for more tries

    run(home, url, teach_two, limits=LIMITS)
    assert caplog.text.count("is not published yet, and tried again") == 1
    (tmp_path / "store").unlink()

    async def wait(found):
        """Another studio, after a restart."""
        for session_id in kept:
            assert (await found.get(session_id)).state == States.STATE_SUCCEEDED
        await until(lambda: len(stored(url)) == 2)
        await until(lambda: not found.publisher.remarks())

    run(home, url, wait, limits=LIMITS)
    assert [digest for _, _, digest in stored(url)] == [
        digest_of(voice) for voice in voices[:2]
    ]


@pytest.mark.cluster
def test_what_waits_to_be_published_is_kept_beyond_its_time(home, url, voices):
    async def body(found):
        teaches(home, voices[0])
        found.publisher.close()
        done = await found.practise(configure(CONTENTS), CONTENTS)
        schedule = found.practices._schedule
        session_id = done.session.session_id
        schedule._is_old = lambda _session: True

        def is_kept():
            with schedule.store.locked():
                schedule._clean()
            return schedule.store.find(session_id) is not None

        assert is_kept()
        assert Publisher(home, url).publish_all()
        assert not is_kept()

    run(home, url, body)
    assert len(stored(url)) == 1


def test_who_asks_after_health_needs_no_home(home, url):
    publisher = Publisher(home, url)

    def away():
        raise PermissionError(13, "Permission denied")

    publisher._sessions.all = away
    assert publisher.remarks() == []


def test_knobs_are_published_too(home, url, voice_path):  # noqa: F811
    teach(home, voice_path)

    async def body(found):
        done = await found.practise(tuning(**BRIGHT), [])
        assert done.session.personality.generation == 2
        await until(lambda: stored(url))

    run(home, url, body)
    (voice,) = stored(url)
    assert voice[2] == digest_of(home.deu("cello").voice_path(2))


@pytest.mark.cluster
def test_what_made_nothing_publishes_nothing(home, url, voices):
    async def body(found):
        teaches(home, voices[0])
        refused = await found.practise(configure(CONTENTS, seed=REFUSE), CONTENTS)
        assert refused.session.state == States.STATE_FAILED
        hold(home)
        asked = configure(CONTENTS, deu="viola")
        async with found.attached(asked) as conversation:
            await conversation.send(CONTENTS)
            await conversation.read_until(lambda c: c.all("training_progress"))
            await found.cancel(conversation.session.session_id)
            await conversation.read_all()
        let_go(home)
        assert found.publisher.publish_all()

    run(home, url, body)
    assert stored(url) == []


@pytest.mark.cluster
def test_a_studio_without_a_store_marks_nothing(home, url, voices):
    async def teach_one():
        async with studio(home) as found:
            teaches(home, voices[0])
            await found.practise(configure(CONTENTS), CONTENTS)

    asyncio.run(asyncio.wait_for(teach_one(), WHOLE_S))
    assert Publisher(home, url).publish_all()
    assert stored(url) == []


@pytest.mark.cluster
def test_a_generation_that_is_gone_holds_nobody_up(home, url, voices, caplog):
    async def body(found):
        found.publisher.close()
        for voice in voices[:2]:
            teaches(home, voice)
            await found.practise(configure(CONTENTS), CONTENTS)

    run(home, url, body)
    shutil.rmtree(home.deu("cello").voices_path / "1")
    assert Publisher(home, url).publish_all()
    assert [digest for _, _, digest in stored(url)] == [digest_of(voices[1])]
    assert "generation 1 of cello is not published" in caplog.text


@pytest.mark.cluster
def test_what_holds_one_deu_up_holds_up_no_other(home, url, tmp_path, voices):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "cello").write_text("in the way")

    async def body(found):
        for deu in ("cello", "viola"):
            teaches(home, voices[0])
            done = await found.practise(configure(CONTENTS, deu=deu), CONTENTS)
            assert done.session.state == States.STATE_SUCCEEDED
        await until(lambda: "viola" in {voice.deu for voice in list_voices(url)})
        (remark,) = found.publisher.remarks()
        assert "1 voice waits to be published" in remark

    run(home, url, body)


# What lives in the store


@contextlib.contextmanager
def supplier(home, url):
    shared = SharedVoices(home, Stage(home), url)
    try:
        yield Supplier(shared.bring_newest, home, patience_s=60.0)
    finally:
        shared.close()


def test_a_practice_grows_from_the_newest_in_the_store(home, url, voices):
    for voice in voices[:2]:
        publish_voice(url, "cello", voice)
    teaches(home, voices[2])

    async def body(found):
        done = await found.practise(configure(CONTENTS), CONTENTS)
        assert done.session.personality.generation == 3
        await until(lambda: len(stored(url)) == 3)

    with supplier(home, url) as supplied:
        run(home, url, body, supplier=supplied)
    deu = home.deu("cello")
    (asked,) = deu.practices_path.glob("*/request.json")
    assert json.loads(asked.read_text())["parent_generation"] == 2
    assert deu.generations() == [2, 3]
    assert stored(url)[-1] == ("cello", 3, digest_of(voices[2]))


@pytest.mark.cluster
def test_knobs_of_a_deu_that_lives_in_the_store_are_turned_here(
    home, url, voices, tmp_path
):
    publish_voice(url, "cello", voices[0])

    async def body(found):
        done = await found.practise(tuning(**BRIGHT), [])
        assert done.session.personality.generation == 2
        await until(lambda: len(stored(url)) == 2)

    with supplier(home, url) as supplied:
        run(home, url, body, supplier=supplied)
    other = open_home(str(tmp_path / "other"))
    with supplier(other, url) as supplied:
        supplied.supply("cello")
    newest = other.deu("cello").voice_path()
    assert content.read_personality(newest).player_profile.brightness == 0.5


@pytest.mark.cluster
def test_a_store_that_is_away_stops_only_what_it_may_hold(home, url, voices):
    teaches(home, voices[0])
    shutil.copytree(voices[1], home.create_deu("cello").voices_path / "1")

    def refuse(_deu):
        raise StoreError("the store cannot be reached.")

    async def body(found):
        done = await found.practise(configure(CONTENTS), CONTENTS)
        assert done.session.state == States.STATE_SUCCEEDED
        with pytest.raises(grpc.aio.AioRpcError, match="cannot be reached") as caught:
            await found.practise(configure(CONTENTS, deu="viola"), CONTENTS)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

    run(home, url, body, supplier=Supplier(refuse, home))


def test_a_store_that_hangs_is_not_waited_for_beyond_patience(home, voices, caplog):
    shutil.copytree(voices[0], home.create_deu("cello").voices_path / "1")
    hanging = threading.Event()
    supplied = Supplier(lambda _deu: hanging.wait(60), home, patience_s=0.1)
    supplied.supply("cello")
    assert "cello practises from what is held here" in caplog.text
    with pytest.raises(StoreError, match=r"did not answer for 0\.1 s"):
        supplied.supply("viola")
    hanging.set()


def test_who_attaches_again_waits_for_no_store(home, url, voices):
    asked_for = []

    async def body(found):
        teaches(home, voices[0])
        asked = configure(CONTENTS, session_id="lesson")
        await found.practise(asked, CONTENTS)
        await found.attach("lesson")
        await found.practise(asked, [])
        assert asked_for == ["cello"]

    run(home, url, body, supplier=Supplier(asked_for.append, home))
