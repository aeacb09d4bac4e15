"""A checkout and back: the same sound, bit by bit."""

import numpy as np

from amadeus.cli.main import main
from amadeus.lineage import sound
from amadeus.play.perform import perform_score
from amadeus.voice.player import Voice
from tests.export.voices import SMALL, write_voice
from tests.lineage.scribe import Tale


def play(deu):
    return perform_score(Voice.load(deu.voice_path()), sound.write_phrase(60)).audio


def test_a_checkout_then_a_render_is_the_render_of_that_generation(home, tmp_path):
    deu = home.create_deu("cello")
    tale = Tale(home, deu)
    heard = {}
    for n in (1, 2):
        brighter = {"brightness": 0.4} if n == 2 else {}
        voice = write_voice(tmp_path / str(n), **SMALL, seed=n)
        tale.tell(n, n - 1 or None, voice=voice, player=brighter)
        deu.point_to(n)
        heard[n] = play(deu)
    assert not np.array_equal(heard[1], heard[2])
    for n in (1, 2, 1):
        assert main(["deu", "checkout", f"cello@{n}"]) == 0
        np.testing.assert_array_equal(play(deu), heard[n])
