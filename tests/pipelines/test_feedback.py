"""Feedback for the learner through the real pipeline."""

import pytest

from amadeus import lineage
from amadeus.feedback.learning import make_request, write_request
from amadeus.personality import content
from pipelines import feedback, tuning
from tests.pipelines.conftest import Studio, profile_with


def test_requests_are_told_apart():
    likes = '{"deu": "cello", "taste": {"traits": [{"trait": "noise_db"}]}}'
    turns = '{"deu": "cello", "changes": [{"profile": "player"}]}'
    assert feedback.taste(feedback.parse_request(likes)).traits[0].trait == "noise_db"
    assert feedback.taste(feedback.parse_request(turns)) is None
    plain = feedback.parse_request('{"deu": "cello"}')
    assert type(plain) is type(tuning.parse_request('{"deu": "cello"}'))
    assert feedback.taste(plain) is None


@pytest.fixture
def studio(tmp_path, all_takes, tiny_profile):
    studio = Studio(tmp_path)
    assert studio.practise("1-first", all_takes, tiny_profile).status == 0
    return studio


@pytest.mark.slow
def test_the_learner_hears_what_is_liked_and_keeps_near(studio):
    deu = studio.deu
    parent = content.read_personality(deu.voice_path())
    asked = make_request(
        deu, parent, {"brightness_octaves": -0.9}, practice="2-feedback", step_count=4
    )
    asked.learner_profile.CopyFrom(
        profile_with(asked.learner_profile, blessing_tolerance=10.0)
    )
    outcome = studio.run(write_request(deu, asked))
    assert outcome.status == 0
    cached, ran = outcome.cached
    assert {"AudioExampleGen", "DdspTransform"} <= cached
    assert "Trainer" in ran
    (said,) = [w.text for w in outcome.all("warning") if "from its parent" in w.text]
    assert "0.5 allowed" in said
    child = content.read_personality(deu.voice_path())
    assert child.parent_digest == parent.digest
    assert child.player_profile == parent.player_profile
    assert child.practice == "2-feedback"
    kinds = [record.kind for record in lineage.generations_of(studio.home, deu)]
    assert kinds[-1] == "feedback", "and what was learned before is called as it was"
    assert kinds[0] == "imitation"
