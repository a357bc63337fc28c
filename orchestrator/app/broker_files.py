"""Files that make a Mosquitto keep the same rules as the embedded broker."""

import os
from pathlib import Path

from integrations.messaging.mosquitto import (
    mosquitto_acl,
    mosquitto_config,
    mosquitto_passwords,
)
from orchestrator.app.principals import credentials
from orchestrator.domain.errors import ConfigurationError
from orchestrator.runtime.folders import make_folder
from orchestrator.settings import Settings


def write_mosquitto_files(settings: Settings, out: Path, port: int) -> None:
    """Write mosquitto.conf, acl and passwords, private to this user, into a folder."""
    known = credentials(settings)
    make_folder(out, 0o700)
    user = "root" if os.geteuid() == 0 else None
    config = mosquitto_config(
        host="127.0.0.1",
        port=port,
        password_file=out / "passwords",
        acl_file=out / "acl",
        user=user,
    )
    _write(out / "acl", mosquitto_acl([credential.principal for credential in known]))
    _write(out / "passwords", mosquitto_passwords(known))
    _write(out / "mosquitto.conf", config)


def _write(path: Path, text: str) -> None:
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
            file.write(text)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error
