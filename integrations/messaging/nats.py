"""The configuration of a nats-server that serves MQTT, as text."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from integrations.messaging.access import Credential
from orchestrator.domain.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class NatsLimits:
    """Bounds for a fleet of thousands of agents on one broker.

    Every QoS 1 subscription is one consumer. A session's in-flight windows together may not exceed
    65535 messages, so max_ack_pending also bounds its QoS 1 subscriptions: 31 with 2048 each.
    """

    max_connections: int = 20_000
    max_consumers: int = 100_000
    max_ack_pending: int = 2048
    max_memory_mb: int = 256
    max_file_mb: int = 2048


def nats_subject(pattern: str) -> str:
    """A topic or topic filter as NATS writes it: levels joined by dots, dots doubled to //.

    An empty level becomes a lone slash, as in the server's own conversion; a trailing # selects
    only what lies below, so `nats_subjects` adds the level itself. ConfigurationError on spaces,
    which subjects cannot hold, and on * and >, which would become wildcards.
    """
    if any(sign.isspace() or sign in "*>" for sign in pattern):
        raise ConfigurationError(f"topic {pattern!r} holds a space, * or >, which NATS refuses")
    wildcards = {"+": "*", "#": ">", "": "/"}
    levels = pattern.split("/")
    return ".".join(wildcards.get(level, level.replace(".", "//")) for level in levels)


def nats_subjects(filters: Iterable[str]) -> list[str]:
    """The subjects that together allow what the MQTT filters allow."""
    subjects: list[str] = []
    for pattern in filters:
        if pattern.endswith("/#"):
            subjects.append(nats_subject(pattern.removesuffix("/#")))
        subjects.append(nats_subject(pattern))
    return subjects


def nats_config(
    credentials: Iterable[Credential],
    *,
    host: str,
    port: int,
    store_dir: Path,
    log_file: Path,
    limits: NatsLimits | None = None,
) -> str:
    """A configuration that serves MQTT on host:port to these users and nobody else.

    Users need no permission on $MQTT or $JS subjects: the server opens its own consumers for
    QoS 1, retained messages and sessions. Passwords stand in clear, as NATS offers bcrypt only,
    which the standard library lacks: keep the file private and the secrets generated.
    """
    bounds = limits or NatsLimits()
    users = "\n".join(_user(credential) for credential in credentials)
    return f"""\
server_name: ballast
# The native listener cannot be turned off; no user may use it.
listen: "127.0.0.1:-1"
max_connections: {bounds.max_connections}
log_file: {_quoted(log_file)}
logfile_size_limit: 10MB
logfile_max_num: 3
jetstream {{
  store_dir: {_quoted(store_dir)}
  max_memory_store: {bounds.max_memory_mb}MB
  max_file_store: {bounds.max_file_mb}MB
  limits {{ default_max_consumers: {bounds.max_consumers} }}
}}
mqtt {{
  listen: "{host}:{port}"
  max_ack_pending: {bounds.max_ack_pending}
  ack_wait: "10s"
  consumer_inactive_threshold: "10m"
}}
authorization {{
  timeout: 5
  users = [
{users}
  ]
}}
"""


def _user(credential: Credential) -> str:
    principal = credential.principal
    return (
        f"    {{ user: {_quoted(principal.name)}, password: {_quoted(credential.password)},"
        ' allowed_connection_types: ["MQTT"],\n'
        f"      permissions: {{ publish: {_permission(principal.publish)},"
        f" subscribe: {_permission(principal.subscribe)} }} }}"
    )


def _permission(filters: tuple[str, ...]) -> str:
    # The server reads an empty allow list as "everything".
    if not filters:
        return '{ deny: [">"] }'
    subjects = ", ".join(_quoted(subject) for subject in nats_subjects(filters))
    return f"{{ allow: [{subjects}] }}"


def _quoted(value: str | Path) -> str:
    text = str(value)
    if not text.isprintable() or '"' in text or "\\" in text:
        raise ConfigurationError(f"{text!r} cannot stand in a NATS configuration: rename it")
    return f'"{text}"'
