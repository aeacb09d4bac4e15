import pytest

from tests.protos.__main__ import LOCK_PATH, main
from tests.protos.elements import read_elements
from tests.protos.rules import find_additions, find_breaks, find_flaws

PROTO = """
syntax = "proto3";
package music.v1;

// Plays.
service Player {
  // Plays a song.
  rpc Play(stream Song) returns (Sound);
}

// How loud.
enum Dynamics {
  // Not said.
  DYNAMICS_UNSPECIFIED = 0;
  // Softly.
  DYNAMICS_PIANO = 1;
}

// What is played.
message Song {
  // Kinds of clefs.
  enum Clef {
    // Not said.
    CLEF_UNSPECIFIED = 0;
  }
  reserved 9;
  // Its title.
  string title = 1;
  // How loud.
  Dynamics dynamics = 2;
  // Notes by name.
  map<string, int32> notes = 3;
  // Verses.
  repeated string verses = 4;
  // Beats a minute.
  optional double tempo = 5;
  oneof ending {
    // It gets softer.
    double fade_s = 6;
  }
}

// What is heard.
message Sound {
  // Samples.
  bytes samples = 1;
}
"""


@pytest.fixture
def declare(tmp_path):
    def declare(text=PROTO):
        folder = tmp_path / "proto"
        folder.mkdir(exist_ok=True)
        (folder / "music.proto").write_text(text)
        return read_elements(folder)

    return declare


@pytest.fixture
def change(declare):
    """What is said of a change of the proto above."""
    locked = list(map(str, declare()))

    def change(old, new):
        assert PROTO.count(old) == 1
        elements = declare(PROTO.replace(old, new))
        return list(find_breaks(locked, elements)), list(
            find_additions(locked, elements)
        )

    return change


def test_what_did_not_change_breaks_nothing(declare):
    elements = declare()
    assert len(elements) == 17
    assert list(find_breaks(map(str, elements), elements)) == []
    assert list(find_additions(map(str, elements), elements)) == []
    assert list(find_flaws(elements)) == []


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "string title = 1;",
            "string title = 7;",
            r"music.proto:28: field music.v1.Song.title was `= 1 string` and is `= 7 string` now",
        ),
        (
            "string title = 1;",
            "bytes title = 1;",
            "was `= 1 string` and is `= 1 bytes`",
        ),
        (
            "string title = 1;",
            "string name = 1;",
            "field music.v1.Song.title is called name now",
        ),
        (
            "  // Its title.\n  string title = 1;\n",
            "",
            "field music.v1.Song.title was removed (= 1 string)",
        ),
        ("repeated string", "string", "was `= 4 repeated string` and is `= 4 string`"),
        ("optional double", "double", "was `= 5 optional double` and is `= 5 double`"),
        (
            "map<string, int32>",
            "map<string, int64>",
            "was `= 3 map<string, int32>` and is `= 3 map<string, int64>`",
        ),
        ("oneof ending", "oneof last", "was `= 6 double in ending`"),
        ("DYNAMICS_PIANO = 1", "DYNAMICS_PIANO = 2", "was `= 1` and is `= 2`"),
        (
            "DYNAMICS_PIANO = 1",
            "DYNAMICS_SOFT = 1",
            "value music.v1.Dynamics.DYNAMICS_PIANO is called DYNAMICS_SOFT now",
        ),
        (
            "  // Softly.\n  DYNAMICS_PIANO = 1;\n",
            "",
            "value music.v1.Dynamics.DYNAMICS_PIANO was removed (= 1)",
        ),
        (
            "stream Song",
            "Song",
            "was `(stream music.v1.Song) returns (music.v1.Sound)`",
        ),
        ("rpc Play", "rpc Sing", "method music.v1.Player.Play was removed"),
        ("service Player", "service Singer", "service music.v1.Player was removed"),
        ("enum Clef", "enum Key", "enum music.v1.Song.Clef was removed"),
        ("reserved 9;", "", "reserved music.v1.Song was removed (= 9 to 9)"),
    ],
)
def test_a_break_is_said_in_a_sentence(change, old, new, sentence):
    breaks, _ = change(old, new)
    assert any(sentence in line for line in breaks), breaks
    assert all(line.endswith(".") and "\n" not in line for line in breaks)


@pytest.mark.parametrize(
    ("old", "new", "added"),
    [
        (
            "  // Its title.",
            "  // Who wrote it.\n  string composer = 8;\n  // Its title.",
            ["field music.v1.Song.composer = 8 string"],
        ),
        (
            "  // Plays a song.",
            "  // Stops.\n  rpc Stop(Song) returns (Song);\n  // Plays a song.",
            [
                "method music.v1.Player.Stop (music.v1.Song) returns (music.v1.Song)",
            ],
        ),
        (
            "  // Softly.",
            "  // Loudly.\n  DYNAMICS_FORTE = 2;\n  // Softly.",
            ["value music.v1.Dynamics.DYNAMICS_FORTE = 2"],
        ),
        ("// Its title.", "// Its title, up to 40 letters.", []),
        ("reserved 9;", "reserved 9, 11;", ["reserved music.v1.Song = 11 to 11"]),
    ],
)
def test_additions_and_better_comments_break_nothing(change, old, new, added):
    breaks, additions = change(old, new)
    assert breaks == []
    assert list(map(str, additions)) == added


@pytest.mark.parametrize(
    ("comment", "element"),
    [
        ("// Plays.", "service music.v1.Player"),
        ("// Plays a song.", "method music.v1.Player.Play"),
        ("// What is played.", "message music.v1.Song"),
        ("// Its title.", "field music.v1.Song.title"),
        ("// Kinds of clefs.", "enum music.v1.Song.Clef"),
        ("// Softly.", "value music.v1.Dynamics.DYNAMICS_PIANO"),
    ],
)
def test_whatever_lacks_a_comment_is_named(declare, comment, element):
    (flaw,) = find_flaws(declare(PROTO.replace(comment, "")))
    assert f"{element} has no comment" in flaw


def test_the_first_value_means_that_nothing_was_said(declare):
    (flaw,) = find_flaws(declare(PROTO.replace("CLEF_UNSPECIFIED", "CLEF_TREBLE")))
    assert "end its name in _UNSPECIFIED" in flaw


def test_numbers_are_signed(declare):
    (flaw,) = find_flaws(declare(PROTO.replace("double fade_s", "uint32 fade_s")))
    assert "field music.v1.Song.fade_s is unsigned" in flaw


def test_the_command_locks_additions_and_no_breaks(declare, tmp_path, capsys):
    paths = {"proto_root": tmp_path / "proto", "lock_path": tmp_path / "protos.lock"}
    declare()
    assert main([], **paths) == 1
    assert "17 elements are new" in capsys.readouterr().out
    assert main(["--update"], **paths) == 0
    assert main([], **paths) == 0
    declare(PROTO.replace("string title", "bytes title"))
    locked = paths["lock_path"].read_text()
    assert main(["--update"], **paths) == 1
    assert paths["lock_path"].read_text() == locked
    assert "`= 1 string` and is `= 1 bytes`" in capsys.readouterr().out


def test_the_protos_of_the_studio_pass():
    assert main([]) == 0


def test_the_lock_is_in_order():
    lines = LOCK_PATH.read_text().splitlines()
    assert lines == sorted(set(lines))
