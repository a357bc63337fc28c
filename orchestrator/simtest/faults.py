"""The faults that a simulation injects, and what each may do at worst."""

from dataclasses import dataclass
from typing import Final, Literal

Class = Literal["prevented", "detected"]


@dataclass(frozen=True, slots=True)
class FaultClass:
    """A kind of fault.

    kind: "prevented", no promise is broken; "detected", the plant may exceed a limit for a bounded
    time. words: what happens, for a table. reach: while it lasts, a cut may not arrive, so that an
    event's limit is met only when leases have ended. longest_s, most: of a drawn fault; the
    meaning of its size depends on the kind. bound: of what a detected fault may do, in words.
    """

    kind: Class
    words: str
    reach: bool = False
    longest_s: float = 60.0
    most: float = 1.0
    per_node: bool = True
    bound: str = ""


FAULTS: Final[dict[str, FaultClass]] = {
    "loss": FaultClass(
        "prevented", "messages are lost, with the chance of its size", True, 90, 0.6
    ),
    "duplicate": FaultClass("prevented", "messages arrive twice", False, 120, 0.8),
    "delay": FaultClass("prevented", "messages are late, and overtake each other", True, 60, 150.0),
    "partition": FaultClass("prevented", "a node and the broker do not reach each other", True, 90),
    "broker_restart": FaultClass(
        "prevented", "the broker restarts; sessions are kept", True, 8, per_node=False
    ),
    "broker_loss": FaultClass(
        "prevented", "the broker restarts and has forgotten everything", True, 8, per_node=False
    ),
    "agent_crash": FaultClass(
        "prevented", "the agent dies between two effects; restarted", True, 6, 6.0
    ),
    "agent_hang": FaultClass("prevented", "the agent's process stands still", True, 40),
    "agent_kill": FaultClass("prevented", "the agent is killed and stays away", True, 90),
    "host_reboot": FaultClass(
        "prevented", "the host restarts; cards come back at their default limit", True, 60
    ),
    "service_crash": FaultClass(
        "prevented", "the service dies between two effects of a step", True, 40, 12.0, False
    ),
    "service_hang": FaultClass("prevented", "the service stands still", True, 25, per_node=False),
    "two_leaders": FaultClass(
        "prevented", "a second service starts while the first goes on", False, 60, per_node=False
    ),
    "old_backup": FaultClass(
        "prevented",
        "the service restarts on an older copy of its database",
        True,
        20,
        per_node=False,
    ),
    "database_down": FaultClass(
        "prevented", "the database answers nothing", False, 60, per_node=False
    ),
    "write_fails": FaultClass(
        "prevented", "power limit writes fail, some after their effect", True, 30
    ),
    "write_late": FaultClass("prevented", "power limit writes return late", True, 30, 3.0),
    "write_clamps": FaultClass(
        "detected",
        "the driver enforces more than was asked",
        True,
        40,
        120.0,
        bound="what the driver adds, for 8 s after a write",
    ),
    "card_lies": FaultClass(
        "detected",
        "a card ignores its limit and reports that it holds",
        True,
        40,
        bound="that card's own excess, while it lasts",
    ),
    "foreign_writer": FaultClass(
        "detected",
        "another program raises a card's limit",
        True,
        20,
        bound="that card's default less its limit, for 28 s",
    ),
    "engine_hang": FaultClass(
        "prevented", "the serving engine does not answer and serves nothing", False
    ),
    "sensor_stuck": FaultClass("prevented", "power and energy readings stand still", True, 60),
    "sensor_biased": FaultClass(
        "prevented", "power and energy readings are off by its size", True, 90, 0.15
    ),
    "sensor_stale": FaultClass("prevented", "the cards cannot be read", True, 40),
    "clock_drift": FaultClass(
        "prevented", "the agent's clock runs off by its size", False, 300, 0.01
    ),
    "clock_jump": FaultClass(
        "prevented", "the host was suspended: its clock has moved on", True, 1, 30.0
    ),
    "wall_jump": FaultClass("prevented", "the service's wall clock jumps", False, 60, 30.0, False),
    "meter_dies": FaultClass("prevented", "the meter says nothing", False, 90, per_node=False),
}
"""Every fault class by name; docs/safety.md shows the same table."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault of a scenario; seconds since its begin. where: a node, or "site"."""

    at_s: float
    kind: str
    where: str
    for_s: float
    size: float

    @property
    def ends_s(self) -> float:
        """When what was broken works again."""
        return self.at_s + self.for_s

    def text(self) -> str:
        """One line of a trace."""
        return (
            f"{self.at_s:7.1f} s  {self.kind} at {self.where}, {self.for_s:.1f} s, {self.size:.3g}"
        )
