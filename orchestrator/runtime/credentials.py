"""Secrets made at first start: one private file a name, never printed, never replaced."""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from orchestrator.domain.errors import ConfigurationError
from orchestrator.runtime.folders import make_folder


def ensure_secret(folder: Path, name: str) -> str:
    """The secret of a name; made on first use with mode 0600 in a folder of mode 0700."""
    make_folder(folder, 0o700)
    path = folder / name
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24))
    except FileExistsError:
        pass
    except OSError as error:
        raise ConfigurationError(f"cannot write the secret {path}: {error.strerror}") from error
    return read_secret(path)


def ensure_secrets(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The secrets of all names, made where missing."""
    return {name: ensure_secret(folder, name) for name in names}


def read_secret(path: Path) -> str:
    """The secret in a file. Raises ConfigurationError when it is missing or empty."""
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"cannot read the secret {path}: {error.strerror}") from error
    if not secret:
        raise ConfigurationError(f"the secret {path} is empty; delete it to have a new one made")
    return secret
