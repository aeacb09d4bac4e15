from amadeus.personality.profiles import LEARNER_KNOBS, PLAYER_KNOBS
from amadeus.tuning import explain
from amadeus.tuning.plan import make_plan
from amadeus.tuning.wish import Wish


def test_every_knob_is_explained_with_all_that_matters():
    rows = explain.rows()
    assert [row.name for row in rows] == [*PLAYER_KNOBS, *LEARNER_KNOBS]
    for row in rows:
        assert row.meaning
        assert row.sound
        assert row.cost
        assert row.default
        assert bool(row.choices) != (row.low is not None), row.name
        assert (row.cost_kind == "second") == (row.profile == "player")


def test_the_text_fits_a_terminal_and_names_every_knob():
    lines = list(explain.to_text(explain.rows(), ""))
    assert max(map(len, lines)) <= 100
    for name in (*PLAYER_KNOBS, *LEARNER_KNOBS):
        assert any(line.startswith(f"  {name} = ") for line in lines)


def test_a_deu_has_its_present_values_beside(deu, tune):
    tune("brightness=0.25")
    rows = explain.rows(make_plan(deu, Wish()))
    now = {row.name: row.now for row in rows}
    assert (now["brightness"], now["sample_rate"]) == ("0.25", "8000")
    assert any(
        "brightness" in line and "cello: 0.25" in line
        for line in explain.to_text(rows, "cello")
    )
