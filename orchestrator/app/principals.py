"""Everybody who may use the site's broker, with the passwords made at first start."""

from integrations.messaging.access import (
    Credential,
    Principal,
    feed_principal,
    node_principal,
    orchestrator_principal,
)
from orchestrator.runtime.credentials import ensure_secret
from orchestrator.settings import Settings


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
    return [
        Credential(principal, ensure_secret(settings.secrets_dir, principal.name))
        for principal in principals(settings)
    ]
