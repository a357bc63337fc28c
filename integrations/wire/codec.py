"""The encoding of every message between the orchestrator and its agents."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from integrations.wire.shape import (
    Shape,
    falling,
    flag,
    identifier,
    instant,
    integer,
    many,
    number,
    optional,
    row,
    text,
)
from orchestrator.domain.frontier import Candidate, Frontier
from orchestrator.domain.setpoint import Ack, Fence, Setpoint
from orchestrator.domain.shed import NodeTable, Shed
from orchestrator.domain.telemetry import Description, Telemetry

MAX_TTL_S: Final = 3600.0
MAX_CARDS: Final = 64
MAX_POINTS: Final = 2000
MAX_LEVELS: Final = 64


@dataclass(frozen=True, slots=True)
class OrchestratorState:
    """The retained word of the orchestrator that leads: its epoch, and when it said so (UTC)."""

    epoch: int
    at: datetime


@dataclass(frozen=True, slots=True)
class NodeState:
    """Whether a node's agent is connected; the broker says offline for it as its last will."""

    state: str


ONLINE: Final = NodeState("online")
OFFLINE: Final = NodeState("offline")

_WATTS = number(low=0)
_RATE = number(low=0)
_NAME = text(200)
_FENCE = row(Fence, {"epoch": integer(), "sequence": integer()})
_POINT = row(
    Candidate,
    {
        "cap_w": _WATTS,
        "batch": integer(low=1),
        "power_w": _WATTS,
        "tok_s": _RATE,
        "itl_p95_ms": optional(number(low=0)),
        "itl_p99_ms": optional(number(low=0)),
        "clock_mhz": optional(number(low=0)),
    },
)

SETPOINT: Final = Shape(
    Setpoint,
    {
        "node": identifier(),
        "limit_w": _WATTS,
        "target_tok_s": optional(_RATE),
        "ttl_s": number(low=1e-3, high=MAX_TTL_S),
        "fence": _FENCE,
        "incarnation": _NAME,
        "stamp_s": number(low=0),
        "decision_id": _NAME,
    },
    later={"releases_shed": _FENCE, "release": flag()},
)
ACK: Final = Shape(
    Ack,
    {
        "node": identifier(),
        "incarnation": _NAME,
        "fence": _FENCE,
        "accepted": flag(),
        "reason": text(),
    },
)
TELEMETRY: Final = Shape(
    Telemetry,
    {
        "node": identifier(),
        "incarnation": _NAME,
        "stamp_s": number(low=0),
        "fence": _FENCE,
        "limit_w": optional(_WATTS),
        "highest_epoch": integer(),
        "lease": text(one_of=("none", "held", "expired")),
        "enforced_w": optional(_WATTS),
        "pending_w": optional(_WATTS),
        "power_w": optional(_WATTS),
        "settled_s": number(low=0),
        "tok_s": optional(_RATE),
        "itl_p95_ms": optional(number(low=0)),
        "ttft_p95_ms": optional(number(low=0)),
        "running": optional(integer()),
        "waiting": optional(integer()),
        "batch_limit": optional(integer()),
        "foreign": many(_NAME, MAX_CARDS),
        "notes": many(text(), MAX_CARDS),
        "clock_mhz": optional(number(low=0)),
    },
    later={
        "shed": _FENCE,
        "shed_level": integer(high=MAX_LEVELS),
        "shed_table": _NAME,
        "canary": _FENCE,
    },
)
DESCRIPTION: Final = Shape(
    Description,
    {
        "node": identifier(),
        "incarnation": _NAME,
        "agent_version": _NAME,
        "deployment": _NAME,
        "cards": many(_NAME, MAX_CARDS),
        "min_w": _WATTS,
        "max_w": _WATTS,
        "default_w": _WATTS,
        "boot_gated": flag(),
        "knobs": many(_NAME, MAX_CARDS),
    },
)
FRONTIER: Final = Shape(
    Frontier,
    {
        "deployment": _NAME,
        "model_version": _NAME,
        "cards": integer(low=1, high=MAX_CARDS),
        "points": many(_POINT, MAX_POINTS),
        "tok_s_band": optional(number(low=0)),
        "power_band": optional(number(low=0)),
    },
)
SHED: Final = Shape(
    Shed,
    {
        "fence": _FENCE,
        "level": integer(high=MAX_LEVELS),
        "table": _NAME,
        "decision_id": _NAME,
    },
)
NODE_TABLE: Final = Shape(
    NodeTable,
    {
        "node": identifier(),
        "table": _NAME,
        "caps_w": falling(_WATTS, MAX_LEVELS),
    },
)
ORCHESTRATOR_STATE: Final = Shape(OrchestratorState, {"epoch": integer(), "at": instant()})
NODE_STATE: Final = Shape(NodeState, {"state": text(one_of=("online", "offline"))})
