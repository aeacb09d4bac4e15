"""`amadeus lineage`: where a voice comes from, as text."""

import click

from amadeus.home import Home


@click.command()
@click.argument("name")
@click.pass_obj
def lineage(home: Home, name: str) -> None:
    """Tell where the voice of the deu NAME comes from."""
    deu = home.deu(name)
    from amadeus.lineage import render_text  # ML Metadata takes a while to import

    print(render_text(home, deu))
