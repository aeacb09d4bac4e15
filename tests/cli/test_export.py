"""The command; what the files hold is told in tests/export."""

import shutil
import subprocess
import sys

import pytest
import soundfile

from amadeus.cli.main import main
from amadeus.export import formats
from amadeus.personality.content import read_personality, write_personality
from tests.cli.terminal import amadeus, environment
from tests.cli.test_deu import teach
from tests.export.voices import SMALL, write_voice


@pytest.fixture
def stage(home, tmp_path, monkeypatch):
    """A folder to write in, a deu with two voices in name only, and one that has none."""
    deu = home.create_deu("cello")
    teach(deu, 1)
    teach(deu, 2)
    home.create_deu("viola")
    folder = tmp_path / "stage"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def export(*arguments, name="cello"):
    return main(["deu", "export", name, *map(str, arguments)])


def test_help_is_instant_and_lists_the_formats(home):
    done = amadeus("deu", "export", "--help", home=home)
    assert all(form.name in done.stdout for form in formats.FORMATS)
    probe = (
        "import sys; from amadeus.cli.main import main\n"
        "try: main(['deu', 'export', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(bool({'tensorflow', 'numpy', 'onnx'} & set(sys.modules)))"
    )
    subprocess.run(
        [sys.executable, "-c", probe], check=True, env=environment(home), stdout=-3
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--format", "mp3", "-o", "a.mp3"], "choose one of deu, ddsp-vst, tflite,"),
        (["--format", "tflite", "-o", "a.bin"], "must end in .tflite"),
        (["--format", "onnx", "-o", "no/a.onnx"], "there is no folder no"),
        (["--format", "saved_model", "-o", "no/a"], "there is no folder no"),
        (["--format", "tflite", "-o", "there.tflite"], "with --force"),
        (["--format", "saved_model", "-o", "folder"], "is no SavedModel"),
        (["--format", "saved_model", "-o", "folder", "--force"], "is no SavedModel"),
        (["--format", "onnx", "-o", "a.onnx", "--rate", 8000], "--rate is for"),
        (["--format", "wav-ir", "-o", "a.wav", "--rate", 1], "--rate=1 is out of"),
        (["--format", "onnx", "-o", "a.onnx", "--generation", 7], "no generation 7"),
        (["--format", "onnx", "-o", "a.onnx", "--generation", 0], "no generation 0"),
        (["--format", "ddsp-vst", "-o", "a.tflite"], "--learner preset=vst"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_loaded(
    stage, capsys, arguments, sentence
):
    (stage / "there.tflite").write_text("there")
    (stage / "folder").mkdir()
    (stage / "folder" / "diary.txt").write_text("dear")
    assert export(*arguments) == 2
    assert sentence in capsys.readouterr().err
    assert {path.name for path in stage.iterdir()} == {"there.tflite", "folder"}
    assert (stage / "folder" / "diary.txt").exists()


def test_a_deu_without_a_voice_is_refused(stage, capsys):
    assert export("--format", "onnx", "-o", "a.onnx", name="viola") == 2
    assert "has no voice yet" in capsys.readouterr().err


def test_a_voice_is_not_written_among_the_voices_of_a_deu(stage, home, capsys):
    path = home.deu("cello").voices_path / "3"
    assert export("--format", "saved_model", "-o", path) == 2
    assert "keeps its own voices there" in capsys.readouterr().err
    assert home.deu("cello").generations() == [1, 2]


@pytest.fixture(scope="module")
def small_path(tmp_path_factory):
    return write_voice(tmp_path_factory.mktemp("voice") / "1", **SMALL)


@pytest.fixture
def taught(stage, home, small_path):
    """Generation 3 of the deu is a voice that plays."""
    path = home.deu("cello").voices_path / "3"
    shutil.copytree(small_path, path)
    return stage


def test_every_format_is_written_and_says_so(taught, capsys):
    written = {
        "tflite": "a.tflite",
        "onnx": "a.onnx",
        "saved_model": "a",
        "wav-ir": "a.wav",
    }
    pytest.importorskip("onnx")
    for name, file in written.items():
        assert export("--format", name, "-o", file) == 0
        said = capsys.readouterr().out
        assert said.startswith(f"{file}: deu cello, generation 3, ")
    assert {path.name for path in taught.iterdir()} == set(written.values())


def test_force_replaces_what_is_there(taught):
    for name, file in (("wav-ir", "a.wav"), ("saved_model", "a")):
        assert export("--format", name, "-o", file) == 0
        assert export("--format", name, "-o", file) == 2
        assert export("--format", name, "-o", file, "--force") == 0


def test_the_rate_of_the_reverb_can_be_chosen(taught):
    assert export("--format", "wav-ir", "-o", "a.wav", "--rate", 48_000) == 0
    assert soundfile.info("a.wav").samplerate == 48_000
    assert soundfile.info("a.wav").duration == pytest.approx(0.05)


def test_a_voice_that_was_changed_is_refused_in_a_sentence(taught, home, capsys):
    path = home.deu("cello").voice_path(3)
    personality = read_personality(path)
    personality.learner_profile.seed += 1
    write_personality(path, personality)
    assert export("--format", "saved_model", "-o", "a") == 2
    assert "not the one its digest names" in capsys.readouterr().err
    assert list(taught.iterdir()) == []
