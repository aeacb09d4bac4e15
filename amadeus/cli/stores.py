"""`amadeus deu push`, `pull` and `stored`: voices in a bucket, or in any folder."""

import os

import click

from amadeus.cli.quiet import stderr_kept_back
from amadeus.errors import ConfigError
from amadeus.home import Home

PERSONALITIES_VARIABLE = "AMADEUS_PERSONALITIES"

_DIGEST_CHARACTERS = 12
_GENERATION = click.option(
    "--generation", type=click.IntRange(1), metavar="N", help="Which voice."
)


@click.command()
@click.argument("name")
@click.argument("url", metavar="[URL]", required=False)
@_GENERATION
@click.pass_obj
def push(home: Home, name: str, url: str | None, generation: int | None) -> None:
    """Put the voice of the deu NAME into the store at URL, as its next generation there.

    URL is gs://BUCKET/FOLDER, s3://BUCKET/FOLDER or a folder; without it, $AMADEUS_PERSONALITIES. The voice that
    plays is taken unless --generation names another, and its lineage goes with it. One that is there already stays
    as it is.
    """
    store_url = find_url(url)
    deu = home.deu(name)
    deu.voice_path(generation)  # refuses before anything is loaded
    with stderr_kept_back():
        from amadeus.stores.homes import push_voice

        uri = push_voice(store_url, deu, generation)
    number = generation or deu.current_generation()
    print(f"generation {number} of deu {name} is at {uri}")


@click.command()
@click.argument("name")
@click.argument("url", metavar="[URL]", required=False)
@click.option(
    "--as", "deu_name", metavar="DEU", help="Deu to hold it under. Default: NAME."
)
@_GENERATION
@click.pass_obj
def pull(
    home: Home,
    name: str,
    url: str | None,
    deu_name: str | None,
    generation: int | None,
) -> None:
    """Take a voice of the deu NAME out of the store at URL, and play it.

    URL is gs://BUCKET/FOLDER, s3://BUCKET/FOLDER or a folder; without it, $AMADEUS_PERSONALITIES. The newest is taken
    unless --generation names another. Everything in it is checked first. A voice that is held already stays as it is.
    """
    store_url = find_url(url)
    with stderr_kept_back():
        from amadeus.stores.homes import bring_voice
        from amadeus.stores.personalities import find_voice

        voice = find_voice(store_url, name, generation)
        held = bring_voice(home, store_url, voice, deu_name=deu_name)
    who = held.personality
    place = f"generation {who.generation} of deu {who.deu}"
    digest = _short(who.digest)
    if held.already_held:
        print(f"{voice.uri}: {digest} is {place} already; nothing was changed")
    else:
        print(f"{voice.uri}: {digest} is {place} now")


@click.command()
@click.argument("url", metavar="[URL]", required=False)
@click.option("--deu", "name", metavar="NAME", help="Of this deu only.")
def stored(url: str | None, name: str | None) -> None:
    """List the voices in the store at URL; without it, in $AMADEUS_PERSONALITIES."""
    store_url = find_url(url)
    from amadeus.stores.personalities import list_voices

    voices = list_voices(store_url, name)
    if not voices:
        print(f"no voice in {store_url} yet: bring one with `amadeus deu push NAME`")
    width = max((len(voice.deu) for voice in voices), default=0)
    for voice in voices:
        print(
            f"{voice.deu:<{width}}  generation {voice.generation}, {_short(voice.digest)}, "
            f"{voice.size / 1e6:.1f} MB"
        )


def find_url(url: str | None) -> str:
    """Finds the store that was named, else that of the environment.

    Raises:
      ConfigError: There is none.
    """
    found = url or os.environ.get(PERSONALITIES_VARIABLE)
    if not found:
        raise ConfigError(
            f"no store was named: name one, such as gs://BUCKET/voices, or set {PERSONALITIES_VARIABLE}."
        )
    return found


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:_DIGEST_CHARACTERS]
