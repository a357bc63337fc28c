"""The command `ballast-agent`."""

import json
import os
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

import typer

from agents.settings import PREFIX, load_config
from orchestrator.domain.errors import ConfigurationError

EPILOG: Final = (
    "The agent reads its cards twice a second, reports over MQTT, and lowers or raises power caps "
    "as leased by `ballast serve`. It touches nothing before the first setpoint. When it stops, "
    "caps stay as they are."
)

app = typer.Typer(
    name="ballast-agent",
    help="Keeps the GPUs of one node within the watts that Ballast leases to it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(value: bool) -> None:
    if value:
        print(f"ballast-agent {version('ballast-power')}")
        raise typer.Exit


@app.callback()
def root(
    *,
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Keeps the GPUs of one node within the watts that Ballast leases to it."""


@app.command(epilog=EPILOG)
def run(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help=f"TOML file; each setting may also be given as {PREFIX}NAME, which wins.",
        ),
    ] = None,
) -> None:
    """Run the agent until SIGTERM or Ctrl-C.

    Required settings: site, node, deployment, fail_safe_w (watts over all cards without a lease),
    gpu ("nvml" or "twin:HOST:PORT") and journal (a file that survives restarts).
    """
    found = json.dumps(asdict(load_config(config)))
    sys.stdout.flush()
    # A fresh interpreter leaves the memory of the configuration's checker behind.
    os.execv(sys.executable, [sys.executable, "-m", "agents.app", found])  # noqa: S606


def main() -> None:
    """Entry point of the console script: errors are one line on standard error."""
    try:
        sys.exit(int(app(standalone_mode=False) or 0))
    except typer.Abort:
        sys.exit(130)
    except ConfigurationError as error:
        print(f"ballast-agent: {error}", file=sys.stderr)
        sys.exit(2)
    except Exception as error:
        words = getattr(error, "format_message", None)  # typer's base of usage errors is private
        if words is None:
            raise
        text = " ".join(words().split()).rstrip(".")
        if text:  # none: the help was printed instead
            print(f"ballast-agent: {text}; see `ballast-agent --help`", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
