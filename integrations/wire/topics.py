"""The names of MQTT topics: built, subscribed to and taken apart in one place."""

import re
from dataclasses import dataclass
from typing import Final, Literal, get_args

from orchestrator.domain.errors import InvalidInput, InvalidMessage

ROOT: Final = "ballast/v1"
NodeKind = Literal["desc", "state", "telemetry", "setpoint", "ack", "frontier", "shed-table"]
NODE_KINDS: Final[tuple[NodeKind, ...]] = get_args(NodeKind)
_ID = re.compile(r"[a-z0-9-]{1,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic taken apart. kind: a node's kind, "orchestrator", "signals" or "shed".

    name: the node of a node's topic, the source of a signal, else None.
    """

    site: str
    kind: str
    name: str | None = None


def check_id(value: str, what: str = "id") -> str:
    """Return value if it is 1 to 63 of a-z, 0-9 and hyphen. Raises InvalidInput."""
    if _ID.fullmatch(value) is None:
        raise InvalidInput(f"{what} {value[:80]!r}: use 1 to 63 of a-z, 0-9 and hyphen")
    return value


def node(site: str, node_id: str, kind: NodeKind) -> str:
    """Topic of one node. Raises InvalidInput for a bad id."""
    return f"{_site(site)}/nodes/{check_id(node_id, 'node')}/{kind}"


def nodes_filter(site: str, kind: NodeKind) -> str:
    """Filter that matches one kind of message from every node of a site."""
    return f"{_site(site)}/nodes/+/{kind}"


def orchestrator_state(site: str) -> str:
    """Topic of the retained state of the orchestrator that leads a site."""
    return f"{_site(site)}/orchestrator/state"


def signals(site: str, source: str) -> str:
    """Topic on which one source sends its grid signals."""
    return f"{_site(site)}/signals/{check_id(source, 'source')}"


def signals_filter(site: str) -> str:
    """Filter that matches the signals of every source of a site."""
    return f"{_site(site)}/signals/+"


def shed(site: str) -> str:
    """Topic of the one message that moves every node of a site to a shed level."""
    return f"{_site(site)}/shed"


def parse(topic: str) -> Topic:
    """Take a topic apart. Raises InvalidMessage for anything that no function here builds."""
    if not topic.startswith(f"{ROOT}/"):
        raise InvalidMessage(f"topic {topic[:80]!r} is not below {ROOT}")
    site, *rest = topic[len(ROOT) + 1 :].split("/")
    match rest:
        case ["nodes", name, kind] if kind in NODE_KINDS and _ID.fullmatch(name):
            found = Topic(site, kind, name)
        case ["signals", name] if _ID.fullmatch(name):
            found = Topic(site, "signals", name)
        case ["orchestrator", "state"]:
            found = Topic(site, "orchestrator")
        case ["shed"]:
            found = Topic(site, "shed")
        case _:
            raise InvalidMessage(f"topic {topic[:80]!r} is none of Ballast's")
    if _ID.fullmatch(site) is None:
        raise InvalidMessage(f"topic {topic[:80]!r} has no valid site")
    return found


def _site(site: str) -> str:
    return f"{ROOT}/{check_id(site, 'site')}"
