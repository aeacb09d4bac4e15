import shutil

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from amadeus.errors import VoiceError
from amadeus.export import saved_model
from amadeus.personality.content import read_personality, write_personality
from amadeus.voice.player import Voice


def test_a_copy_plays_and_knows_who_it_is(small_path, tmp_path, phrase):
    saved_model.export(small_path, tmp_path / "copy")
    voices = [Voice.load(path) for path in (small_path, tmp_path / "copy")]
    original, copy = (voice.perform(*phrase).audio for voice in voices)
    assert_array_equal(copy, original)
    assert np.abs(copy).max() > 0
    assert voices[1].personality == voices[0].personality
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_an_older_copy_is_replaced_as_a_whole(small_path, tmp_path):
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "old.txt").write_text("old")
    saved_model.export(small_path, tmp_path / "copy")
    assert not (tmp_path / "copy" / "old.txt").exists()
    assert (tmp_path / "copy" / "saved_model.pb").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_a_voice_that_is_not_what_its_digest_names_is_refused(small_path, tmp_path):
    shutil.copytree(small_path, tmp_path / "changed")
    personality = read_personality(tmp_path / "changed")
    personality.statistics.silence_loudness_db = -12.5
    write_personality(tmp_path / "changed", personality)
    with pytest.raises(VoiceError, match="not the one its digest names"):
        saved_model.export(tmp_path / "changed", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    "victim", ["variables/variables.index", "assets.extra/personality.json"]
)
def test_a_damaged_voice_is_refused(small_path, tmp_path, victim):
    shutil.copytree(small_path, tmp_path / "damaged")
    (tmp_path / "damaged" / victim).write_bytes(b"{")
    with pytest.raises(VoiceError, match="damaged"):
        saved_model.export(tmp_path / "damaged", tmp_path / "copy")
