"""`ballast twin`: the simulated plant."""

import json
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.guard import guarded, read_text

commands = typer.Typer(help="The simulated plant: cards, engines and meters.", no_args_is_help=True)


@commands.command()
def serve(
    site: Annotated[
        Path | None, typer.Option(help="JSON description of the site; the demo's without it.")
    ] = None,
    port: Annotated[int, typer.Option(help="TCP port on 127.0.0.1; 0 picks one.")] = 0,
    seed: Annotated[int, typer.Option(help="Of the demo's site.")] = 1,
) -> None:
    """Run the SIMULATED plant until Ctrl-C; prints its port as JSON on the first line."""
    from integrations.twin.demo_site import demo_site
    from integrations.twin.process import serve as run
    from integrations.twin.site import load_site

    def go() -> None:
        plant = demo_site(seed) if site is None else load_site(read_text(site))
        run(plant, host="127.0.0.1", port=port, ready=_announce)

    guarded(go)


def _announce(port: int) -> None:
    typer.echo(json.dumps({"port": port, "simulated": True}))
