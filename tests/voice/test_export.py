import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal
from tensorflow.core.protobuf import saved_model_pb2

from amadeus.errors import ConfigError, VoiceError
from amadeus.v1 import personality_pb2
from amadeus.voice import export
from amadeus.voice import model as model_module
from amadeus.voice.model import Timbre, VoiceModel
from amadeus.voice.player import Voice
from tests.streaming import verify_streaming

HOP = 160

# Loads a voice with nothing of ours and plays a frame.
STRANGER = """
import sys, tensorflow as tf
voice = tf.saved_model.load(sys.argv[1])
play = voice.signatures["serving_default"]
n_state = play.structured_input_signature[1]["state"].shape[-1]
block = play(f0_hz=tf.fill([2, 3], 440.0), loudness_db=tf.fill([2, 3], -20.0), state=tf.zeros([2, n_state]))
assert block["audio"].shape == (2, 3 * 160) and block["state"].shape == (2, n_state)
assert float(tf.reduce_max(tf.abs(block["audio"]))) > 0.001
assert not any(name == "amadeus" or name.startswith("amadeus.") for name in sys.modules)
"""


@pytest.fixture(scope="module")
def model(profile):
    model = VoiceModel(profile)
    rng = np.random.default_rng(7)
    model.reverb.assign(rng.normal(size=model.reverb.shape) * 0.05)
    return model


@pytest.fixture(scope="module")
def voice_path(model, profile, tmp_path_factory):
    path = tmp_path_factory.mktemp("voice") / "1"
    personality = personality_pb2.Personality(deu="tiny", learner_profile=profile)
    export.export(model, path, personality)
    return path


@pytest.fixture(scope="module")
def voice(voice_path):
    return Voice.load(voice_path)


def test_a_voice_plays_in_a_process_that_knows_nothing_of_it(voice_path):
    subprocess.run([sys.executable, "-c", STRANGER, str(voice_path)], check=True)


def test_a_voice_holds_standard_operations_only(voice_path):
    saved = saved_model_pb2.SavedModel.FromString(
        (voice_path / "saved_model.pb").read_bytes()
    )
    graph = saved.meta_graphs[0].graph_def
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    functions = {function.signature.name for function in graph.library.function}
    operations = {node.op for node in nodes} - functions
    assert len(operations) > 20
    assert not [name for name in operations if "PyFunc" in name or "Custom" in name]
    known = set(tf.raw_ops.__dict__)
    # argument and result markers and restored variables' internals have no Python name
    assert {name for name in operations if name not in known} <= {"Placeholder"}


def test_signatures_are_those_of_the_contract(voice_path, model, profile):
    signatures = tf.saved_model.load(str(voice_path)).signatures
    assert set(signatures) == {
        "perform",
        "serving_default",
        "bend",
        "step",
        "reverberate",
        "render",
        "render_bent",
        "controls",
    }
    inputs = {
        name: {key: spec.shape for key, spec in s.structured_input_signature[1].items()}
        for name, s in signatures.items()
    }
    frames = {"f0_hz": [None, None], "loudness_db": [None, None]}
    state = {"state": [None, model.state_size]}
    assert inputs["perform"] == inputs["serving_default"] == {**frames, **state}
    bends = {name: [None, None] for name in Timbre._fields}
    assert inputs["bend"] == frames | bends | state
    assert inputs["step"] == {key: [None, 1] for key in frames | bends} | state
    n_reverb_state = 160 + 2 * 2 * 161  # a hop, and two spectra of hops before it
    assert inputs["reverberate"] == {
        "audio": [None, None],
        "state": [None, n_reverb_state],
        "reverb_mix": [None],
    }
    assert inputs["render"] == {**frames, "reverb_mix": [None]}
    assert inputs["render_bent"] == {**frames, **bends, "reverb_mix": [None]}
    assert inputs["controls"] == frames
    outputs = {name: set(s.structured_outputs) for name, s in signatures.items()}
    for name in ("perform", "bend", "step", "reverberate"):
        assert outputs[name] == {"audio", "state"}
    assert outputs["render"] == outputs["render_bent"] == {"audio"}
    assert outputs["controls"] == {
        "amplitude",
        "harmonic_distribution",
        "noise_magnitudes",
    }


def test_weights_read_from_disk_are_the_models(voice_path, model):
    weights = export.read_weights(voice_path)
    assert weights.keys() == model.weights().keys()
    for name, values in model.weights().items():
        assert_array_equal(weights[name], values)


def test_an_exported_voice_sounds_like_its_model(voice, model, gestures):
    zeros = tf.zeros([3, model.state_size])
    dry = tf.function(model.perform, autograph=False)(*gestures, zeros).audio
    assert_allclose(voice.perform(*gestures).audio, dry, atol=1e-5)
    wet = model.reverberate(dry, tf.ones([3]))
    assert_allclose(voice.render(*gestures), wet, atol=1e-5)
    assert_allclose(voice.render(*gestures, reverb_mix=0.0), dry, atol=1e-5)


def test_a_voice_plays_one_row_or_many(voice, gestures):
    f0_hz, loudness_db = gestures
    rows = voice.render(f0_hz, loudness_db)
    assert_allclose(voice.render(f0_hz[1], loudness_db[1]), rows[1], atol=1e-5)
    controls = voice.controls(f0_hz[1], loudness_db[1])
    assert [values.shape for values in controls] == [(60, 1), (60, 8), (60, 9)]


def test_a_voice_plays_on_from_a_state(voice, gestures):
    f0_hz, loudness_db = gestures[0][0], gestures[1][0]
    whole = voice.perform(f0_hz, loudness_db).audio
    first = voice.perform(f0_hz[:11], loudness_db[:11])
    second = voice.perform(f0_hz[11:], loudness_db[11:], first.state)
    assert_allclose(np.concatenate([first.audio, second.audio]), whole, atol=1e-5)


def test_an_exported_voice_keeps_the_contract_of_blocks(voice, gestures):
    def play(controls, state):
        block = voice.perform(*controls, *state)
        return block.audio, (block.state,)

    def play_as_a_server_does(controls, state):
        # the signature itself; the player would refuse NaN
        tensors = [tf.constant(values) for values in (*controls, *state)]
        names = ("f0_hz", "loudness_db", "state")
        output = voice._perform(**dict(zip(names, tensors, strict=True)))
        return output["audio"].numpy(), (output["state"].numpy(),)

    start = (np.zeros([3, voice.state_size], np.float32),)
    settings = {"start": start, "hop_size": HOP, "atol": 1e-5}
    verify_streaming(play_as_a_server_does, gestures, **settings)
    by_frames, state = [], start
    for frame in range(60):
        audio, state = play([rows[:, frame : frame + 1] for rows in gestures], state)
        by_frames.append(audio)
    whole, last = play(gestures, start)
    assert_allclose(np.concatenate(by_frames, axis=1), whole, atol=1e-5)
    assert_allclose(state[0], last[0], atol=1e-5)


@pytest.mark.parametrize("sizes", [[1] * 60, [7] * 8 + [4], [59, 1], [60]])
def test_a_voice_played_live_with_its_reverb_is_the_voice_rendered(
    voice, gestures, sizes
):
    rendered = voice.render(*gestures, reverb_mix=0.7)
    state, room, blocks, first = None, None, [], 0
    for size in sizes:
        frames = slice(first, first + size)
        block = voice.perform(*(rows[:, frames] for rows in gestures), state)
        wet = voice.reverberate(block.audio, room, reverb_mix=0.7)
        state, room, first = block.state, wet.state, first + size
        blocks.append(wet.audio)
    assert_allclose(np.concatenate(blocks, axis=1), rendered, atol=1e-5)


def bent(like, **values):
    """Curves of one value each, 0 where nothing is said."""
    return Timbre(*(np.full(like.shape, values.get(n, 0.0)) for n in Timbre._fields))


def test_a_voice_that_is_not_bent_is_the_voice_as_taught(voice, gestures):
    still = bent(gestures[0])
    assert_allclose(
        voice.perform(*gestures, timbre=still).audio,
        voice.perform(*gestures).audio,
        atol=1e-6,
    )
    assert_allclose(
        voice.render(*gestures, timbre=still), voice.render(*gestures), atol=1e-6
    )


def test_gains_move_the_two_parts_of_a_sound(voice, gestures):
    def play(harmonic_gain_db, noise_gain_db):
        timbre = bent(
            gestures[0], harmonic_gain_db=harmonic_gain_db, noise_gain_db=noise_gain_db
        )
        return voice.perform(*gestures, timbre=timbre).audio

    tones, hiss = play(0, -120), play(-120, 0)
    assert_allclose(play(0, 0), tones + hiss, atol=1e-5)
    assert_allclose(play(6, -20), tones * 10**0.3 + hiss * 0.1, atol=1e-5)
    assert np.abs(tones).max() > 1e-4 < np.abs(hiss).max()


def test_brightness_tilts_the_harmonics_and_keeps_their_sum(model, gestures):
    plain, curves = model.controls(*gestures), bent(gestures[0], brightness=1.0)
    tilted = model_module._bend(
        plain, Timbre(*(tf.constant(c, tf.float32) for c in curves))
    )
    shares, before = (c.harmonic_distribution.numpy() for c in (tilted, plain))
    assert_allclose(shares.sum(-1), before.sum(-1), atol=1e-5)
    octave_db = 20 * np.log10(
        (shares[..., 1] / shares[..., 0]) / (before[..., 1] / before[..., 0])
    )
    assert_allclose(octave_db, 6.0206, atol=1e-3)
    assert_array_equal(tilted.amplitude, plain.amplitude)


def test_a_bent_voice_plays_in_blocks_what_it_renders(voice, gestures, rng):
    timbre = Timbre(*rng.uniform(-1, 1, (3, *gestures[0].shape)))
    whole = voice.render(*gestures, reverb_mix=0.0, timbre=timbre)
    state, blocks = None, []
    for frames in (slice(0, 1), slice(1, 2), slice(2, 31), slice(31, 60)):
        part = Timbre(*(curve[:, frames] for curve in timbre))
        block = voice.perform(*(rows[:, frames] for rows in gestures), state, part)
        state = block.state
        blocks.append(block.audio)
    assert_allclose(np.concatenate(blocks, axis=1), whole, atol=1e-5)


def test_a_bend_that_is_no_number_spoils_nothing(voice, gestures):
    inputs = {"f0_hz": gestures[0], "loudness_db": gestures[1]}
    timbre = bent(gestures[0], brightness=np.nan, noise_gain_db=np.inf)
    with pytest.raises(ConfigError, match="noise_gain_db holds"):
        voice.perform(*gestures, timbre=timbre)
    inputs |= timbre._asdict() | {"state": np.zeros([3, voice.state_size])}
    tensors = {name: tf.constant(rows, tf.float32) for name, rows in inputs.items()}
    assert_allclose(
        voice._bend(**tensors)["audio"], voice.perform(*gestures).audio, atol=1e-6
    )


def test_audio_that_no_reverb_takes_is_refused(voice):
    with pytest.raises(ConfigError, match="give a multiple of 160 samples"):
        voice.reverberate(np.zeros(161))
    with pytest.raises(ConfigError, match="audio holds 1 values that are not finite"):
        voice.reverberate(np.array([np.nan] + [0.0] * 159))
    with pytest.raises(ConfigError, match="hand back what the last block returned"):
        voice.reverberate(np.zeros(160), np.zeros((1, 3)))
    with pytest.raises(ConfigError, match=r"reverb_mix=-1 is out of range"):
        voice.reverberate(np.zeros(160), reverb_mix=-1.0)


def test_a_voice_of_before_the_frame_and_reverb_signatures_still_plays(voice, gestures):
    names = ("perform", "render", "controls")
    known = {name: getattr(voice, f"_{name}") for name in names}
    old = Voice(voice.personality, known)
    frame = [rows[0, :1] for rows in gestures]
    assert_allclose(old.perform(*frame).audio, voice.perform(*frame).audio, atol=1e-6)
    with pytest.raises(VoiceError, match="before reverb could be played in blocks"):
        old.reverberate(np.zeros(HOP))
    assert voice.can_bend
    assert not old.can_bend
    for play in (old.perform, old.render):
        with pytest.raises(VoiceError, match="before gains and brightness"):
            play(*frame, timbre=bent(frame[0]))


def test_a_voice_knows_who_it_is(voice, profile):
    assert voice.personality.deu == "tiny"
    assert voice.spec.hop_size == HOP
    assert voice.personality.learner_profile == profile


@pytest.mark.parametrize(
    ("f0_hz", "loudness_db", "sentence"),
    [
        ([440.0, 440.0], [-20.0], "for the same frames"),
        ([], [], "one at least"),
        ([440.0, np.nan], [-20.0, -20.0], "f0_hz holds 1 values that are not finite"),
        ([440.0, 440.0], [-np.inf, np.inf], "loudness_db holds 2 values"),
    ],
)
def test_frames_that_cannot_be_played_are_refused(voice, f0_hz, loudness_db, sentence):
    f0_hz, loudness_db = np.array(f0_hz), np.array(loudness_db)
    for play in (voice.render, voice.perform, voice.controls):
        with pytest.raises(ConfigError, match=sentence):
            play(f0_hz, loudness_db)


def test_a_mix_beyond_the_whole_is_refused(voice):
    with pytest.raises(ConfigError, match=r"reverb_mix=1\.5 is out of range"):
        voice.render(np.array([440.0]), np.array([-20.0]), reverb_mix=1.5)


def test_a_state_of_another_voice_is_refused(voice):
    with pytest.raises(ConfigError, match="hand back what the last block returned"):
        voice.perform(np.array([440.0]), np.array([-20.0]), np.zeros((1, 3)))


def test_a_folder_without_a_voice_is_refused(tmp_path):
    with pytest.raises(VoiceError, match="is not a voice"):
        Voice.load(tmp_path)
    with pytest.raises(VoiceError, match="missing or damaged"):
        export.read_weights(tmp_path)


@pytest.mark.parametrize(
    "victim",
    [
        "saved_model.pb",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
        "assets.extra/personality.json",
    ],
)
def test_a_damaged_voice_is_refused(voice_path, tmp_path, victim):
    copy = tmp_path / "voice"
    shutil.copytree(voice_path, copy)
    whole = (copy / victim).read_bytes()
    (copy / victim).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(VoiceError, match="is damaged"):
        Voice.load(copy)
