"""`ballast bench`: measurements that anyone can run again; each prints a table or JSON."""

import typer

commands = typer.Typer(help="Measure Ballast, side by side with others.", no_args_is_help=True)
