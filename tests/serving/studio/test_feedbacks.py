"""Feedback over gRPC: takes go up like recordings, are judged by a worker, and the network practises after that."""

import asyncio
import hashlib
import io
import json
import shutil

import grpc
import numpy as np
import pytest
import soundfile as sf
from google.protobuf import json_format

from amadeus.audio.write import write_wav
from amadeus.cli.worker import worker_command
from amadeus.personality.content import read_personality, write_personality
from amadeus.personality.profiles import parse_player_settings
from amadeus.play.perform import perform_score
from amadeus.play.record import encode
from amadeus.v1 import practice_pb2, session_pb2
from serving.studio import audition, feedbacks
from serving.studio.schedule import audition_command
from serving.studio.session_events import name_recordings
from serving.studio.sessions import SessionStore
from tests.export.voices import SMALL, write_voice
from tests.serving.studio.practising import States, hold, starts, studio, until
from tests.serving.studio.teaching import teach

STARTS_S = (0.0, 1.6, 3.2)


@pytest.fixture(scope="module")
def voice_path(tmp_path_factory):
    return write_voice(tmp_path_factory.mktemp("voice") / "1", **SMALL)


@pytest.fixture
def taught(home, voice_path):
    return teach(home, voice_path)


@pytest.fixture(scope="module")
def takes(voice_path, tmp_path_factory):
    """Two takes of the cello, a dark and a bright one, as bytes."""
    from amadeus.voice.player import Voice
    from tests.cli.test_feedback import SCORE

    folder, voice = tmp_path_factory.mktemp("takes"), Voice.load(voice_path)
    contents = []
    for brightness in (-0.4, 0.4):
        profile = parse_player_settings([f"brightness={brightness}"])
        audio, rate, _, record = perform_score(voice, SCORE, player_profile=profile)
        path = folder / f"{brightness}.wav"
        write_wav(path, audio, sample_rate=rate, record=encode(record))
        contents.append(path.read_bytes())
    return contents


def marks():
    return [
        practice_pb2.JudgedRegion(
            take_index=take, start_s=start_s, end_s=start_s + 1.5, good=take == 0
        )
        for take in (0, 1)
        for start_s in STARTS_S
    ]


def feedback(contents, *, deu="cello", session_id="", regions=None, **fields):
    return session_pb2.PracticeConfiguration(
        session_id=session_id,
        deu=deu,
        recordings=[
            session_pb2.RecordingInfo(
                name=f"take {n}.wav",
                byte_size=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
            )
            for n, content in enumerate(contents)
        ],
        feedback=session_pb2.FeedbackConfiguration(
            regions=marks() if regions is None else regions, **fields
        ),
        send_personality=True,
    )


def practise(home, body, limits=None, *, patience_s=150, **commands):
    async def run():
        async with studio(home, limits, **commands) as found:
            await body(found)

    asyncio.run(asyncio.wait_for(run(), patience_s))


@pytest.mark.slow
def test_takes_are_judged_and_the_voice_comes_back(home, taught, takes):
    """The real coach and the real judge."""

    async def body(found):
        asked = feedback(takes, player_only=True, note="too harsh")
        async with found.attached(asked) as conversation:
            await conversation.send(takes)
            while await asyncio.wait_for(conversation.call.read(), 200) is not (
                grpc.aio.EOF
            ):
                pass
        done = await found.attach(conversation.session.session_id)
        assert done.session.state == States.STATE_SUCCEEDED, done.session.failure
        assert done.session.personality.player_profile.brightness < -0.05
        (judged,) = done.all("judged")
        assert any("darker by" in line for line in judged.lines)
        assert "cello plays generation 2 now" in "".join(judged.lines)
        assert str(home.path) not in "".join(judged.lines)
        assert [change.knob for change in judged.changes] == ["brightness"]
        assert not judged.HasField("taste"), "the network was to stay as it is"
        (finished,) = done.all("finished")
        assert (finished.generation, finished.is_new) == (2, True)

    practise(
        home,
        body,
        patience_s=280,
        practice_command=worker_command,
        listen_command=lambda path: audition_command(path, audio_minutes=5),
    )
    assert taught.current_generation() == 2
    child = read_personality(taught.voice_path(2))
    assert child.parent_digest == read_personality(taught.voice_path(1)).digest
    from amadeus.lineage import generations_of

    assert [r.kind for r in generations_of(home, taught)][-1] == "feedback"


def test_the_network_practises_what_is_liked_in_the_same_session(
    home, taught, takes, voice_path
):
    (home.path / "voice").symlink_to(voice_path)  # what the stand-in hands out

    async def body(found):
        done = await found.practise(feedback(takes, session_id="mine"), takes)
        assert done.session.state == States.STATE_SUCCEEDED
        assert done.session.personality.generation == 3
        assert len(done.all("judged")) == 1
        (finished,) = done.all("finished")  # the first of two is no end
        assert (finished.generation, finished.is_new) == (3, True)
        assert not done.all("warning")
        again = await found.attach("mine")
        assert again.events == done.events

    practise(home, body)
    learned = practice_pb2.FeedbackRequest()
    requests = [p / "request.json" for p in taught.practices()]
    (text,) = [r.read_text() for r in requests if '"taste"' in r.read_text()]
    json_format.Parse(text, learned)
    assert [t.trait for t in learned.taste.traits] == ["brightness_octaves"]
    assert learned.parent_generation == 2
    assert list(learned.recordings.name) == ["élégie.wav"]
    assert learned.learner_profile.training_minutes == feedbacks.MINUTES
    assert len(starts(home)) == 2


def test_a_feedback_that_is_cancelled_while_the_network_practises_leaves_nothing(
    home, taught, takes, voice_path
):
    """All or nothing: the knobs are turned back with it, unless somebody chose a generation meanwhile."""
    (home.path / "voice").symlink_to(voice_path)
    hold(home, name="hold-network")

    async def body(found):
        asked = feedback(takes, session_id="mine")
        async with found.attached(asked) as conversation:
            await conversation.send(takes)
            await until(lambda: len(starts(home)) == 2)
            assert taught.current_generation() == 2
            await found.cancel("mine")
            await conversation.read_all()
        done = await found.get("mine")
        assert done.state == States.STATE_CANCELLED
        assert done.personality.generation == 1

    practise(home, body, patience_s=150)
    assert taught.current_generation() == 1
    assert taught.generations() == [1, 2], "it can be checked out all the same"


def test_a_choice_made_meanwhile_outlives_a_cancelled_feedback(
    home, taught, takes, voice_path
):
    (home.path / "voice").symlink_to(voice_path)
    shutil.copytree(taught.voice_path(1), taught.voices_path / "9")
    hold(home, name="hold-network")

    async def body(found):
        taught.point_to(1)
        async with found.attached(feedback(takes, session_id="mine")) as conversation:
            await conversation.send(takes)
            await until(lambda: len(starts(home)) == 2)
            taught.point_to(9)
            await found.cancel("mine")
            await conversation.read_all()

    practise(home, body, patience_s=150)
    assert taught.current_generation() == 9


def test_knobs_alone_are_turned_where_nothing_else_is_wanted(home, taught, takes):
    """What a judge likes is not asked for again: he is told by the request to leave the network alone."""

    async def body(found):
        await found.practise(feedback(takes, player_only=True), takes)

    practise(home, body)
    judging = next(p for p in taught.practices() if p.name != "p0")
    assert '"player_only": true' in (judging / "request.json").read_text()


@pytest.mark.parametrize(
    ("change", "code", "sentence"),
    [
        ({"deu": "tuba"}, "NOT_FOUND", "no deu 'tuba'"),
        ({"deu": "viola"}, "NOT_FOUND", "no voice yet"),
        ({"regions": []}, "INVALID_ARGUMENT", "nothing is marked"),
        ({"regions": [(0, 2.0, 1.0)]}, "INVALID_ARGUMENT", "ends before it starts"),
        ({"regions": [(0, 1.0, 1.01)]}, "INVALID_ARGUMENT", "a note or more"),
        ({"regions": [(7, 1.0, 2.0)]}, "INVALID_ARGUMENT", "names take 8"),
        ({"regions": [(-1, 1.0, 2.0)]}, "INVALID_ARGUMENT", "names take 0"),
        ({"regions": [(0, float("nan"), 2.0)]}, "INVALID_ARGUMENT", "no moment"),
        ({"regions": [(0, 1.0, float("nan"))]}, "INVALID_ARGUMENT", "no moment"),
        ({"regions": [(0, 0, 1)] * 1001}, "INVALID_ARGUMENT", "at most 1000"),
        ({"note": "x" * 501}, "INVALID_ARGUMENT", "say it in 500"),
        ({"training_minutes": -1.0}, "INVALID_ARGUMENT", "cannot be"),
        ({"training_minutes": float("nan")}, "INVALID_ARGUMENT", "cannot be"),
        ({"training_minutes": 1e9}, "RESOURCE_EXHAUSTED", "training_minutes"),
        ({"step_count": 900_000_000}, "RESOURCE_EXHAUSTED", "step_count"),
    ],
)
def test_what_cannot_be_judged_is_refused_at_the_door(
    home, taught, change, code, sentence
):
    home.create_deu("viola")
    fields = dict(change)
    if "regions" in fields:
        fields["regions"] = [
            practice_pb2.JudgedRegion(take_index=take, start_s=start_s, end_s=end_s)
            for take, start_s, end_s in fields["regions"]
        ]

    async def body(found):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await found.practise(feedback([b"one", b"two"], **fields), [])
        assert caught.value.code().name == code, caught.value.details()
        assert sentence in caught.value.details()
        assert not (await found.list()).sessions

    practise(home, body)


def test_a_take_sent_twice_and_profiles_are_refused(home, taught):
    async def body(found):
        twice = feedback([b"one", b"one"])
        with_profile = feedback([b"one", b"two"])
        with_profile.learner_profile.step_count = 1
        for asked, sentence in (
            (twice, "is sent twice"),
            (with_profile, "leave the profile to imitations"),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await found.practise(asked, [])
            assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert sentence in caught.value.details()

    practise(home, body)


def test_a_session_is_attached_to_by_the_same_feedback_only(home, taught):
    contents = [b"unteachable one", b"two"]

    async def body(found):
        asked = feedback(contents, session_id="mine")
        async with found.attached(asked) as conversation:
            assert list(conversation.session.held_byte_counts) == [0, 0]
            async with found.attached(asked):
                pass
            other = feedback(contents, session_id="mine", note="else")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await found.practise(other, [])
            assert caught.value.code() == grpc.StatusCode.ALREADY_EXISTS
            assert "judges otherwise" in caught.value.details()

    practise(home, body)


def write_session(home, contents, **fields):
    """A session whose takes are all there."""
    asked = feedback(contents, session_id="mine", **fields)
    session = SessionStore(home.sessions_path).create(asked)
    for info, content in zip(asked.recordings, contents, strict=True):
        (home.recordings_path / info.sha256).write_bytes(content)
    return session


def another_deu(home, voice_path):
    """A deu that plays the same, and is another."""
    deu = home.create_deu("viola")
    shutil.copytree(voice_path, deu.voices_path / "1")
    who = read_personality(deu.voice_path(1))
    who.digest = f"sha256:{0:064x}"
    write_personality(deu.voice_path(1), who)
    return deu


def rendered(samples):
    file = io.BytesIO()
    sf.write(file, samples, 16_000, format="WAV")
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("viola", "was played by cello, not by viola"),
        ("silence", "take 0.wav is silent"),
        ("beyond", "lies outside take 0.wav, which lasts"),
        ("overlap", "overlap"),
        ("text", "take 0.wav"),
    ],
)
def test_the_coach_says_in_a_sentence_what_cannot_be_judged(
    home, taught, takes, voice_path, kind, sentence
):
    contents, regions, deu = list(takes), marks(), "cello"
    if kind == "viola":
        deu = another_deu(home, voice_path).name
    elif kind == "silence":
        contents[0] = rendered(np.zeros(48_000))
    elif kind == "text":
        contents[0] = b"no sound at all" * 99
    elif kind == "beyond":
        regions[0].start_s, regions[0].end_s = 50.0, 60.0
    else:
        regions[1].start_s = 0.5
    session = write_session(home, contents, regions=regions, deu=deu)
    assert audition.main([str(session.path), "--audio-minutes=5"]) == 0
    judgement = json.loads((session.path / audition.JUDGEMENT_NAME).read_text())
    told = name_recordings(judgement["refusal"], session, home)
    assert sentence in told
    assert str(home.path) not in told
    assert told.count("\n") == 0


def test_a_judge_that_was_killed_is_followed_by_one_who_finds_what_he_made(
    home, taught, takes, voice_path
):
    """Killed when the generation was in its place and nothing else was done."""
    from pipelines import judging

    place = killed_judge(home, taught, takes, voice_path)
    assert judging.is_asked(place)
    finished = judging.run(place)
    assert (finished.generation, finished.is_new) == (2, True)
    assert taught.current_generation() == 2
    assert taught.generations() == [1, 2]


def test_what_a_judge_made_who_was_killed_long_ago_is_not_brought_back(
    home, taught, takes, voice_path, monkeypatch
):
    from pipelines import judging

    class JudgesAnewError(Exception):
        pass

    def judge_anew(*_):
        raise JudgesAnewError

    place = killed_judge(home, taught, takes, voice_path)
    shutil.copytree(voice_path, taught.voices_path / "3")
    who = read_personality(taught.voices_path / "3")
    who.practice, who.generation, who.digest = "later", 3, f"sha256:{3:064x}"
    write_personality(taught.voices_path / "3", who)
    taught.point_to(3)
    monkeypatch.setattr(judging, "_judge", judge_anew)
    with pytest.raises(JudgesAnewError):
        judging.run(place)
    assert taught.current_generation() == 3


def killed_judge(home, taught, takes, voice_path):
    """A practice that follows one whose judge was killed when the generation was in its place."""
    from pipelines.place import find_place

    session = write_session(home, takes)
    paths = [home.recordings_path / info.sha256 for info in session.configuration.recordings]  # fmt: skip
    first, second = (
        feedbacks.write_request(session, taught, home, paths, []) for _ in range(2)
    )
    shutil.copytree(voice_path, taught.voices_path / "2")
    who = read_personality(taught.voices_path / "2")
    who.practice, who.generation = first.name, 2
    write_personality(taught.voices_path / "2", who)
    taught.point_to(1)
    return find_place(second)
