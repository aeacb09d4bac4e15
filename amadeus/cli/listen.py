"""`amadeus listen`: what could be learned from recordings."""

import click


@click.command()
@click.argument("recordings", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@click.option(
    "--learner",
    metavar="KEY=VALUE",
    multiple=True,
    help="A setting of the learner, such as f0_tracker=crepe_tiny.",
)
def listen_command(
    recordings: tuple[str, ...], as_json: bool, learner: tuple[str, ...]
) -> None:
    """Say what could be learned from RECORDINGS: files, folders or globs."""
    from amadeus.personality import profiles

    profile = profiles.complete_learner_profile(
        profiles.parse_learner_settings(learner)
    )
    from amadeus.audio.recordings import find_recordings
    from amadeus.listen import text
    from amadeus.listen.coach import check_teachable, listen  # numpy, onnxruntime

    report = listen(find_recordings(recordings), profile=profile)
    print(text.to_json(report) if as_json else text.render(report))
    check_teachable(report)
