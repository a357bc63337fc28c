"""What the HTTP API answers with, as the dashboard reads it. All watts; times are ISO 8601."""

from typing import Any, NotRequired, TypedDict


class Key(TypedDict):
    """Who sent a signal and what they call it."""

    source: str
    id: str


class LimitView(TypedDict):
    """A limit of the tree as it is now."""

    id: str
    kind: str
    parent: str | None
    contract_w: float
    ceiling_w: float
    reason: str
    exposure_w: float
    metered_w: float | None
    armed: bool


class NodeView(TypedDict):
    """A node as it is now."""

    id: str
    limit: str
    path: list[str]
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
    tok_s_bias: NotRequired[float]
    power_bias: NotRequired[float]
    drift_s: NotRequired[float]
    sheddable: NotRequired[bool]
    shed_level: NotRequired[int | None]


class EventView(TypedDict):
    """A limit, reduction or emergency, with what it delivered once that is known."""

    key: Key
    kind: str
    limit_id: str
    status: str
    received_at: str
    starts_at: str
    ends_at: str | None
    limit_w: float | None
    baseline_w: float | None
    ended_at: str | None
    guaranteed: bool
    delivered_w: NotRequired[float | None]
    time_to_comply_s: NotRequired[float | None]
    excess_ws: NotRequired[float | None]


class BreachView(TypedDict):
    """A breach of a limit; known is false while the meter that showed it is silent."""

    limit_id: str
    started_at: str
    status: str
    worst_w: float
    excess_ws: float
    cause: str
    measured: bool
    known: bool


class Snapshot(TypedDict):
    """The facility at one moment."""

    at: str
    site: str
    mode: str
    simulated: bool
    epoch: int
    raises_held_s: float | None
    ceiling_w: float
    exposure_w: float
    metered_w: float | None
    tok_s: float
    itl_p95_ms: float | None
    decision_id: str | None
    decisions: int
    limits: list[LimitView]
    nodes: list[NodeView]
    events: list[EventView]
    next_change_at: str | None
    breaches: NotRequired[list[BreachView]]


class HistoryPoint(TypedDict):
    """One second, or one minute, of the facility."""

    at: str
    metered_w: float | None
    ceiling_w: float | None
    exposure_w: float | None
    tok_s: float | None
    itl_p95_ms: float | None


class Bound(TypedDict):
    """Watts in force at a limit, and what set them."""

    limit_w: float
    reason: str
    key: NotRequired[Key | None]


class TimelineInterval(TypedDict):
    """A stretch of time in which no ceiling changes; limits by id."""

    starts_at: str
    ends_at: str
    limits: dict[str, Bound]


class Budget(TypedDict):
    """An operator's ceiling on one limit by time of day; Monday is day 0."""

    id: str
    limit_id: str
    limit_w: float
    start: str
    end: str
    days: list[int]
    timezone: str
    note: NotRequired[str]


class Policy(TypedDict):
    """Above a threshold of carbon or price the facility's limit falls."""

    carbon_above_g_per_kwh: float | None
    carbon_limit_w: float | None
    price_above_per_mwh: float | None
    price_limit_w: float | None


class Target(TypedDict):
    """What a decision gave one node, and why."""

    node: str
    limit_w: float
    draw_w: float
    tok_s: float | None
    reason: str


class Outcome(TypedDict):
    """The targets of a decision and how good they are."""

    targets: list[Target]
    objective: float
    upper_bound: float
    prices: dict[str, float]
    unmet: list[str]


class Decision(TypedDict):
    """A stored decision."""

    id: str
    decided_at: str
    cause: str
    inputs: dict[str, Any]
    outcome: Outcome


class DecisionSummary(TypedDict):
    """A decision without its inputs and targets; unmet holds one line a limit or floor."""

    id: str
    decided_at: str
    epoch: int
    cause: str
    shadow: bool
    objective_tok_s: float
    upper_bound_tok_s: float
    unmet: str


class SignIn(TypedDict):
    """A new session."""

    token: str
    role: str
    expires_at: str
