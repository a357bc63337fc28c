"""What the views hold, for the documentation; the migrations create them."""

from dataclasses import dataclass

SIMULATED = "Whether the plant is simulated."


@dataclass(frozen=True, slots=True)
class View:
    """A view: what a row is, and what its columns say, in their order."""

    name: str
    about: str
    columns: dict[str, str]


FACILITY_BY_MINUTE = View(
    "facility_by_minute",
    "The whole facility, a row a minute; empty where nothing was measured.",
    {
        "minute": "Start of the minute, UTC.",
        "simulated": SIMULATED,
        "mean_metered_w": "Mean metered watts.",
        "max_metered_w": "Most metered watts.",
        "min_budget_w": "Lowest ceiling in force, watts.",
        "max_exposure_w": "The most that could have been drawn, watts.",
        "max_over_budget_w": "Most watts of one sample above the ceiling in force at that moment.",
        "tok_s": "Output tokens per second, the sum of the nodes' means.",
        "decisions": "Decisions made.",
    },
)

NODE_BY_MINUTE = View(
    "node_by_minute",
    "A row for each node and minute.",
    {
        "minute": "Start of the minute, UTC.",
        "node": "The node.",
        "simulated": SIMULATED,
        "mean_power_w": "Mean watts of its cards.",
        "max_power_w": "Most watts of its cards.",
        "min_limit_w": "Lowest setpoint applied, sum of card limits, watts.",
        "max_enforced_w": "Highest sum of enforced card limits read back, watts.",
        "mean_tok_s": "Mean output tokens per second.",
        "max_itl_p95_ms": "Worst 95th percentile of inter-token latency, ms.",
        "max_ttft_p95_ms": "Worst 95th percentile of time to first token, ms.",
        "mean_running": "Mean requests running.",
        "mean_waiting": "Mean requests waiting.",
        "samples": "Reports received.",
    },
)

EVENTS_DELIVERED = View(
    "events_delivered",
    "A row an event: what was asked and what the meter of its limit saw, from the start of the "
    "event (its arrival, if that was later) to its end. Empty where nothing was metered.",
    {
        "source": "Who asked.",
        "event_id": "The signal's id.",
        "kind": "limit, reduction, emergency or alarm.",
        "limit_id": "The limit it lowers.",
        "status": "scheduled, active, recovering, completed or cancelled.",
        "simulated": SIMULATED,
        "guaranteed": "Whether it holds with every node at fail-safe, at or above the firm limit.",
        "received_at": "When the signal arrived, UTC.",
        "starts_at": "Start, UTC.",
        "ended_at": "Real end; planned end while it has not ended, UTC.",
        "baseline_w": "Mean metered watts before the start, frozen then.",
        "limit_w": "What it asked for, watts.",
        "requested_w": "Reduction asked for: baseline_w - limit_w.",
        "mean_metered_w": "Mean metered watts during the event, the way down included.",
        "max_metered_w": "Most metered watts during the event, the way down included.",
        "delivered_w": "Reduction delivered: baseline_w - mean_metered_w.",
        "delivered_fraction": "delivered_w / requested_w.",
        "curtailed_kwh": "Energy not drawn: delivered_w over the time metered, kWh.",
        "time_to_comply_s": "From start or arrival to the first sample at or under the limit, s.",
        "max_over_limit_w": "Most watts above the limit after that; if never, during the event.",
        "shortfall_ws": "Metered watt-seconds above the limit after the ramp, from shortfalls.",
    },
)

DECISIONS_EXPLAINED = View(
    "decisions_explained",
    "A row for each decision and node: what it got and why.",
    {
        "decision_id": "The decision.",
        "decided_at": "When, UTC.",
        "cause": "What made it necessary.",
        "shadow": "Whether nothing of it was sent.",
        "simulated": SIMULATED,
        "node": "The node.",
        "limit_w": "Sum of card limits that it got, watts.",
        "draw_w": "The most that the host may draw at that limit, watts.",
        "tok_s": "Tokens per second expected; empty without a model.",
        "reason": "What bound the node, in words.",
        "bound_limit_id": "The limit above it that costs most tokens; empty if none binds.",
        "signal_source": "Who sent the signal that set that limit; empty if no signal did.",
        "signal_id": "That signal's id.",
        "unmet": "Floors and limits that could not be met.",
        "epoch": "Of the leader that decided.",
    },
)

BREACHES_REVIEWED = View(
    "breaches_reviewed",
    "A row a breach of a limit: how far it went, for how long, and by how much.",
    {
        "limit_id": "The limit that was exceeded.",
        "simulated": SIMULATED,
        "status": "warning, critical, escalated or resolved.",
        "worst_status": "The worst that it came to: warning, critical or escalated.",
        "started_at": "When the excess began, UTC.",
        "warning_at": "When it became a warning, UTC.",
        "critical_at": "When it became critical, UTC; empty if never.",
        "escalated_at": "When the nodes below were cut to fail-safe, UTC; empty if never.",
        "resolved_at": "When the limit had been kept for long enough, UTC; empty while open.",
        "lasted_s": "From its beginning until it was resolved, s; empty while open.",
        "worst_w": "Most watts above the limit.",
        "excess_ws": "Watt-seconds above the limit.",
        "measured": "By a meter; otherwise by the exposure ledger.",
        "known": "False while the meter that showed the excess is silent.",
        "cause": "What had set the limit when the excess began.",
    },
)

VIEWS = (
    FACILITY_BY_MINUTE,
    NODE_BY_MINUTE,
    EVENTS_DELIVERED,
    DECISIONS_EXPLAINED,
    BREACHES_REVIEWED,
)
