"""Whether the files of a voice are a voice: who it is, its weights, its graph, and that they belong together.

Nothing of the voice is run. What comes from elsewhere goes through here before it is played.
"""

import math
import re
from pathlib import Path

import numpy as np
from google.protobuf import json_format
from google.protobuf.message import Message

from amadeus.errors import BundleError, ConfigError
from amadeus.home import NAME_PATTERN
from amadeus.personality import content, graphs, profiles, size, weights
from amadeus.personality.quoting import tame
from amadeus.personality.signatures import Signature, Tensor
from amadeus.v1 import personality_pb2, profiles_pb2

DIGEST_PATTERN = re.compile(r"sha256:[0-9a-f]{64}")
MAX_QUANTILES = 1_001
MAX_METRICS = 100

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}")
# a voice cannot be shaped by defaults of the version that reads it
_SHAPING = (
    *("sample_rate", "frame_rate", "harmonic_count", "noise_band_count"),
    *("recurrent_unit_count", "dense_unit_count", "dense_layer_count"),
    "reverb_duration_s",
)
_MAX_OTHER_WEIGHTS = 64  # beside the network and the reverb: the reach of loudness
_OPEN = -1


def check_voice(voice_path: Path) -> personality_pb2.Personality:
    """Checks a SavedModel folder, and tells who it is.

    Raises:
      BundleError: It is not a voice that may be played.
    """
    personality = read_identity(voice_path)
    check_identity(personality)
    values = weights.read_weights(voice_path / "variables")
    check_digest(personality, values)
    _check_checksums(voice_path)
    profile = profiles.complete_learner_profile(personality.learner_profile)
    _check_weights(values, profile)
    graph = (voice_path / "saved_model.pb").read_bytes()
    _check_signatures(graphs.check_graph(graph), profile)
    return personality


def read_identity(voice_path: Path) -> personality_pb2.Personality:
    """Reads who a voice is, and nothing that this version does not know.

    What it does not know it cannot weigh: the digest counts the fields of profiles and statistics.

    Raises:
      BundleError: `personality.json` is damaged, or from a newer Amadeus.
    """
    path = voice_path / content.EXTRAS_FOLDER / content.PERSONALITY_NAME
    personality = personality_pb2.Personality()
    try:
        return json_format.Parse(path.read_text(encoding="utf-8"), personality)
    except (json_format.ParseError, ValueError, RecursionError, OSError) as error:
        raise BundleError(
            f"{path.name} in the bundle is damaged, or made by a newer Amadeus ({tame(str(error))}): update Amadeus, "
            "or ask for the bundle again."
        ) from error


def check_identity(personality: personality_pb2.Personality) -> None:
    """Checks names, profiles and statistics.

    Raises:
      BundleError: One of them is missing, out of range or not a name.
    """
    if not NAME_PATTERN.fullmatch(personality.deu):
        raise _refused(f"{personality.deu[:60]!r} cannot name a deu")
    for digest in (personality.digest, personality.parent_digest or personality.digest):
        if not DIGEST_PATTERN.fullmatch(digest):
            raise _refused(f"{digest[:80]!r} is no digest")
    words = [personality.practice, personality.amadeus_version, *personality.metrics]
    words += [*personality.statistics.take_count]
    for word in filter(None, words):
        if not _WORD.fullmatch(word):
            raise _refused(f"{word[:60]!r} is not a name")
    if personality.generation < 0 or personality.trained_step_count < 0:
        raise _refused("its generation or steps are below 0")
    if (
        max(len(personality.metrics), len(personality.statistics.take_count))
        > MAX_METRICS
    ):
        raise _refused(f"it has more than {MAX_METRICS} metrics or splits")
    _check_profiles(personality)
    _check_statistics(personality.statistics)


def check_digest(
    personality: personality_pb2.Personality, values: dict[str, np.ndarray]
) -> None:
    """Makes sure that a personality is the one its digest names.

    Raises:
      BundleError: It is another.
    """
    digest = content.digest(
        values,
        personality.learner_profile,
        personality.player_profile,
        personality.statistics,
    )
    if digest != personality.digest:
        raise _refused(
            f"its content has the digest {digest[:19]}..., and it says {personality.digest[:19]}..., so it was changed"
        )


def _check_checksums(voice_path: Path) -> None:
    """Lets TensorFlow read all of it, now that the index can be believed: it looks at checksums."""
    import tensorflow as tf

    prefix = voice_path / "variables" / "variables"
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        for key in reader.get_variable_to_shape_map():
            reader.get_tensor(key)
    except (tf.errors.OpError, ValueError, LookupError, RuntimeError) as error:
        raise _refused("its weights have not the checksums written for them") from error


def _check_profiles(personality: personality_pb2.Personality) -> None:
    learner = personality.learner_profile
    missing = [name for name in _SHAPING if not learner.HasField(name)]
    if missing:
        raise _refused(f"its learner profile does not say {', '.join(missing)}")
    for profile in (learner, personality.player_profile):
        _check_choices(profile)
    try:
        profiles.complete_learner_profile(learner)
        profiles.complete_player_profile(personality.player_profile)
    except ConfigError as error:
        raise _refused(f"its profile cannot be ({str(error).rstrip('.')})") from error


def _check_choices(profile: Message) -> None:
    """Lets no number of a choice pass that has no name here."""
    for field, value in profile.ListFields():
        if field.enum_type and value not in field.enum_type.values_by_number:
            raise _refused(f"{field.name} is a choice that this version does not know")


def _check_statistics(statistics: personality_pb2.Statistics) -> None:
    rows = [statistics.pitch_quantiles_midi, statistics.loudness_quantiles_db]
    for row in rows:
        if len(row) > MAX_QUANTILES or sorted(row) != list(row):
            raise _refused(
                "the quantiles in its statistics are too many or not in order"
            )
    shape = statistics.note_shape
    numbers = [
        number
        for message in (statistics, shape)
        for field, number in message.ListFields()
        if field.cpp_type == field.CPPTYPE_FLOAT and not field.is_repeated
    ]
    for row in rows:
        numbers += row
    if not all(map(math.isfinite, numbers)):
        raise _refused("its statistics hold what is no number")


def _check_weights(
    values: dict[str, np.ndarray], profile: profiles_pb2.LearnerProfile
) -> None:
    n_expected = size.measure(profile).n_parameters
    n_weights = sum(weight.size for weight in values.values())
    if not n_expected <= n_weights <= n_expected + _MAX_OTHER_WEIGHTS:
        raise _refused(
            f"it has {n_weights} weights where its profile wants {n_expected}"
        )
    if not all(np.isfinite(weight).all() for weight in values.values()):
        raise _refused("its weights hold what is no number")


def _check_signatures(
    signatures: dict[str, Signature], profile: profiles_pb2.LearnerProfile
) -> None:
    if "perform" not in signatures or "state" not in signatures["perform"].inputs:
        raise _refused("its graph has no signature perform")
    state_size = signatures["perform"].inputs["state"].shape[-1:]
    if not state_size or state_size[0] < profile.recurrent_unit_count:
        raise _refused("its state has no size")
    for name, (expected, is_needed) in _expected(profile, state_size[0]).items():
        if name in signatures:
            _check_signature(name, signatures[name], expected)
        elif is_needed:
            raise _refused(f"its graph has no signature {name}")


def _expected(
    profile: profiles_pb2.LearnerProfile, state_size: int
) -> dict[str, tuple[Signature, bool]]:
    """What a player calls, and whether it cannot do without."""
    rows, wide = _tensor(_OPEN, _OPEN), _tensor(_OPEN, _OPEN, _OPEN)
    frame, state = _tensor(_OPEN, 1), _tensor(_OPEN, state_size)
    hop_size = profile.sample_rate // profile.frame_rate
    frames = {"f0_hz": rows, "loudness_db": rows}
    bends = {"brightness": rows, "harmonic_gain_db": rows, "noise_gain_db": rows}
    mix, audio = {"reverb_mix": _tensor(_OPEN)}, {"audio": rows}
    perform = Signature({**frames, "state": state}, {**audio, "state": state})
    controls = {
        "amplitude": _sized(wide, 1),
        "harmonic_distribution": _sized(wide, profile.harmonic_count),
        "noise_magnitudes": _sized(wide, profile.noise_band_count),
    }
    step = Signature(
        {**dict.fromkeys([*frames, *bends], frame), "state": state},
        {"audio": _tensor(_OPEN, hop_size), "state": state},
    )
    return {
        "perform": (perform, True),
        "serving_default": (perform, True),
        "render": (Signature({**frames, **mix}, audio), True),
        "controls": (Signature(frames, controls), True),
        "step": (step, False),
        "bend": (Signature({**perform.inputs, **bends}, perform.outputs), False),
        "render_bent": (Signature({**frames, **mix, **bends}, audio), False),
        "reverberate": (
            Signature({**audio, **mix, "state": rows}, {**audio, "state": rows}),
            False,
        ),
    }


def _check_signature(name: str, given: Signature, expected: Signature) -> None:
    missing = expected.outputs.keys() - given.outputs.keys()
    if missing or given.inputs.keys() - expected.inputs.keys():
        raise _refused(
            f"its signature {name} takes {', '.join(sorted(given.inputs))} and gives "
            f"{', '.join(sorted(given.outputs))}"
        )
    for tensors, wanted in zip(given, expected, strict=True):
        for key in tensors.keys() & wanted.keys():
            if not _fits(tensors[key], wanted[key]):
                raise _refused(
                    f"{key} of its signature {name} has the shape {list(tensors[key].shape)}"
                )


def _fits(tensor: Tensor, wanted: Tensor) -> bool:
    """An open dimension takes any size of ours that is one, and none of the batch."""
    return (
        tensor.dtype == wanted.dtype
        and len(tensor.shape) == len(wanted.shape)
        and tensor.shape[0] == _OPEN
        and all(
            w in (_OPEN, t) for t, w in zip(tensor.shape, wanted.shape, strict=True)
        )
    )


def _tensor(*shape: int) -> Tensor:
    from tensorflow.core.framework import types_pb2

    return Tensor(types_pb2.DT_FLOAT, shape)


def _sized(tensor: Tensor, n_last: int) -> Tensor:
    return tensor._replace(shape=(*tensor.shape[:-1], n_last))


def _refused(what: str) -> BundleError:
    return BundleError(
        f"the personality in the bundle is not taken: {tame(what)}; ask for the bundle again where it comes from."
    )
