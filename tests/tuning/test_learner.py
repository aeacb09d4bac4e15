"""Knobs of the learner turned: which recordings, and what is said before anything runs."""

import pytest
from google.protobuf import json_format

from amadeus.errors import PracticeError, RecordingError, VoiceError
from amadeus.personality import content
from amadeus.report.session import read_session
from amadeus.tuning import learner, request
from amadeus.tuning.plan import make_plan
from amadeus.tuning.wish import read_wish
from amadeus.v1 import practice_pb2
from pipelines.tuning import parse_request, player_profile


@pytest.fixture
def taught(deu, tmp_path):
    """The deu, whose generation was taught here by two recordings."""
    takes = [tmp_path / "a.wav", tmp_path / "b.wav"]
    for take in takes:
        take.write_bytes(b"sound")
    practice = deu.practices_path / "p0"
    practice.mkdir(parents=True)
    earlier = practice_pb2.ImitationRequest(
        deu="cello", practice="p0", recordings={"uri": map(str, takes)}
    )
    (practice / "request.json").write_text(json_format.MessageToJson(earlier))
    who = content.read_personality(deu.voice_path(1))
    who.practice = "p0"
    content.write_personality(deu.voice_path(1), who)
    return deu


def plan_for(deu, *settings, player=()):
    return make_plan(deu, read_wish(player, settings))


def test_the_request_holds_all_that_the_practice_needs(taught):
    plan = plan_for(taught, "learning_rate=0.001", player=["brightness=1"])
    asked = learner.make_request(taught, plan, ["--direct_num_workers=2"])
    path = learner.write_request(taught, asked, practice="p1")
    read = parse_request((path / "request.json").read_text())
    assert read == asked
    assert isinstance(read, practice_pb2.TuningRequest)
    assert [uri[-5:] for uri in read.recordings.uri] == ["a.wav", "b.wav"]
    assert read.parent_generation == 1
    assert read.learner_profile.learning_rate == pytest.approx(0.001)
    assert read.learner_profile.sample_rate == 8_000
    assert player_profile(read).brightness == 1
    assert player_profile(read).HasField("noise_gain_db")
    session = read_session(path)
    assert session.tuning == read
    assert not session.is_of_player
    assert session.request.recordings == read.recordings


def test_the_request_of_an_imitation_stays_one(taught):
    text = (taught.practices_path / "p0" / "request.json").read_text()
    read = parse_request(text)
    assert isinstance(read, practice_pb2.ImitationRequest)
    assert player_profile(read) is None
    assert request.read_tuning(taught.practices_path / "p0") is None


def test_a_tuned_player_remembers_the_recordings(home, taught, tune):
    tune("brightness=1")
    plan = plan_for(taught, "learning_rate=0.001")
    assert len(learner.make_request(taught, plan).recordings.uri) == 2
    assert plan.parent.generation == 2


def test_recordings_that_have_moved_are_named(taught, tmp_path):
    (tmp_path / "b.wav").rename(tmp_path / "c.wav")
    with pytest.raises(RecordingError, match=r"learned from .*b\.wav, which is not"):
        learner.make_request(taught, plan_for(taught, "seed=1"))
    (tmp_path / "a.wav").unlink()
    with pytest.raises(RecordingError, match=r"a\.wav and 1 more, which are not"):
        learner.make_request(taught, plan_for(taught, "seed=1"))


def test_a_voice_from_elsewhere_has_no_recordings(deu):
    with pytest.raises(PracticeError, match="not taught here"):
        learner.make_request(deu, plan_for(deu, "seed=1"))


def test_a_damaged_voice_is_not_tuned(taught):
    (taught.voice_path(1) / "saved_model.pb").write_bytes(b"")
    with pytest.raises(VoiceError, match="damaged"):
        learner.make_request(taught, plan_for(taught, "seed=1"))


def test_what_comes_from_the_cache_and_a_warm_start_are_said(taught):
    said = "\n".join(learner.say_outlook(plan_for(taught, "f0_min_hz=60")))
    assert "DdspTransform and what follows it run anew" in said
    assert "AudioExampleGen should come from the cache" in said
    assert "training starts warm, from generation 1" in said


def test_the_knob_that_makes_a_warm_start_impossible_is_said(taught):
    plan = plan_for(taught, "reverb_duration_s=0.1", "seed=3")
    said = "\n".join(learner.say_outlook(plan))
    assert "starts from nothing: reverb_duration_s=0.1 makes another network" in said
    assert "with reverb_duration_s=0.05" in said
