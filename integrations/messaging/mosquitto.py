"""The files of a Mosquitto broker, as text: configuration, access list, passwords."""

import base64
import hashlib
import secrets
from collections.abc import Iterable
from pathlib import Path

from integrations.messaging.access import Credential, Principal
from orchestrator.domain.errors import ConfigurationError

_SALT_BYTES = 12
_ITERATIONS = 1000  # secrets are generated; a fleet that reconnects at once must not stall


def mosquitto_acl(principals: Iterable[Principal]) -> str:
    """An access list file: what is not granted is denied, silently."""
    return "\n".join(_entry(principal) for principal in principals)


def mosquitto_passwords(credentials: Iterable[Credential]) -> str:
    """A password file with salted PBKDF2-SHA512 hashes; new salts on every call."""
    return "".join(_hashed(credential) for credential in credentials)


def mosquitto_config(
    *,
    host: str,
    port: int,
    password_file: Path,
    acl_file: Path,
    persistence_dir: Path | None = None,
    user: str | None = None,
) -> str:
    """A configuration that serves MQTT on host:port to the listed users only.

    Mosquitto started as root continues as `user` (by default its own), which must be able to read
    the files and write to the persistence folder. Queues are long but bounded: Mosquitto drops
    what exceeds them, QoS 1 or not.
    """
    lines = [
        f"listener {port} {host}",
        "allow_anonymous false",
        f"password_file {password_file}",
        f"acl_file {acl_file}",
        "max_inflight_messages 100",
        "max_queued_messages 100000",
        "set_tcp_nodelay true",
        "log_dest stderr",
    ]
    if user:
        lines.append(f"user {user}")
    if persistence_dir:
        lines += [
            "persistence true",
            f"persistence_location {persistence_dir}/",
            "autosave_interval 5",
        ]
    return "\n".join(lines) + "\n"


def _entry(principal: Principal) -> str:
    _check_name(principal.name)
    lines = [f"user {principal.name}"]
    lines += [f"topic write {pattern}" for pattern in principal.publish]
    lines += [f"topic read {pattern}" for pattern in principal.subscribe]
    return "\n".join(lines) + "\n"


def _hashed(credential: Credential) -> str:
    _check_name(credential.principal.name)
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", credential.password.encode(), salt, _ITERATIONS)
    encoded = "$".join(base64.b64encode(part).decode() for part in (salt, digest))
    return f"{credential.principal.name}:$7${_ITERATIONS}${encoded}\n"


def _check_name(name: str) -> None:
    if not name or not name.isprintable() or any(sign in name for sign in ": "):
        raise ConfigurationError(f"user name {name!r} cannot stand in a Mosquitto file")
