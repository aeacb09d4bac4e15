"""Before a practice the coach leaves out what AudioExampleGen will, by the same rule."""

import numpy as np
import pytest
import soundfile

from amadeus.audio import decode
from amadeus.cli.practice import listen_first
from amadeus.errors import RecordingError
from amadeus.listen import coach
from amadeus.personality import profiles
from tests.listen.conftest import RATE


@pytest.fixture
def paths(tmp_path, note):
    made = []
    for number in range(4):
        made.append(tmp_path / f"{number}.wav")
        soundfile.write(made[-1], note(220 * 2 ** (number / 12), 1.0), RATE)
    return made


def profile_with(*settings):
    return profiles.complete_learner_profile(profiles.parse_learner_settings(settings))


def test_what_cannot_be_used_stops_with_the_knob_that_would_let_it_go(tmp_path, paths):
    bad = tmp_path / "bad.wav"
    bad.write_text("not a sound\n" * 10)
    with pytest.raises(RecordingError, match=r"1 of 5 recordings.*bad\.wav.*=0\.2\."):
        listen_first([*paths, bad], profile_with())


def test_what_the_knob_allows_is_left_out_and_told(tmp_path, paths, capsys):
    (tmp_path / "empty.wav").write_bytes(b"")
    half = (
        tmp_path / "half.wav"
    )  # its header is well, so it is found only when it is heard
    soundfile.write(half, np.tile(decode.read(paths[0], sample_rate=RATE), 4), RATE, format="FLAC")  # fmt: skip
    half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
    asked = profile_with("max_skipped_fraction=0.4")
    listen_first([*paths, tmp_path / "empty.wav", half], asked)
    said = capsys.readouterr().out
    assert "warning: skipped 2 of 6: " in said
    assert "1 is empty (empty.wav)" in said
    assert "(half.wav)" in said


def test_a_mixture_of_rates_is_told(tmp_path, paths, capsys):
    low = tmp_path / "low.wav"
    soundfile.write(low, decode.read(paths[0], sample_rate=8_000), 8_000)
    listen_first([*paths, low], profile_with())
    said = capsys.readouterr().out
    assert "1 of 5 takes was recorded at 8000 Hz: nothing above 4000 Hz" in said
    listen_first([low], profile_with())
    assert "was recorded at" not in capsys.readouterr().out  # its bandwidth says it


def test_of_many_short_takes_as_much_is_heard_as_of_long_ones():
    for duration_s in (0.1, 0.25, 3.0, 60.0, 3_600.0):
        n_takes = max(1, round(6_000 / duration_s))
        plan = coach._plan([duration_s] * n_takes, 60.0)
        heard_s = sum(
            min(part.duration_s, duration_s) for parts in plan for part in parts or ()
        )
        assert heard_s == pytest.approx(60.0, rel=0.2)
        assert sum(parts != [] for parts in plan) <= coach._MOST_EXCERPTS
