"""Who may publish and subscribe where: pure rules, before any broker's syntax.

Every filter is an MQTT topic filter. A name joins the site and the role by underscores, which
ids cannot contain: no two principals share a name, and a name also serves as an MQTT client id.
"""

import re
from dataclasses import dataclass, field

from integrations.messaging.topics import check_filter, matches
from orchestrator.domain.errors import ConfigurationError

_ID = re.compile(r"[a-z0-9-]{1,63}")
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
    """A node's agent: its own reports out, its own setpoints and the site's broadcasts in."""
    base = _base(site)
    own = f"{base}/nodes/{_id('node', node)}"
    return Principal(
        name=f"{site}_node_{node}",
        publish=tuple(f"{own}/{leaf}" for leaf in ("desc", "state", "telemetry", "ack")),
        subscribe=(f"{own}/setpoint", f"{base}/shed", f"{base}/orchestrator/state"),
    )


def orchestrator_principal(site: str, dsx_agent_id: str | None = None) -> Principal:
    """The service: all reports and signals in, setpoints and broadcasts out.

    Towards the grid it is a DSX Flex agent: load targets and breach enforcement in, power state
    and breach alerts out, under its agent id; without one, under any.
    """
    base = _base(site)
    level = "+" if dsx_agent_id is None else _level("DSX agent", dsx_agent_id)
    agent = f"grid/v1/dsx-flex-agent/{level}"
    reports = tuple(f"{base}/nodes/+/{leaf}" for leaf in ("desc", "state", "telemetry", "ack"))
    state = f"{base}/orchestrator/state"
    return Principal(
        name=f"{site}_orchestrator",
        publish=(
            f"{base}/nodes/+/setpoint",
            f"{base}/shed",
            state,
            f"{agent}/powerstate/status",
            f"{agent}/powerbreach",
        ),
        subscribe=(
            *reports,
            f"{base}/shed",
            state,
            f"{base}/signals/+",
            "grid/v1/isv/+/loadtarget/set",
            "grid/v1/infra/+/powerbreach/enforcement",
        ),
    )


def feed_principal(site: str, source: str, dsx_isv_id: str) -> Principal:
    """A source of grid signals: its own signals and load targets out, power states in."""
    isv = _level("DSX ISV", dsx_isv_id)
    return Principal(
        name=f"{site}_feed_{_id('source', source)}",
        publish=(f"{_base(site)}/signals/{source}", f"grid/v1/isv/{isv}/loadtarget/set"),
        subscribe=(
            "grid/v1/dsx-flex-agent/+/powerstate/status",
            "grid/v1/dsx-flex-agent/+/powerbreach",
        ),
    )


def _base(site: str) -> str:
    return f"ballast/v1/{_id('site', site)}"


def _id(kind: str, value: str) -> str:
    if not _ID.fullmatch(value):
        raise ConfigurationError(
            f"{kind} id {value!r} must be 1 to 63 lower-case letters, digits or hyphens"
        )
    return value


def _level(kind: str, value: str) -> str:
    if not _LEVEL.fullmatch(value):
        raise ConfigurationError(
            f"{kind} id {value!r} must be one topic level without wildcards or spaces"
        )
    return value
