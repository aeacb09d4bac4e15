"""`amadeus report`: a practice as one HTML page."""

from pathlib import Path

import click

from amadeus.cli.output import check_output
from amadeus.errors import HomeError
from amadeus.home import Deu, Home, explain_os_errors


@click.command()
@click.argument("name")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Where to write it. Default: NAME-report.html here.",
)
@click.option("--practice", metavar="ID", help="Which practice. Default: the last one.")
@click.pass_obj
def report(home: Home, name: str, output: str | None, practice: str | None) -> None:
    """Write a practice of the deu NAME down as one HTML page that needs no network."""
    deu = home.deu(name)
    practice_path = find_practice(deu, practice)
    path = check_output(output or f"{name}-report.html", suffixes=(".html", ".htm"))
    from amadeus.report.page import write_report  # draws with matplotlib

    with explain_os_errors(path):
        write_report(deu, practice_path, path)
    print(f"{path}: practice {practice_path.name}, {path.stat().st_size / 1e6:.1f} MB")


def find_practice(deu: Deu, practice: str | None) -> Path:
    """Finds a practice of a deu, by default the last.

    Raises:
      HomeError: There is no such practice.
    """
    practices = deu.practices()
    if not practices:
        raise HomeError(
            f"deu {deu.name!r} has not practised yet: start with `amadeus practice imitate {deu.name} RECORDINGS`."
        )
    found = [path for path in practices if practice in (None, path.name)]
    if not found:
        last = ", ".join(path.name for path in practices[-5:])
        raise HomeError(
            f"deu {deu.name!r} has no practice {practice!r}: the last are {last}."
        )
    return found[-1]
