"""What every command shares: one line for each error, files read with clear words."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.domain.errors import BallastError, ConfigurationError, InvalidInput, TooLarge

Config = Annotated[
    Path,
    typer.Option("--config", "-c", help="TOML file; BALLAST_* in the environment overrides it."),
]
DEFAULT_CONFIG = Path("ballast.toml")


def guarded(work: Callable[[], None]) -> None:
    """Run a command; an error of ours becomes one line on standard error and status 1 or 2."""
    try:
        work()
    except BallastError as error:
        typer.echo(f"ballast: {error}", err=True)
        bad_input = isinstance(error, ConfigurationError | InvalidInput)
        raise typer.Exit(2 if bad_input else 1) from None


def run_app(app: typer.Typer) -> int:
    """The exit status of a command line; wrong options too are one line, with where help is."""
    try:
        return int(app(standalone_mode=False) or 0)
    except typer.Abort:
        return 130
    except Exception as error:
        words = getattr(error, "format_message", None)  # typer's base of usage errors is private
        if words is None:
            raise
        path = getattr(getattr(error, "ctx", None), "command_path", "ballast")
        text = " ".join(words().split()).rstrip(".")
        if text:  # none: the help was printed instead
            typer.echo(f"ballast: {text}; see `{path} --help`", err=True)
        return 2


def read_text(path: Path) -> str:
    """The text of a file; ConfigurationError says why it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(f"cannot read {path}: {reason}") from error


def read_bytes(path: Path, most: int) -> bytes:
    """The bytes of a file; TooLarge, before any is read, above a bound."""
    try:
        size = path.stat().st_size
        if size > most:
            raise TooLarge(f"{path} has {size:,} bytes: at most {most:,}, split it")
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror or error}") from error


def write_json(document: object, path: Path) -> None:
    """One JSON document to a file; ConfigurationError says why it cannot be written."""
    try:
        path.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror or error}") from error


def print_json(document: object) -> None:
    """One JSON document on standard output; NaN is refused, never written."""
    typer.echo(json.dumps(document, indent=2, allow_nan=False))


def numbers(text: str, option: str) -> list[int]:
    """Whole numbers between commas; ConfigurationError names the option."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise ConfigurationError(
            f"{option} takes whole numbers like 1,2,3, got {text!r}"
        ) from error
