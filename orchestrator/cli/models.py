"""`ballast models`: from profile samples to what a watt buys."""

import typer

commands = typer.Typer(help="Fit and judge power-performance models.", no_args_is_help=True)
