import json

from amadeus.cli.main import main
from amadeus.personality.content import read_personality, write_personality
from amadeus.v1 import personality_pb2, profiles_pb2
from tests.cli.terminal import amadeus
from tests.report.practices import make_practice, make_whole_practice


def teach(deu, generation):
    """Lays a generation down as files, with no sound in it."""
    path = deu.voices_path / str(generation)
    (path / "assets.extra").mkdir(parents=True)
    (path / "variables").mkdir()
    for name in ("saved_model.pb", "variables/variables.index"):
        (path / name).write_text("content")
    write_personality(
        path,
        personality_pb2.Personality(
            deu=deu.name,
            generation=generation,
            digest="sha256:" + "cd" * 32,
            parent_digest="sha256:" + "ab" * 32,
            metrics={"spectral_loss": 5.52, "f0_outlier_ratio": 0.031},
            statistics=personality_pb2.Statistics(
                sounding_duration_s=611,
                pitch_quantiles_midi=[36, 57.5, 79],
                loudness_quantiles_db=[-62, -21],
            ),
        ),
    )
    return path


def test_create_list_show_remove(home):
    assert amadeus("deu", "create", "cello", home=home).returncode == 0
    assert "cello  no voice yet" in amadeus("deu", "list", home=home).stdout
    assert "voice       none yet" in amadeus("deu", "show", "cello", home=home).stdout
    assert amadeus("deu", "remove", "cello", "--yes", home=home).returncode == 0
    assert home.deus() == []


def test_a_deu_is_made_once(home):
    amadeus("deu", "create", "cello", home=home)
    done = amadeus("deu", "create", "cello", home=home)
    assert (done.returncode, "exists already" in done.stderr) == (2, True)


def test_a_name_cannot_climb_out_of_the_home(home):
    for command in (["deu", "create"], ["deu", "show"], ["deu", "remove", "--yes"]):
        done = amadeus(*command, "../cello", home=home)
        assert done.returncode == 2
        assert "'../cello' cannot name a deu" in done.stderr


def test_show_tells_voice_range_metrics_and_practices(home, tmp_path, rng):
    deu = home.create_deu("cello")
    teach(deu, 1)
    teach(deu, 2)
    make_whole_practice(deu, tmp_path / "artifacts", rng)
    make_practice(deu, "20261122-010203-ffff")
    lines = amadeus("deu", "show", "cello", home=home).stdout.splitlines()
    assert "  voice       generation 2 (kept: 1)" in lines
    assert "  pitch       C#2 to F#5" in lines
    assert "  loudness    -61 to -22 dB" in lines
    assert "  spectral loss     5.52" in lines
    assert "  pitch outliers    3.1 %" in lines
    assert f"  digest      sha256:{'cd' * 32}" in lines
    assert "    20261121-034455-ab12  made generation 2" in lines
    assert lines[-1].startswith("    20261122-010203-ffff  has no end")


def test_show_tells_the_knobs_that_were_turned(home, capsys):
    path = teach(home.create_deu("cello"), 1)
    assert main(["deu", "show", "cello"]) == 0
    assert "plays with" not in capsys.readouterr().out
    personality = read_personality(path)
    personality.player_profile.brightness = 0.5
    personality.player_profile.voice_mode = profiles_pb2.VOICE_MODE_MONO
    personality.player_profile.a4_hz = 440
    write_personality(path, personality)
    assert main(["deu", "show", "cello"]) == 0
    assert "plays with  brightness=0.5, voice_mode=mono\n" in capsys.readouterr().out


def test_show_survives_a_damaged_voice(home):
    deu = home.create_deu("cello")
    (teach(deu, 1) / "assets.extra" / "personality.json").write_text("{")
    done = amadeus("deu", "show", "cello", home=home)
    assert done.returncode == 0
    assert "  damaged " in done.stdout


def test_remove_asks_and_takes_no_for_an_answer(home):
    home.create_deu("cello")
    for answer in ("n\n", "", "\n"):
        done = amadeus("deu", "remove", "cello", home=home, answer=answer)
        assert done.returncode == 2
        assert "nothing was removed" in done.stderr
    assert [deu.name for deu in home.deus()] == ["cello"]
    assert amadeus("deu", "remove", "cello", home=home, answer="y\n").returncode == 0
    assert home.deus() == []


def test_a_practising_deu_is_not_removed(home):
    deu = home.create_deu("cello")
    with deu.locked():
        done = amadeus("deu", "remove", "cello", "--yes", home=home)
    assert done.returncode == 2
    assert "is in another practice" in done.stderr
    assert json.loads((deu.path / "deu.json").read_text())["name"] == "cello"
