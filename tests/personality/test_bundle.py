"""Bundles that are as they should be, and all that must be refused with nothing left behind."""

import io
import json
import os
import shutil
import stat
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amadeus.errors import BundleError, BundleTooLargeError, HomeError, VoiceError
from amadeus.home import NAME_PATTERN
from amadeus.personality import content, inspection
from amadeus.personality.bundle import BundleLimits, read_bundle, write_bundle
from tests.personality.forging import (
    DATA,
    INDEX,
    WHO,
    central,
    contents,
    describe,
    forge,
    local,
    patch,
    rewritten,
)

GRAPH = "saved_model.pb"


@pytest.fixture
def files(bundle_bytes):
    return contents(bundle_bytes)


def read(bundle, tmp_path, **limits):
    target = tmp_path / "voice"
    return read_bundle(io.BytesIO(bundle), target, limits=BundleLimits(**limits))


def refuse(bundle, tmp_path, match, kind=BundleError, **limits):
    """Expects a refusal that leaves nothing."""
    with pytest.raises(kind, match=match):
        read(bundle, tmp_path, **limits)
    assert list(tmp_path.iterdir()) == []


def files_below(path):
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file()
    }


def test_a_voice_comes_out_as_it_went_in(bundle_bytes, voice_path, tmp_path):
    personality = read(bundle_bytes, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["voice"]
    original, copy = files_below(voice_path), files_below(tmp_path / "voice")
    assert copy.keys() == original.keys()
    for name in original.keys() - {WHO}:
        assert copy[name] == original[name], name
    expected = content.read_personality(voice_path)
    expected.ClearField("generation")  # each home counts for itself
    assert personality == expected
    assert content.read_personality(tmp_path / "voice") == expected


def test_a_voice_that_travelled_plays_the_same(bundle_bytes, voice_path, tmp_path, rng):
    from amadeus.voice.player import Voice

    read(bundle_bytes, tmp_path)
    f0_hz, loudness_db = rng.uniform(80, 900, 20), rng.uniform(-60, -10, 20)
    here, there = (
        Voice.load(path).render(f0_hz, loudness_db)
        for path in (voice_path, tmp_path / "voice")
    )
    assert (here == there).all()
    assert abs(here).max() > 0


def test_a_bundle_is_the_same_bytes_wherever_it_is_made(
    bundle_bytes, voice_path, tmp_path
):
    elsewhere = tmp_path / "another" / "7"
    shutil.copytree(voice_path, elsewhere)
    who = content.read_personality(elsewhere)
    who.generation = 7
    content.write_personality(elsewhere, who)
    (elsewhere / "assets.extra" / "mlmd_uuid").write_text("local")
    for path in elsewhere.rglob("*"):
        os.utime(path, (1e9, 1e9))
    write_bundle(elsewhere, tmp_path / "again.deu")
    assert (tmp_path / "again.deu").read_bytes() == bundle_bytes


def test_any_unzip_program_opens_it(bundle_bytes):
    with zipfile.ZipFile(io.BytesIO(bundle_bytes)) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        assert archive.namelist() == [
            "manifest.json",
            *(entry["path"] for entry in manifest["entries"]),
        ]
        assert manifest["version"] == 1


def test_forgeries_are_good_enough_to_pass_when_they_are_true(files, tmp_path):
    """Or the tests below would show nothing."""
    read(forge(files), tmp_path)
    shutil.rmtree(tmp_path / "voice")
    read(forge(files, method=zipfile.ZIP_STORED), tmp_path)
    shutil.rmtree(tmp_path / "voice")
    read(forge(rewritten(files, lambda who: None)), tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/etc/passwd",
        "assets.extra/../../evil",
        "variables/../saved_model.pb",
        "C:\\evil",
        "assets/words.txt",
        "assets.extra/mlmd_uuid",
        "saved_model.pbtxt",
        "saved_model.cpb",
        "debug/saved_model_debug_info.pb",
        "variables/variables.data-00001-of-00002",
        "SAVED_MODEL.PB",
        "saved_model.pb/",
        "",
    ],
)
def test_files_that_a_voice_does_not_have_are_refused(files, tmp_path, name):
    bundle = forge({**files, name: b"evil"})
    refuse(bundle, tmp_path, "leads out of it|does not belong to a voice|readable name")
    assert not (tmp_path.parent / "evil").exists()


@pytest.mark.parametrize(
    "kind", [stat.S_IFLNK, stat.S_IFDIR, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK]
)
def test_only_plain_files_are_taken(files, tmp_path, kind):
    refuse(forge(files, rights=(kind | 0o777) << 16), tmp_path, "not a plain file")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_is_refused(files, tmp_path):
    pairs = [*files.items(), (GRAPH, files[GRAPH])]
    refuse(forge(pairs), tmp_path, "holds a file twice")


@pytest.mark.parametrize("name", [WHO, GRAPH, INDEX, DATA])
def test_a_file_that_is_missing_is_named(files, tmp_path, name):
    del files[name]
    refuse(forge(files), tmp_path, f"{name} is missing")


def test_a_manifest_that_says_otherwise_is_refused(files, bundle_bytes, tmp_path):
    rows = describe(files.items())
    refuse(forge(files, rows=rows[:-1]), tmp_path, "names other files")
    refuse(forge(files, rows=rows[::-1]), tmp_path, "names other files")
    for change, match in (
        ({"size": rows[2]["size"] + 1}, "two different sizes"),
        ({"size": -1}, "describes a file wrongly"),
        ({"size": True}, "describes a file wrongly"),
        ({"size": 1.5}, "describes a file wrongly"),
        ({"sha256": "0" * 64}, "has not the SHA-256"),
        ({"mode": 7}, "describes a file incompletely"),
    ):
        wrong = [*rows[:2], {**rows[2], **change}, *rows[3:]]
        refuse(forge(files, rows=wrong), tmp_path, match)
    refuse(forge(files, entries=None), tmp_path, "is incomplete")
    refuse(forge(files, rows=["saved_model.pb"]), tmp_path, "incompletely")
    refuse(forge(files, format="zip"), tmp_path, "of another kind")
    refuse(forge(files, version="1"), tmp_path, "of another kind")
    refuse(forge(files, more=1), tmp_path, "is incomplete")


@pytest.mark.parametrize("version", [0, 3, 10**30])
def test_another_version_of_the_format_is_refused_and_named(files, tmp_path, version):
    refuse(forge(files, version=version), tmp_path, f"of version {version} and this")


def test_sizes_that_lie_are_found_out(bundle_bytes, tmp_path):
    """The graph, third of the files, is said to be larger and smaller than it is, everywhere at once or not."""
    n = 3
    at, before = central(bundle_bytes, n), local(bundle_bytes, n)
    with zipfile.ZipFile(io.BytesIO(bundle_bytes)) as archive:
        size = archive.getinfo(GRAPH).file_size
    for other in (size - 1, size + 1, 10, 2**32 - 1):
        one = patch(bundle_bytes, at + 24, "<L", other)
        refuse(one, tmp_path, "described twice and differently")
        both = patch(one, before + 22, "<L", other)
        refuse(both, tmp_path, "two different sizes")
    files = contents(bundle_bytes)
    rows = describe(files.items())
    rows[n - 1]["size"] = 10
    lying = forge(files, rows=rows)
    at, before = central(lying, n), local(lying, n)
    lying = patch(patch(lying, at + 24, "<L", 10), before + 22, "<L", 10)
    refuse(lying, tmp_path, "is longer than it says")


def test_the_zip_has_one_spelling(bundle_bytes, tmp_path):
    n_bytes = len(bundle_bytes)
    refuse(bundle_bytes + b"\0", tmp_path, "its end is missing")
    refuse(b"#!/bin/sh\n" + bundle_bytes, tmp_path, "not where it should be")
    refuse(patch(bundle_bytes, n_bytes - 2, "<H", 1), tmp_path, "split or commented")
    at = central(bundle_bytes)
    for offset, value, match in (
        (8, 1, "encrypted"),  # flags
        (10, 12, "packed by method 12"),  # bzip2
        (34, 1, "split"),  # number of the disk
        (42, 5, "not where it should be"),  # offset, low half
    ):
        refuse(patch(bundle_bytes, at + offset, "<H", value), tmp_path, match)


def test_a_bundle_cut_off_anywhere_is_refused(bundle_bytes, tmp_path):
    steps = [*range(0, len(bundle_bytes), 4_999), *range(1, 40)]
    for n in steps:
        refuse(bundle_bytes[: len(bundle_bytes) - n - 1], tmp_path, "damaged")


def test_bombs_do_not_go_off(files, tmp_path):
    zeros = bytes(60 * 2**20)  # which deflate to a thousandth
    refuse(forge({**files, GRAPH: zeros}), tmp_path, "would grow from")
    refuse(
        forge({**files, WHO: bytes(2**21)}), tmp_path, "at most", BundleTooLargeError
    )
    huge = {"padding": "0" * 100_000}
    refuse(forge(files, **huge), tmp_path, "manifest.json has", BundleTooLargeError)
    many = [*files.items(), *((f"assets/{i}", b"") for i in range(70))]
    refuse(forge(many), tmp_path, "at most 64")


def test_limits_are_the_takers(bundle_bytes, tmp_path):
    too_large = (BundleTooLargeError,)
    n_bytes = len(bundle_bytes)
    refuse(bundle_bytes, tmp_path, "at most", *too_large, max_bundle_bytes=n_bytes - 1)
    refuse(bundle_bytes, tmp_path, "at most", *too_large, max_content_bytes=1_000_000)
    refuse(bundle_bytes, tmp_path, "would grow", max_ratio=3)
    read(bundle_bytes, tmp_path, max_bundle_bytes=n_bytes)


def test_weights_that_were_changed_or_swapped_are_refused(files, tmp_path):
    def change(offset):
        weights = bytearray(files[DATA])
        weights[offset] ^= 1
        return forge({**files, DATA: bytes(weights)})

    refuse(change(0), tmp_path, "so it was changed")
    # the end says which weights are whose, and is in no digest
    refuse(change(-1), tmp_path, "not the checksums|damaged")
    first, second, rest = files[DATA][:32], files[DATA][32:64], files[DATA][64:]
    assert first != second
    refuse(forge({**files, DATA: second + first + rest}), tmp_path, "so it was changed")


def test_a_digest_of_something_else_is_refused(files, tmp_path):
    def claim(who):
        who["digest"] = "sha256:" + "ab" * 32

    refuse(forge(rewritten(files, claim, sign=False)), tmp_path, "so it was changed")

    def age(who):
        who["learner_profile"]["seed"] = 5

    refuse(forge(rewritten(files, age, sign=False)), tmp_path, "so it was changed")


@pytest.mark.parametrize(
    ("path", "value", "match"),
    [
        ("deu", "../cello", "cannot name a deu"),
        ("deu", "", "cannot name a deu"),
        ("parent_digest", "sha256:../../x", "is no digest"),
        ("practice", "\x1b[31mred", "is not a name"),
        ("practice", "../../practices", "is not a name"),
        ("amadeus_version", "<script>", "is not a name"),
        ("metrics", {"<b>": 1.0}, "is not a name"),
        ("metrics", {f"m{i}": 1.0 for i in range(101)}, "more than 100"),
        ("generation", -1, "below 0"),
        ("learner_profile.sample_rate", 192_000, "sample_rate=192000 is out of range"),
        ("learner_profile.frame_rate", 51, "does not divide"),
        ("learner_profile.harmonic_count", None, "does not say harmonic_count"),
        ("learner_profile.f0_tracker", 77, "a choice that this version"),
        ("learner_profile.harmonic_count", 9, "weights where its profile wants"),
        ("player_profile.a4_hz", 4000.0, "a4_hz=4000 is out of range"),
        ("player_profile.reverb_mix", "NaN", "reverb_mix=nan is out of range"),
        ("statistics.silence_loudness_db", "NaN", "what is no number"),
        ("statistics.pitch_quantiles_midi", [60.0, 50.0], "not in order"),
        ("statistics.pitch_quantiles_midi", [60.0] * 2000, "too many"),
        ("statistics.loudness_quantiles_db", ["-Infinity", 0.0], "what is no number"),
        ("statistics.note_shape", {"vibrato_rate_hz": "Infinity"}, "what is no number"),
    ],
)
def test_a_personality_that_cannot_be_is_refused(files, tmp_path, path, value, match):
    """Even where its digest is true."""

    def spoil(who):
        *parents, name = path.split(".")
        for parent in parents:
            who = who[parent]
        if value is None:
            del who[name]
        else:
            who[name] = value

    refuse(forge(rewritten(files, spoil)), tmp_path, match)


@pytest.mark.parametrize("where", [(), ("player_profile",), ("statistics",)])
def test_a_personality_from_the_future_is_refused_by_the_name_of_its_field(
    files, tmp_path, where
):
    def age(who):
        for name in where:
            who = who[name]
        who["mood"] = "melancholy"

    refuse(forge(rewritten(files, age)), tmp_path, 'newer Amadeus.*"mood"')


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"deu": 5}',
        b"[" * 100_000,
        b'{"generation": 1e99}',
    ],
)
def test_a_personality_that_is_none_is_refused(files, tmp_path, text):
    refuse(forge({**files, WHO: text}), tmp_path, "damaged|cannot name a deu")


def test_a_graph_that_is_none_is_refused(files, tmp_path):
    for graph in (b"", b"\xff" * 100, files[GRAPH][:-1], files[GRAPH] + b"\xff"):
        refuse(forge({**files, GRAPH: graph}), tmp_path, "is not that of a voice")


def test_what_is_no_file_is_named(tmp_path):
    with pytest.raises(BundleError, match="cannot be read: No such file"):
        read_bundle(tmp_path / "nothing.deu", tmp_path / "voice")
    with pytest.raises(BundleError, match="cannot be read: Is a directory"):
        read_bundle(tmp_path, tmp_path / "voice")


def test_nothing_that_is_there_is_replaced(bundle_bytes, tmp_path):
    (tmp_path / "voice").mkdir()
    (tmp_path / "voice" / "mine").write_text("mine")
    with pytest.raises(HomeError, match="cannot write"):
        read(bundle_bytes, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["voice"]
    assert (tmp_path / "voice" / "mine").read_text() == "mine"


def test_a_voice_that_is_not_its_digest_is_not_handed_out(voice_path, tmp_path):
    shutil.copytree(voice_path, tmp_path / "1")
    who = content.read_personality(tmp_path / "1")
    who.learner_profile.seed += 1
    content.write_personality(tmp_path / "1", who)
    with pytest.raises(VoiceError, match="not the one its digest names"):
        write_bundle(tmp_path / "1", tmp_path / "cello.deu")
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "double", "zero", "insert"]),
        st.floats(0, 1, exclude_max=True),
        st.integers(1, 64),
    ),
    min_size=1,
    max_size=3,
)


def mutate(text, mutations):
    text = bytearray(text)
    for kind, share, n in mutations:
        at = int(share * len(text))
        if kind == "flip":
            text[at : at + 1] = bytes([text[at] ^ n]) if text else b""
        elif kind == "cut":
            del text[at : at + n]
        elif kind == "double":
            text[at:at] = text[at : at + n]
        elif kind == "zero":
            text[at : at + n] = bytes(len(text[at : at + n]))
        else:
            text[at:at] = bytes([n]) * n
    return bytes(text)


QUIET = {
    "deadline": None,
    "database": None,
    "derandomize": True,
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
}


@pytest.fixture(scope="module")
def stub(bundle_bytes):
    """A bundle whose graph and weights are stubs, so that none made of it may pass."""
    return forge({**contents(bundle_bytes), GRAPH: b"\x08\x01", DATA: b"weights"})


@pytest.mark.slow
@settings(max_examples=10_000, **QUIET)
@given(mutations=MUTATIONS)
def test_ten_thousand_damaged_bundles_are_refused(stub, tmp_path_factory, mutations):
    folder = tmp_path_factory.getbasetemp() / "damaged"
    folder.mkdir(exist_ok=True)
    with pytest.raises(BundleError):
        read_bundle(io.BytesIO(mutate(stub, mutations)), folder / "voice")
    assert list(folder.iterdir()) == []


@settings(max_examples=1_500, **QUIET)
@given(mutations=MUTATIONS)
def test_a_damaged_personality_is_refused_or_whole(
    voice_path, tmp_path_factory, mutations
):
    path = tmp_path_factory.getbasetemp() / "who" / WHO
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(mutate((voice_path / WHO).read_bytes(), mutations))
    try:
        who = inspection.read_identity(path.parents[1])
        inspection.check_identity(who)
    except BundleError as refusal:
        said = str(refusal)
    else:
        said = who.deu
        assert NAME_PATTERN.fullmatch(said)
    assert said.isprintable()


@settings(max_examples=200, **QUIET)
@given(mutations=MUTATIONS)
def test_what_passes_damaged_is_the_same_voice(
    bundle_bytes, tmp_path_factory, mutations
):
    """Deflate has bits that mean nothing."""
    target = tmp_path_factory.mktemp("passed") / "voice"
    try:
        read_bundle(io.BytesIO(mutate(bundle_bytes, mutations)), target)
    except BundleError:
        assert list(target.parent.iterdir()) == []
    else:
        assert files_below(target) == contents(bundle_bytes)
