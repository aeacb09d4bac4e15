import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from amadeus.errors import PracticeError
from amadeus.v1 import personality_pb2, profiles_pb2
from amadeus.voice import export, training
from amadeus.voice.architecture import ARCHITECTURE
from amadeus.voice.learner import Learner
from amadeus.voice.model import VoiceModel
from amadeus.voice.player import Voice
from amadeus.voice.training import train_on_passages
from amadeus.voice.validation import PATIENCE


class Listener:
    """Keeps what a run says."""

    def __init__(self):
        self.progress, self.warnings = [], []

    def __call__(self, training_progress=None, warning=None):
        if training_progress is not None:
            self.progress.append(training_progress)
        if warning is not None:
            self.warnings.append(warning.text)


@pytest.fixture(scope="module")
def passages(make_passage):
    learned = [
        make_passage(hz, seconds=1.5, take=str(hz)) for hz in (200.0, 260.0, 330.0)
    ]
    return learned, [make_passage(290.0, seconds=1.5, take="held out")]


@pytest.fixture(scope="module")
def learner_for():
    """Learners that start anew but keep their graphs: tracing takes most of a short run."""
    learners = {}

    def learner_for(profile):
        key = tuple(getattr(profile, name) for name in ARCHITECTURE)
        learner = learners.setdefault(key, Learner(profile))
        learner.restore(Learner(profile).arrays())
        return learner

    return learner_for


@pytest.fixture
def teach(passages, tmp_path, learner_for, monkeypatch):
    monkeypatch.setattr(training, "Learner", learner_for)

    def teach(profile, name="run", **options):
        options = {"checkpoint_path": tmp_path / name, "emit": Listener(), **options}
        return train_on_passages(*passages, profile=profile, **options)

    return teach


def assert_same_weights(model, other):
    for name, weights in model.weights().items():
        assert_array_equal(weights, other.weights()[name], err_msg=name)


def interrupt_after(n_steps):
    calls = iter(range(10**6))

    def check():
        if next(calls) >= n_steps:
            raise KeyboardInterrupt

    return check


def test_a_lesson_lowers_the_loss_and_the_voice_sounds_at_the_pitch_asked_for(
    teach, make_profile, tmp_path
):
    profile = make_profile(step_count=250, early_stop=False)
    result = teach(profile)
    assert result.eval_loss < 0.6 * result.history[0].eval_loss
    assert result.step_count == 250
    personality = personality_pb2.Personality(learner_profile=profile)
    export.export(result.model, tmp_path / "voice", personality)
    voice = Voice.load(tmp_path / "voice")
    for f0_hz in (230.0, 300.0):
        audio = voice.render(np.full(100, f0_hz), np.full(100, -12.0))[4000:]
        assert measure_hz(audio, near_hz=f0_hz) == pytest.approx(f0_hz, abs=1.0)


def measure_hz(audio, *, near_hz):
    """Finds the strongest partial within a tritone of `near_hz`; it must stand out."""
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    hz = np.fft.rfftfreq(len(audio), 1 / 8000)
    band = (hz > near_hz / 2**0.5) & (hz < near_hz * 2**0.5)
    assert spectrum[band].max() > 30 * np.median(spectrum[band])
    return hz[band][np.argmax(spectrum[band])]


def test_the_same_steps_and_seed_give_the_same_voice(teach, make_profile):
    first, again = (teach(make_profile(), name) for name in ("first", "again"))
    assert_same_weights(first.model, again.model)
    other = teach(make_profile(seed=3), "other")
    kernel = "decoder/recurrent/kernel"
    assert (
        np.abs(first.model.weights()[kernel] - other.model.weights()[kernel]).max() > 0
    )


@pytest.mark.parametrize("n_steps", [1, 5])
def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(
    teach, make_profile, n_steps
):
    profile = make_profile(step_count=9)
    whole = teach(profile, "whole")
    with pytest.raises(KeyboardInterrupt):
        teach(profile, "stopped", check=interrupt_after(n_steps))
    resumed = teach(profile, "stopped")
    assert_same_weights(resumed.model, whole.model)
    assert [v.step for v in resumed.history] == [v.step for v in whole.history]
    assert [v.eval_loss for v in resumed.history] == [
        v.eval_loss for v in whole.history
    ]


def test_an_interrupt_leaves_a_checkpoint(teach, make_profile):
    profile = make_profile()

    def interrupt(**event):
        if event.get("training_progress") and event["training_progress"].step >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        teach(profile, emit=interrupt)
    listener = Listener()
    resumed = teach(profile, emit=listener)
    assert listener.progress[0].step > 3
    assert_same_weights(resumed.model, teach(profile, "whole").model)


def test_a_finished_run_does_not_learn_again(teach, make_profile):
    profile = make_profile()
    first, again = teach(profile), teach(profile)
    assert again.step_count == first.step_count
    assert_same_weights(first.model, again.model)


def test_other_settings_start_another_run(teach, make_profile):
    teach(make_profile())
    listener = Listener()
    teach(make_profile(learning_rate=0.02), emit=listener)
    assert listener.progress[0].step == 1


def test_the_best_voice_is_kept_not_the_last(
    teach, make_profile, learner_for, monkeypatch
):
    losses = iter([5.0, 3.0, 4.0, 4.5, 4.6, 4.7, 4.8, 4.9])
    learner, snapshots = learner_for(make_profile()), []

    def judge(*crops):
        snapshots.append(learner.average.weights())
        return next(losses)

    monkeypatch.setattr(learner, "judge", judge)
    result = teach(make_profile(step_count=8))
    assert result.eval_loss == 3.0
    for name, weights in result.model.weights().items():
        assert_array_equal(weights, snapshots[1][name])


def test_a_plateau_ends_a_run_unless_the_ama_forbids_it(
    teach, make_profile, learner_for, monkeypatch
):
    monkeypatch.setattr(learner_for(make_profile()), "judge", lambda *crops: 3.0)
    result = teach(make_profile(step_count=20), "stops")
    assert result.ending == "plateau"
    assert result.step_count == 1 + PATIENCE
    result = teach(make_profile(step_count=20, early_stop=False), "goes on")
    assert result.ending == "done"
    assert result.step_count == 20


def test_an_explosion_goes_back_to_the_last_good_voice(
    teach, make_profile, learner_for, monkeypatch
):
    learner = learner_for(make_profile())
    learn, n_calls, rates = learner.learn, iter(range(100)), []

    def explode_once(*crops, rate):
        loss = learn(*crops, rate=rate)
        rates.append(float(rate))
        if next(n_calls) == 3:
            learner.model.reverb.assign(learner.model.reverb * np.nan)
            return loss * np.nan
        return loss

    monkeypatch.setattr(learner, "learn", explode_once)
    listener = Listener()
    result = teach(make_profile(), emit=listener)
    assert "going back to the last good voice" in listener.warnings[0]
    assert result.step_count == 8
    assert rates[4] < rates[3]
    for weights in result.model.weights().values():
        assert np.isfinite(weights).all()


def test_a_voice_that_broke_unheard_is_not_kept(
    teach, make_profile, learner_for, monkeypatch
):
    learner = learner_for(make_profile())
    judge, n_calls = learner.judge, iter(range(100))

    def break_before_third(*crops):
        if next(n_calls) == 2:
            learner.average.reverb.assign(learner.average.reverb * np.nan)
        return judge(*crops)

    monkeypatch.setattr(learner, "judge", break_before_third)
    listener = Listener()
    result = teach(make_profile(), emit=listener)
    assert len(listener.warnings) == 1
    assert [validation.step for validation in result.history] == list(range(1, 9))
    for weights in result.model.weights().values():
        assert np.isfinite(weights).all()


def test_explosions_without_end_are_reported(
    teach, make_profile, learner_for, monkeypatch
):
    monkeypatch.setattr(
        learner_for(make_profile()), "learn", lambda *crops, rate: np.nan
    )
    with pytest.raises(
        PracticeError, match=r"exploded 4 times.*lower learning_rate=0\.01"
    ):
        teach(make_profile())


def test_minutes_are_wall_time_validation_included(teach, make_profile):
    profile = make_profile(step_count=0, training_minutes=0.2, early_stop=False)
    started_at = time.monotonic()
    result = teach(profile)
    assert result.duration_s == pytest.approx(12.0, rel=0.1)
    assert time.monotonic() - started_at == pytest.approx(result.duration_s, abs=1.5)
    assert result.history[-1].step == result.step_count


def test_progress_tells_step_loss_speed_and_time_left(teach, make_profile):
    listener = Listener()
    teach(make_profile(), emit=listener)
    last = listener.progress[-1]
    assert last.step == last.step_limit == 8
    assert 0 < last.eval_loss < 100
    assert last.steps_per_s > 0
    assert last.remaining_s == 0
    assert listener.progress[0].remaining_s > 0


def test_logs_are_written_for_tensorboard(teach, make_profile, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    teach(make_profile(), log_path=tmp_path / "logs")
    events = EventAccumulator(str(tmp_path / "logs"))
    events.Reload()
    steps = [event.step for event in events.Tensors("loss/eval")]
    assert steps == list(range(1, 9))
    assert {"loss/train", "learning_rate", "steps_per_s"} <= set(
        events.Tags()["tensors"]
    )


def test_without_a_held_out_take_the_run_warns(make_passage, make_profile, tmp_path):
    listener = Listener()
    result = train_on_passages(
        [make_passage()],
        [],
        profile=make_profile(step_count=1),
        checkpoint_path=tmp_path,
        emit=listener,
    )
    assert "no take is held out" in listener.warnings[0]
    assert np.isfinite(result.eval_loss)


@pytest.fixture
def parent_path(make_profile, tmp_path):
    profile = make_profile(seed=9)
    personality = personality_pb2.Personality(
        learner_profile=profile, digest="sha256:1"
    )
    export.export(VoiceModel(profile), tmp_path / "parent", personality)
    return tmp_path / "parent"


def test_a_voice_grows_from_its_parent(teach, make_profile, parent_path):
    profile = make_profile(step_count=1, learning_rate=1e-5)
    listener = Listener()
    result = teach(profile, base_voice_path=parent_path, emit=listener)
    assert not listener.warnings
    parent = export.read_weights(parent_path)
    for name, weights in result.model.weights().items():
        if name != "loudness_reach_db":  # that of its own recordings
            np.testing.assert_allclose(weights, parent[name], atol=1e-5)


def test_a_parent_of_another_make_is_left_with_a_warning(
    teach, make_profile, parent_path
):
    listener = Listener()
    profile = make_profile(step_count=1, harmonic_count=5)
    teach(profile, base_voice_path=parent_path, emit=listener)
    assert "the parent has harmonic_count=8 but 5 is asked for" in listener.warnings[0]


def test_a_parent_that_measures_loudness_otherwise_is_left_with_a_warning(
    teach, make_profile, parent_path
):
    listener = Listener()
    plain = profiles_pb2.LOUDNESS_WEIGHTING_NONE
    profile = make_profile(step_count=1, loudness_weighting=plain)
    teach(profile, base_voice_path=parent_path, emit=listener)
    assert "the parent has loudness_weighting=a but none" in listener.warnings[0]


def test_a_damaged_parent_is_left_with_a_warning(teach, make_profile, parent_path):
    (parent_path / "variables" / "variables.index").write_bytes(b"")
    listener = Listener()
    teach(make_profile(step_count=1), base_voice_path=parent_path, emit=listener)
    assert "starts from nothing" in listener.warnings[0]


@pytest.fixture(scope="module")
def base_path(passages, tmp_path_factory):
    """A voice that was taught a little, to start from."""
    from amadeus.personality import profiles
    from tests.voice.conftest import SETTINGS

    profile = profiles.complete_learner_profile(profiles_pb2.LearnerProfile(**SETTINGS))
    folder = tmp_path_factory.mktemp("base")
    result = train_on_passages(
        *passages, profile=profile, checkpoint_path=folder / "c", emit=Listener()
    )
    who = personality_pb2.Personality(learner_profile=profile, digest="sha256:base")
    export.export(result.model, folder / "voice", who)
    return folder / "voice"


@pytest.mark.parametrize("max_distance", [0.2, 0.05])
def test_a_voice_is_held_near_its_base(teach, make_profile, base_path, max_distance):
    listener = Listener()
    held = teach(
        make_profile(step_count=30, learning_rate=0.03),
        f"held-{max_distance}",
        base_voice_path=base_path,
        max_distance=max_distance,
        emit=listener,
    )
    assert 0 < held.distance <= max_distance
    assert "drawn back to" in listener.warnings[-1]


def test_a_voice_that_stays_near_is_left_alone(teach, make_profile, base_path):
    profile = make_profile(step_count=2, learning_rate=1e-5)
    free = teach(profile, "free", base_voice_path=base_path)
    held = teach(profile, "near", base_voice_path=base_path, max_distance=0.5)
    assert held.distance < 0.5
    for name, weight in free.model.weights().items():
        assert_array_equal(held.model.weights()[name], weight)


def test_without_a_base_there_is_nothing_to_be_held_to(teach, make_profile):
    result = teach(make_profile(step_count=2), "alone", max_distance=0.1)
    assert np.isnan(result.distance)


def test_what_weighs_decides_what_is_heard(teach, make_profile):
    asked = []

    def weigh(passages):
        asked.append(len(passages))
        return [np.ones(len(p.features.f0_hz)) for p in passages]

    teach(make_profile(step_count=2), "weighed", weigh=weigh)
    assert asked == [3]
