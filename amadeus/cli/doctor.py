"""`amadeus doctor`: whether this machine is fit, and how to mend what is not."""

import json
from typing import TYPE_CHECKING

import click

from amadeus.cli.status import EXIT_FAULT
from amadeus.home import Home

if TYPE_CHECKING:
    from amadeus.cli.checks import Check

_MARKS = {"ok": "✓", "warning": "!", "problem": "✗"}
_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@click.pass_obj
def doctor(home: Home, as_json: bool) -> int:
    """Check this machine, and say how to mend what is wrong.

    Exit status 1 if there is a problem, 0 otherwise.
    """
    from amadeus.cli.checks import examine

    checks = list(examine(home))
    if as_json:
        print(json.dumps([check._asdict() for check in checks], indent=2))
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            _print(check, width)
        print(_conclude([check.state for check in checks]))
    return EXIT_FAULT if any(c.state == "problem" for c in checks) else 0


def _print(check: "Check", width: int) -> None:
    mark = click.style(_MARKS[check.state], fg=_COLOURS[check.state])
    click.echo(f"{mark} {check.name:<{width}}  {check.text}")
    if check.state != "ok":
        click.echo(f"  {'':<{width}}  {check.state}: {check.mend}")


def _conclude(states: list[str]) -> str:
    problems, warnings = states.count("problem"), states.count("warning")
    if problems:
        return f"{problems} problem(s), {warnings} warning(s)"
    return f"all is well, {warnings} warning(s)" if warnings else "all is well"
