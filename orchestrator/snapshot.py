"""The facility at one moment, as operators and the HTTP API see it. All watts, UTC times."""

from dataclasses import dataclass
from datetime import datetime

from orchestrator.domain.breach import Breach
from orchestrator.domain.events import EventRecord


@dataclass(frozen=True, slots=True)
class LimitView:
    """A limit of the tree.

    contract_w: of the topology; derivation: how it came about; ceiling_w: in force now, and why;
    exposure_w: the most that may be drawn below it, uncontrolled load included; metered_w: None
    without a fresh meter.
    silence_reserve_w: kept free now for nodes that may fall silent; silent_beyond: how many more
    nodes are silent than the limit keeps a reserve for.
    """

    id: str
    kind: str
    parent: str | None
    contract_w: float
    ceiling_w: float
    reason: str
    exposure_w: float
    metered_w: float | None
    armed: bool
    derivation: str = ""
    silence_reserve_w: float = 0.0
    silent_beyond: int = 0


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node.

    status: "unknown", "silent", "shadow", "locked", "fail-safe", "following" or "foreign".
    limit_w: sum of card limits last sent; charged_w: the sum it is charged at; target_w: the sum
    the last decision wants. age_s: since its last telemetry. tok_s_bias, power_bias: factors on its
    model that decisions use, learned from it. drift_s: for how long the evidence has been outside
    the model's error band, in seconds of evidence. cut_only: why it is never raised, else empty.
    sheddable: whether it has proven lately that broadcasts reach it. shed_level: in force on it, 0
    for none.
    """

    id: str
    limit: str
    path: tuple[str, ...]
    deployment: str
    tier: int
    status: str
    limit_w: float | None
    charged_w: float
    target_w: float | None
    enforced_w: float | None
    power_w: float | None
    tok_s: float | None
    itl_p95_ms: float | None
    ttft_p95_ms: float | None
    running: int | None
    waiting: int | None
    batch_limit: int | None
    lease: str
    reason: str
    age_s: float | None
    tok_s_bias: float = 1.0
    power_bias: float = 1.0
    drift_s: float = 0.0
    agent_version: str | None = None
    cut_only: str = ""
    sheddable: bool = False
    shed_level: int | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is true now. mode: "shadow", "partly armed" or "armed".

    itl_p95_ms: the nodes' 95th percentiles, weighted by their tokens per second. breaches: those
    that are open; breaches_opened: how many opened since the start.
    tighten_only: why nothing is raised, one sentence for every limit whose fail-safe is not
    affordable; raises_held_s is infinite then.
    """

    at: datetime
    site: str
    mode: str
    simulated: bool
    epoch: int
    raises_held_s: float
    ceiling_w: float
    exposure_w: float
    metered_w: float | None
    tok_s: float
    itl_p95_ms: float | None
    decision_id: str | None
    decisions: int
    limits: tuple[LimitView, ...]
    nodes: tuple[NodeView, ...]
    events: tuple[EventRecord, ...]
    next_change_at: datetime | None
    tighten_only: tuple[str, ...] = ()
    breaches: tuple[Breach, ...] = ()
    breaches_opened: int = 0
