"""`amadeus listen`: what could be learned from recordings."""

import click

from amadeus.cli.output import check_output
from amadeus.cli.recordings import find_recordings, refuse_sets
from amadeus.home import Home, explain_os_errors


@click.command()
@click.argument("recordings", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@click.option(
    "--html", metavar="FILE", help="Also write a page with pictures; needs no network."
)
@click.option(
    "--instrument",
    metavar="NAME",
    help="Whose range to hold them against. Default: read from names, or guessed by pitch.",
)
@click.option(
    "--learner",
    metavar="KEY=VALUE",
    multiple=True,
    help="A setting of the learner, such as f0_tracker=crepe_tiny.",
)
@click.pass_obj
def listen_command(
    home: Home,
    recordings: tuple[str, ...],
    as_json: bool,
    html: str | None,
    instrument: str | None,
    learner: tuple[str, ...],
) -> None:
    """Say what could be learned from RECORDINGS: files, folders, globs, gs:// or s3:// URLs.

    What is there, what is missing, what a voice will be good and bad at, and the three most useful
    things to record next.
    """
    from amadeus.personality import profiles

    profile = profiles.complete_learner_profile(
        profiles.parse_learner_settings(learner)
    )
    page_path = check_output(html, suffixes=(".html", ".htm")) if html else None
    refuse_sets(recordings, where="the coach listens to recordings only")
    from amadeus.listen import document, text
    from amadeus.listen.coach import check_teachable, listen  # numpy, onnxruntime

    with find_recordings(home, recordings).shown() as paths:
        report = listen(paths, profile=profile, instrument=instrument)
    print(document.to_json(report) if as_json else text.render(report))
    if page_path:
        from amadeus.listen.page import write_page  # draws with matplotlib

        with explain_os_errors(page_path):
            write_page(report, page_path)
        if not as_json:
            print(f"\n{page_path}: {page_path.stat().st_size / 1e6:.1f} MB")
    check_teachable(report)
