import numpy as np
import pytest

from amadeus.feedback import calibration, steps
from amadeus.feedback.judgement import judge
from amadeus.feedback.learning import find_taste
from amadeus.feedback.regions import Region
from amadeus.feedback.steps import WAYS
from amadeus.feedback.takes import listen_to
from amadeus.feedback.words import say_judgement
from amadeus.personality.profiles import complete_player_profile, settle_player_profile
from amadeus.play.perform import perform_score
from tests.feedback.instrument import Reed, tune
from tests.play.instrument import learned, make_personality


@pytest.fixture(scope="module")
def voice():
    return Reed()


@pytest.fixture(scope="module")
def profile(voice):
    return settle_player_profile(voice.personality.player_profile)


def play(voice, profile, **knobs):
    changed = steps.with_values(profile, knobs)
    return listen_to(perform_score(voice, tune(), player_profile=changed))


def marked(take, *, good):
    return [Region(take, 2.4 * i, 2.4 * i + 2.3, good) for i in range(3)]


def give(voice, profile, good, bad, memories=None):
    """Judges a good take against a bad one."""
    regions = [*marked(0, good=True), *marked(1, good=False)]
    return judge(
        [good, bad],
        regions,
        voice=voice,
        player_profile=profile,
        memories=memories,
    )


KNOBS = {
    "brightness": (-0.3, 0.3),
    "noise_gain_db": (-2.0, 2.0),
    "attack_scale": (0.6, 1.7),
    "vibrato_scale": (0.5, 1.5),
    "vibrato_rate_hz": (4.5, 6.0),
    "loudness_offset_db": (-8.0, 8.0),
}


@pytest.mark.parametrize("knob", KNOBS)
@pytest.mark.parametrize("likes", ["less", "more"])
def test_the_knob_that_differs_is_turned_toward_the_good(voice, profile, knob, likes):
    less, more = (play(voice, profile, **{knob: value}) for value in KNOBS[knob])
    good, bad = (less, more) if likes == "less" else (more, less)
    judgement = give(voice, profile, good, bad)
    turned = {turn.knob: turn for turn in judgement.turns}
    assert list(turned) == [knob]
    way = turned[knob].after - turned[knob].before
    assert way * (1 if likes == "more" else -1) > 0
    low, high = KNOBS[knob]
    assert low - 1e-6 <= turned[knob].after <= high + 1e-6
    unchanged = steps.with_values(
        judgement.player_profile, {knob: getattr(profile, knob)}
    )
    assert unchanged == profile


def test_nothing_differs_nothing_changes(voice, profile):
    take = play(voice, profile)
    judgement = give(voice, profile, take, take)
    assert judgement.turns == []
    assert judgement.player_profile == profile
    assert find_taste(judgement) == {}


def test_one_side_alone_changes_nothing(voice, profile):
    take = play(voice, profile)
    judgement = judge(
        [take], marked(0, good=True)[:1], voice=voice, player_profile=profile
    )
    assert judgement.compared_with_rest
    assert judgement.player_profile == profile
    assert any("only good regions" in remark for remark in judgement.remarks)
    assert find_taste(judgement) == {}


def test_silence_says_nothing(voice, profile):
    take = play(voice, profile)
    end_s = take.duration_s
    silent = [Region(0, end_s - 0.2, end_s, True), Region(0, 1.05, 1.15, False)]
    judgement = judge([take], silent, voice=voice, player_profile=profile)
    assert judgement.findings == []
    assert judgement.player_profile == profile
    assert sum("it says nothing" in remark for remark in judgement.remarks) == 2
    assert any("nothing is concluded" in remark for remark in judgement.remarks)


def test_regions_that_contradict_each_other_change_nothing(voice, profile):
    dark, bright = (play(voice, profile, brightness=b) for b in (-0.4, 0.4))
    plain = play(voice, profile)
    regions = [
        Region(0, 0.0, 2.3, True),
        Region(1, 0.0, 2.3, True),
        Region(2, 0.0, 2.3, False),
        Region(2, 2.4, 4.7, False),
    ]
    judgement = judge(
        [dark, bright, plain], regions, voice=voice, player_profile=profile
    )
    outcomes = {f.trait: f.outcome for f in judgement.findings}
    assert outcomes["brightness_octaves"] == "contradiction"
    assert "brightness" not in [turn.knob for turn in judgement.turns]


def test_the_same_take_again_and_again_leads_to_the_good_and_no_farther(voice, profile):
    """Both takes are of the first day; the voice moves on, and comes to rest where the good one was played."""
    dark, bright = (play(voice, profile, brightness=b) for b in (-0.35, 0.35))
    memories = None
    now = profile
    path = []
    for _ in range(12):
        judgement = give(voice, now, dark, bright, memories)
        now, memories = judgement.player_profile, judgement.memories
        path.append(now.brightness)
    assert path == sorted(path, reverse=True)
    assert path[-1] == pytest.approx(-0.35, abs=0.06)
    assert path[-1] == pytest.approx(path[-3], abs=0.01)


def test_what_is_supported_becomes_a_taste(voice, profile):
    dark, bright = (play(voice, profile, brightness=b) for b in (-0.4, 0.4))
    taste = find_taste(give(voice, profile, dark, bright))
    assert -1 <= taste["brightness_octaves"] < -0.9
    assert "noise_db" not in taste


def test_a_voice_that_cannot_bend_keeps_its_timbre(profile, voice):
    dark, bright = (play(voice, profile, brightness=b) for b in (-0.4, 0.4))
    stiff = Reed(can_bend=False)
    judgement = give(stiff, profile, dark, bright)
    assert judgement.turns == []
    outcomes = {f.trait: f.outcome for f in judgement.findings}
    assert outcomes["brightness_octaves"] == "deaf knob"


def test_who_never_learned_vibrato_is_given_some():
    plain = Reed(
        make_personality(learned(vibrato_rate_hz=0.0, vibrato_depth_cents=0.0))
    )
    profile = complete_player_profile()
    knob = calibration.choose_knob(
        "vibrato_depth_cents", profile, plain.personality.statistics
    )
    assert knob == "vibrato_depth_cents"
    swinging = play(plain, profile, vibrato_depth_cents=25.0)
    still = play(plain, profile)
    judgement = give(plain, profile, swinging, still)
    assert [turn.knob for turn in judgement.turns] == ["vibrato_depth_cents"]
    assert 0 < judgement.player_profile.vibrato_depth_cents <= 25


@pytest.mark.parametrize(
    ("knob", "trait", "truth"),
    [
        ("loudness_offset_db", "loudness_db", 1.0),
        ("noise_gain_db", "noise_db", 1.0),
        ("brightness", "tilt_db", 6.0),
        ("vibrato_rate_hz", "vibrato_rate_hz", 1.0),
        ("attack_scale", "attack_octaves", 1.0),
    ],
)
def test_knobs_are_measured_as_they_are(voice, profile, knob, trait, truth):
    answer = calibration.measure(voice, profile, knob)
    assert answer.sensitivities[trait] == pytest.approx(truth, rel=0.25)
    assert answer.moves(trait)


def test_all_of_it_can_be_said(voice, profile):
    dark, bright = (play(voice, profile, brightness=b) for b in (-0.4, 0.4))
    text = "\n".join(say_judgement(give(voice, profile, dark, bright)))
    assert "the good regions are" in text
    assert "darker by" in text
    assert "brightness 0 -> -0." in text
    assert "nothing is concluded about" in text
    assert "nan" not in text


def test_every_knob_of_a_trait_has_a_way():
    from amadeus.feedback.traits import TRAITS

    assert {trait.knob for trait in TRAITS.values()} <= {*WAYS, ""}
    assert np.isfinite([trait.audible for trait in TRAITS.values()]).all()
