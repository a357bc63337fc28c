"""Everybody who may use the site's broker, with the passwords made at first start."""

from pathlib import Path

from integrations.messaging.access import (
    Credential,
    Principal,
    feed_principal,
    node_principal,
    orchestrator_principal,
)
from orchestrator.runtime.credentials import ensure_secret
from orchestrator.settings import Settings

SECRETS = "secrets"


def principals(settings: Settings) -> list[Principal]:
    """The service itself, every node of the topology, and every configured source."""
    isvs = {key.isv for key in settings.dsx.trusted}
    sources = dict.fromkeys((*settings.sources, *sorted(isvs)))
    return [
        orchestrator_principal(settings.site, settings.dsx.agent_id),
        *(node_principal(settings.site, node.id) for node in settings.topology.nodes),
        *(feed_principal(settings.site, source, source) for source in sources),
    ]


def credentials(settings: Settings) -> list[Credential]:
    """Principals with their passwords, one private file each in the data folder."""
    folder = secrets_folder(settings)
    return [
        Credential(principal, ensure_secret(folder, principal.name))
        for principal in principals(settings)
    ]


def secrets_folder(settings: Settings) -> Path:
    """Where the passwords are kept."""
    return settings.data_dir / SECRETS
