"""`ballast bench`: measurements that anyone can run again; each prints a table or JSON."""

from pathlib import Path
from typing import Annotated

import typer

commands = typer.Typer(help="Measure Ballast, side by side with others.", no_args_is_help=True)


@commands.command()
def models(
    data: Annotated[
        Path | None,
        typer.Option(help="Public CSV table of the ML.ENERGY benchmark v3; simulated without it."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the simulated profiles.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Judge fits on runs that they have not seen, by deployment: same host, and hosts held out."""
    from orchestrator.cli.guard import guarded, print_json

    def run() -> None:
        from orchestrator.bench.models import measure, plain, show

        found = measure(data, seed)
        if as_json:
            print_json(plain(found))
        else:
            show(found)

    guarded(run)
