"""What is read from cards, engines and meters, and what a node reports."""

from dataclasses import dataclass
from datetime import datetime

from orchestrator.domain.setpoint import Fence


@dataclass(frozen=True, slots=True)
class CardReading:
    """One GPU: limits in watts as the driver enforces them, energy since driver load in joules."""

    uuid: str
    enforced_w: float
    power_w: float
    energy_j: float
    min_w: float
    max_w: float
    default_w: float


@dataclass(frozen=True, slots=True)
class EngineReading:
    """The serving engine of a node; generation_tokens counts since the engine started.

    Latencies over the last seconds, in milliseconds; None where the engine does not say.
    """

    running: int
    waiting: int
    batch_limit: int
    max_batch: int
    generation_tokens: float
    itl_mean_ms: float | None
    itl_p95_ms: float | None
    ttft_p95_ms: float | None
    itl_p99_ms: float | None = None
    ttft_p99_ms: float | None = None


@dataclass(frozen=True, slots=True)
class MeterReading:
    """True power below one limit of the tree, from a meter that no agent can influence."""

    limit_id: str
    power_w: float
    measured_at: datetime


@dataclass(frozen=True, slots=True)
class Description:
    """What a node says of itself once per start; retained by the broker.

    boot_gated: after a reboot nothing draws power before the cards are capped again.
    agent_version: of the ballast-power distribution.
    """

    node: str
    incarnation: str
    agent_version: str
    deployment: str
    cards: tuple[str, ...]
    min_w: float
    max_w: float
    default_w: float
    boot_gated: bool
    knobs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Telemetry:
    """One report of a node. Sums run over the node's cards, watts without host overhead.

    stamp_s: the agent's CLOCK_BOOTTIME in seconds when the cards were sampled.
    enforced_w: sum of the limits that the driver enforces, None when a card did not answer.
    power_w: from the energy counters' difference since the last report.
    settled_s: for how long power has stayed under enforced limits that did not change since the
        last write of a limit.
    pending_w: the highest sum that a write still under way, or timed out, may yet enforce.
    fence, limit_w: of the setpoint last applied, a held limit_w no higher than the cap of a shed;
        highest_epoch: the highest epoch ever seen.
    lease: "none" (never armed), "held", "expired".
    foreign: cards whose limit somebody else changed.
    notes: what the agent could not do as asked, in words.
    clock_mhz: the highest SM clock that the cards are locked to, None where they are free.
    shed: fence of the newest shed taken or released; shed_level: in force, 0 for none; shed_table:
        hash of the table held; canary: fence of the newest canary heard.
    """

    node: str
    incarnation: str
    stamp_s: float
    fence: Fence
    limit_w: float | None
    highest_epoch: int
    lease: str
    enforced_w: float | None
    pending_w: float | None
    power_w: float | None
    settled_s: float
    tok_s: float | None
    itl_p95_ms: float | None
    ttft_p95_ms: float | None
    running: int | None
    waiting: int | None
    batch_limit: int | None
    foreign: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    clock_mhz: float | None = None
    shed: Fence | None = None
    shed_level: int | None = None
    shed_table: str | None = None
    canary: Fence | None = None


@dataclass(frozen=True, slots=True)
class NodeSample:
    """What is kept of one report of a node, and when it arrived; see Telemetry."""

    node: str
    at: datetime
    enforced_w: float | None
    power_w: float | None
    tok_s: float | None
    itl_p95_ms: float | None
    running: int | None
    waiting: int | None
    batch_limit: int | None
    clock_mhz: float | None
