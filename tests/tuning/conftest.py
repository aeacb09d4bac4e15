import shutil

import pytest

from amadeus.tuning.plan import make_plan
from amadeus.tuning.player import tune_player
from amadeus.tuning.wish import read_wish
from tests.export.voices import SMALL, write_voice


@pytest.fixture(scope="session")
def small_path(tmp_path_factory):
    """The smallest voice that has everything."""
    return write_voice(tmp_path_factory.mktemp("tuning") / "1", **SMALL)


@pytest.fixture
def deu(home, small_path):
    """A deu with one generation, which no practice here has made."""
    cello = home.create_deu("cello")
    shutil.copytree(small_path, cello.voices_path / "1")
    return cello


@pytest.fixture
def tune(home, deu):
    """Turns knobs of the player of the generation that plays."""
    count = iter(range(1, 100))

    def turn(*settings):
        plan = make_plan(deu, read_wish(settings, []))
        assert not plan.learns
        return tune_player(home, deu, plan, name_practice=lambda: f"p{next(count)}")

    return turn
