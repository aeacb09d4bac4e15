"""Personalities that come from elsewhere."""

import io
import subprocess
import sys
import threading

import pytest

from amadeus import lineage
from amadeus.errors import BundleError, ConfigError, HomeError
from amadeus.home import Home
from amadeus.lineage.store import Mode, find_personalities, open_store
from amadeus.personality import content, holding
from amadeus.personality.bundle import write_bundle
from amadeus.personality.generations import mlmd_uuid
from amadeus.v1 import personality_pb2
from tests.personality.forging import contents, forge, rewritten


def hold(home, bundle, name=None):
    return holding.hold(home, io.BytesIO(bundle), name)


def child_of(bundle, parent_digest, seed):
    """Another personality, that says whose child it is."""

    def grow(who):
        who["parent_digest"] = parent_digest
        who["learner_profile"]["seed"] = seed

    return forge(rewritten(contents(bundle), grow))


def test_a_bundle_becomes_the_next_generation_of_its_deu(home, bundle_bytes):
    held = hold(home, bundle_bytes)
    assert not held.already_held
    assert (held.personality.deu, held.personality.generation) == ("cello", 1)
    deu = home.deu("cello")
    assert deu.generations() == [1]
    assert held.path == deu.voice_path()
    assert content.read_personality(held.path) == held.personality
    uuid = (held.path / "assets.extra" / "mlmd_uuid").read_text()
    assert uuid == mlmd_uuid(held.personality)
    other = hold(home, child_of(bundle_bytes, "", seed=5))
    assert (other.personality.generation, deu.generations()) == (2, [1, 2])
    assert other.personality.digest != held.personality.digest
    assert [p.name for p in deu.path.parent.iterdir()] == [".holding", "cello"]


def test_what_is_held_already_stays_as_it_is(home, bundle_bytes):
    first = hold(home, bundle_bytes)
    hold(home, child_of(bundle_bytes, "", seed=5))
    again = hold(home, bundle_bytes)
    assert again == first._replace(already_held=True)
    assert home.deu("cello").generations() == [1, 2]
    assert len(lineage.lineage_of(home, home.deu("cello"))) == 2


def test_a_voice_that_is_damaged_can_be_brought_again(home, bundle_bytes):
    first = hold(home, bundle_bytes)
    weights = first.path / "variables" / "variables.data-00000-of-00001"
    weights.write_bytes(weights.read_bytes()[:100])
    again = hold(home, bundle_bytes)
    assert (again.already_held, again.personality.generation) == (False, 2)
    assert holding.find_by_digest(home, again.personality.digest).generation == 2


def test_a_name_that_is_said_is_the_deus_that_is_meant(home, bundle_bytes):
    hold(home, bundle_bytes)
    held = hold(home, bundle_bytes, "viola")
    assert (held.already_held, held.personality.deu) == (False, "viola")
    assert [deu.name for deu in home.deus()] == ["cello", "viola"]
    assert hold(home, bundle_bytes, "viola").already_held
    with pytest.raises(ConfigError, match="cannot name a deu"):
        hold(home, bundle_bytes, "../viola")


def test_a_name_that_is_not_said_is_content_with_any_deu(home, bundle_bytes):
    hold(home, bundle_bytes, "viola")
    held = hold(home, bundle_bytes)
    assert (held.already_held, held.personality.deu) == (True, "viola")
    assert [deu.name for deu in home.deus()] == ["viola"]


def test_a_practice_of_the_deu_is_not_waited_for(home, bundle_bytes):
    with home.create_deu("cello").locked():
        assert hold(home, bundle_bytes).personality.generation == 1


def test_what_is_refused_leaves_nothing(home, bundle_bytes):
    with pytest.raises(BundleError):
        hold(home, bundle_bytes[:-1])
    assert list((home.path / "deus").iterdir()) == []
    assert not home.metadata_path.exists()


def test_many_that_bring_the_same_hold_it_once(home, bundle_bytes):
    found = []

    def bring():
        found.append(hold(home, bundle_bytes))

    threads = [threading.Thread(target=bring) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(held.already_held for held in found) == [False, True, True, True]
    assert {held.personality.generation for held in found} == {1}
    assert home.deu("cello").generations() == [1]


def test_it_enters_the_lineage_with_a_parent_known_by_digest_only(home, bundle_bytes):
    parent = "sha256:" + "12" * 32
    held = hold(home, child_of(bundle_bytes, parent, seed=6))
    (record,) = lineage.lineage_of(home, home.deu("cello"))
    assert (record.generation, record.digest) == (1, held.personality.digest)
    assert (record.parent_digest, record.parent_generation) == (parent, None)
    assert record.is_imported
    assert record.voice_path == held.path
    text = lineage.render_text(home, home.deu("cello"))
    assert "  parent        121212121212, which is not held here" in text
    assert "born elsewhere in practice unknown" in text


def test_a_parent_that_came_before_is_its_parent(home, bundle_bytes):
    parent = hold(home, bundle_bytes).personality
    hold(home, child_of(bundle_bytes, parent.digest, seed=7))
    records = lineage.lineage_of(home, home.deu("cello"))
    assert [record.parent_generation for record in records] == [None, 1]


def test_a_practice_that_writes_its_lineage_is_waited_for(home, bundle_bytes):
    hold(home, bundle_bytes)
    program = (
        "import sqlite3, time\n"
        f"store = sqlite3.connect({str(home.metadata_path)!r}, isolation_level=None)\n"
        "store.execute('BEGIN EXCLUSIVE'); print(flush=True)\n"
        "time.sleep(0.5); store.execute('COMMIT')"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=-1) as writer:
        writer.stdout.readline()
        hold(home, child_of(bundle_bytes, "", seed=8))
    assert len(lineage.lineage_of(home, home.deu("cello"))) == 2


def test_a_lineage_that_cannot_be_written_is_said_and_the_voice_is_held(
    home, bundle_bytes
):
    home.metadata_path.mkdir(parents=True)
    with pytest.raises(HomeError, match="1 of cello is held and plays, but its lin"):
        hold(home, bundle_bytes)
    assert home.deu("cello").generations() == [1]


def test_it_is_recorded_as_personality_writer_records(home, bundle_bytes):
    """A practice that starts from it finds the very artifact, and adds none beside it."""
    from tfx import types
    from tfx.dsl.components.common import importer
    from tfx.orchestration import metadata

    from components import artifacts
    from components.personality_writer import write

    held = hold(home, bundle_bytes)
    store = open_store(home, mode=Mode.READONLY)
    (recorded,) = find_personalities(store, home.deu("cello"))
    written = artifacts.Personality()
    write.describe(written, held.path)
    theirs = dict(written.mlmd_artifact.custom_properties)
    ours = dict(recorded.custom_properties)
    assert ours.pop("imported").int_value == 1
    assert {k: ours[k] for k in theirs} == theirs
    config = metadata.sqlite_metadata_connection_config(str(home.metadata_path))
    with metadata.Metadata(config) as handle:
        (found,) = importer.generate_output_dict(
            handle,
            uri=str(held.path),
            properties={},
            custom_properties=write.identity(held.personality),
            reimport=False,
            output_artifact_class=types.Artifact,
            mlmd_artifact_type=_type_of(artifacts),
        )["result"]
    assert found.id == recorded.id
    registered = store.get_artifact_type("amadeus.Personality")
    registered.ClearField("id")
    assert registered == _type_of(artifacts)


def _type_of(artifacts):
    kind = artifacts.Personality().artifact_type
    kind.ClearField("id")
    return kind


def test_a_digest_is_found_among_hundreds_of_generations(tmp_path, monkeypatch):
    home = Home(tmp_path)
    for name in ("alto", "bass"):
        deu = home.create_deu(name)
        for generation in range(1, 151):
            content.write_personality(
                deu.voices_path / str(generation),
                personality_pb2.Personality(
                    deu=name, generation=generation, digest=f"sha256:{name}{generation}"
                ),
            )
    found = holding.find_by_digest(home, "sha256:bass7")
    assert (found.deu, found.generation) == ("bass", 7)
    assert found.read().digest == "sha256:bass7"
    n_read = holding._read_digest.cache_info().misses
    assert holding.find_by_digest(home, "sha256:bass3").generation == 3
    assert holding.find_by_digest(home, "sha256:none") is None
    assert holding.find_by_digest(home, "sha256:bass3", "alto") is None
    # what was not read on the way to the first is read now, the rest is known
    assert holding._read_digest.cache_info().misses - n_read <= 7


def test_a_generation_that_was_replaced_is_read_anew(home):
    deu = home.create_deu("cello")
    path = deu.voices_path / "1"
    who = personality_pb2.Personality(deu="cello", digest="sha256:first")
    content.write_personality(path, who)
    assert holding.find_by_digest(home, "sha256:first")
    who.digest = "sha256:second"
    content.write_personality(path, who)
    assert holding.find_by_digest(home, "sha256:first") is None
    assert holding.find_by_digest(home, "sha256:second").path == path


@pytest.mark.parametrize("text", ["", "[]", '{"digest": 5}', '{"digest":', "\x00"])
def test_damaged_generations_are_passed_by(home, text):
    deu = home.create_deu("cello")
    for generation in (1, 2):
        who = personality_pb2.Personality(deu="cello", digest="sha256:a")
        content.write_personality(deu.voices_path / str(generation), who)
    (deu.voices_path / "2" / "assets.extra" / "personality.json").write_text(text)
    (deu.voices_path / "3").mkdir()
    assert holding.find_by_digest(home, "sha256:a").generation == 1


def test_two_homes_hand_each_other_the_same_bytes(tmp_path, bundle_bytes):
    """Whatever number it has in each."""
    here, there = Home(tmp_path / "here"), Home(tmp_path / "there")
    hold(there, child_of(bundle_bytes, "", seed=9))
    assert hold(here, bundle_bytes).personality.generation == 1
    assert hold(there, bundle_bytes).personality.generation == 2
    for home, name in ((here, "a.deu"), (there, "b.deu")):
        write_bundle(home.deu("cello").voice_path(), tmp_path / name)
        assert (tmp_path / name).read_bytes() == bundle_bytes
