"""Folders that Ballast keeps its files in."""

from pathlib import Path

from orchestrator.domain.errors import ConfigurationError


def make_folder(path: Path, mode: int = 0o777) -> None:
    """Make a folder and those above it. Raises ConfigurationError when that cannot be done."""
    try:
        path.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"cannot write to {path}: {error.strerror}") from error
