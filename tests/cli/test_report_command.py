from amadeus.cli.main import main
from tests.report.practices import Scribe, make_practice, write_training


def test_the_last_practice_is_written_down(home, tmp_path, monkeypatch, capsys):
    deu = home.create_deu("cello")
    for practice in ("20261121-034455-ab12", "20261122-010203-ffff"):
        write_training(Scribe(make_practice(deu, practice)), n_points=4)
    monkeypatch.chdir(tmp_path)
    assert main(["report", "cello"]) == 0
    assert "cello-report.html: practice 20261122-010203-ffff" in capsys.readouterr().out
    assert (
        "practice 20261122-010203-ffff" in (tmp_path / "cello-report.html").read_text()
    )


def test_a_practice_can_be_chosen(home, tmp_path):
    deu = home.create_deu("cello")
    for practice in ("20261121-034455-ab12", "20261122-010203-ffff"):
        write_training(Scribe(make_practice(deu, practice)), n_points=4)
    path = tmp_path / "first.html"
    choice = ["--practice", "20261121-034455-ab12"]
    assert main(["report", "cello", "-o", str(path), *choice]) == 0
    assert "practice 20261121-034455-ab12" in path.read_text()


def test_a_practice_that_is_not_there_is_refused_with_those_that_are(home, capsys):
    deu = home.create_deu("cello")
    assert main(["report", "cello"]) == 2
    assert "has not practised yet" in capsys.readouterr().err
    make_practice(deu, "20261121-034455-ab12")
    assert main(["report", "cello", "--practice", "x"]) == 2
    assert "the last are 20261121-034455-ab12" in capsys.readouterr().err


def test_a_report_is_html(home, capsys):
    make_practice(home.create_deu("cello"))
    assert main(["report", "cello", "-o", "report.pdf"]) == 2
    assert "must end in .html" in capsys.readouterr().err


def test_lineage_of_a_deu_without_one_is_said(home, capsys):
    home.create_deu("cello")
    assert main(["lineage", "cello"]) in (0, 2)
    said = capsys.readouterr()
    assert "cello" in said.out + said.err
