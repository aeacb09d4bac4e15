"""`amadeus listen`: what could be learned from recordings."""

import json

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
    from amadeus.listen import coach  # numpy, onnxruntime

    report = coach.listen(find_recordings(recordings), profile=profile)
    print(
        json.dumps(coach.as_dict(report), indent=2)
        if as_json
        else coach.as_text(report)
    )
    coach.check_teachable(report)
