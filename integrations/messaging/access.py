"""Who may publish and subscribe where: pure rules, before any broker's syntax.

Every filter is an MQTT topic filter. A name joins the site and the role by underscores, which
ids cannot contain: no two principals share a name, and a name also serves as an MQTT client id.
"""

import re
from dataclasses import dataclass, field

from integrations.messaging.filters import check_filter, matches
from integrations.wire import topics
from orchestrator.domain.errors import ConfigurationError

_REPORTS: tuple[topics.NodeKind, ...] = ("desc", "state", "telemetry", "ack")
_ORDERS: tuple[topics.NodeKind, ...] = ("setpoint", "frontier", "shed-table")
_PASSWORD = re.compile(r"(?!\$)[!#-&(-\[\]-~]{8,}")
_LEVEL = re.compile(r"[^\s/+#*>$\0]+")


@dataclass(frozen=True)
class Principal:
    """A broker user and the topic filters it may publish to and subscribe to."""

    name: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]

    def __post_init__(self) -> None:
        for pattern in (*self.publish, *self.subscribe):
            check_filter(pattern)

    def may_write(self, topic: str) -> bool:
        """Whether the principal may publish on the topic."""
        return any(matches(pattern, topic) for pattern in self.publish)

    def may_read(self, topic: str) -> bool:
        """Whether the principal may receive messages of the topic."""
        return any(matches(pattern, topic) for pattern in self.subscribe)


@dataclass(frozen=True)
class Credential:
    """A principal and its secret, in characters that every broker's files can hold."""

    principal: Principal
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if not _PASSWORD.fullmatch(self.password):
            raise ConfigurationError(
                f"the broker password of {self.principal.name!r} needs 8 or more visible ASCII"
                " characters, no quotes or backslashes, and no $ in front"
            )


def node_principal(site: str, node: str) -> Principal:
    """A node's agent: its own reports out, its own orders and the site's broadcasts in."""
    return Principal(
        name=f"{site}_node_{node}",
        publish=tuple(topics.node(site, node, kind) for kind in _REPORTS),
        subscribe=(
            *(topics.node(site, node, kind) for kind in _ORDERS),
            topics.shed(site),
            topics.orchestrator_state(site),
        ),
    )


def orchestrator_principal(site: str, dsx_agent_id: str | None = None) -> Principal:
    """The service: all reports and signals in, orders and broadcasts out.

    Towards the grid it is a DSX Flex agent: load targets and breach enforcement in, power state
    and breach alerts out, under its agent id; without one, under any.
    """
    level = "+" if dsx_agent_id is None else _level("DSX agent", dsx_agent_id)
    agent = f"grid/v1/dsx-flex-agent/{level}"
    broadcasts = (topics.shed(site), topics.orchestrator_state(site))
    return Principal(
        name=f"{site}_orchestrator",
        publish=(
            *(topics.nodes_filter(site, kind) for kind in _ORDERS),
            *broadcasts,
            f"{agent}/powerstate/status",
            f"{agent}/powerbreach",
        ),
        subscribe=(
            *(topics.nodes_filter(site, kind) for kind in _REPORTS),
            *broadcasts,
            topics.signals_filter(site),
            "grid/v1/isv/+/loadtarget/set",
            "grid/v1/infra/+/powerbreach/enforcement",
        ),
    )


def feed_principal(site: str, source: str, dsx_isv_id: str) -> Principal:
    """A source of grid signals: its own signals and load targets out, power states in."""
    isv = _level("DSX ISV", dsx_isv_id)
    return Principal(
        name=f"{site}_feed_{source}",
        publish=(topics.signals(site, source), f"grid/v1/isv/{isv}/loadtarget/set"),
        subscribe=(
            "grid/v1/dsx-flex-agent/+/powerstate/status",
            "grid/v1/dsx-flex-agent/+/powerbreach",
        ),
    )


def _level(kind: str, value: str) -> str:
    if not _LEVEL.fullmatch(value):
        raise ConfigurationError(
            f"{kind} id {value!r} must be one topic level without wildcards or spaces"
        )
    return value
