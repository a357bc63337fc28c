"""The tables of records: what was asked, decided, sent and measured."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, PrimaryKeyConstraint, Table

from orchestrator.store.columns import count, flag, metadata, moment, number, serial, text

signals = Table(
    "signals",
    metadata,
    text("source", "Who sent it."),
    text("id", "What the source calls it."),
    text("kind", "limit, reduction, price, carbon, emergency or alarm."),
    number(
        "value",
        "Watts, fraction of the baseline, currency per MWh, or g CO2 per kWh, by kind.",
        nullable=True,
    ),
    text("limit_id", "The limit it applies to; empty for the whole facility.", nullable=True),
    moment("issued_at", "When the source made it."),
    moment("starts_at", "Start of its validity."),
    moment("ends_at", "End of its validity; empty while the source lets it stand.", nullable=True),
    number("deadline_s", "Seconds after the start by which the source wants the reduction."),
    flag("best_effort", "Whether the source accepts less than it asks for."),
    text("correlation_id", "The source's own reference.", nullable=True),
    moment("received_at", "When it arrived.", index=True),
    moment("cancelled_at", "When it was withdrawn.", nullable=True),
    text("raw", "The message as it arrived."),
    text("raw_sha256", "Of the message."),
    text("origin", "The way it came: http, mqtt, dsx or operator."),
    text("alarm", "ups_on_battery, generator, cooling or breaker; empty: none.", nullable=True),
    PrimaryKeyConstraint("source", "id"),
    info={"about": "Everything that the grid and operators asked for."},
)

decisions = Table(
    "decisions",
    metadata,
    text("id", "Name of the decision.", primary_key=True),
    moment("decided_at", "When.", index=True),
    serial("epoch", "Of the leader that decided."),
    text("cause", "What made it necessary."),
    flag("shadow", "Whether nothing of it was sent."),
    text("topology_sha256", "The topology in documents.", ForeignKey("documents.sha256")),
    text("model_versions", "Model version by deployment, as JSON."),
    text("inputs", "Inputs as canonical JSON; topology and frontiers by hash, see documents."),
    text("outcome", "Outcome as canonical JSON."),
    number("objective_tok_s", "Weighted tokens per second that it expects."),
    number("upper_bound_tok_s", "The most that any split could have expected."),
    text("unmet", "Floors and limits that could not be met, one on a line; empty if none."),
    info={"about": "Decisions with all that is needed to replay them."},
)

decision_nodes = Table(
    "decision_nodes",
    metadata,
    text("decision_id", "The decision.", ForeignKey("decisions.id")),
    text("node", "The node."),
    number("limit_w", "Sum of card limits that it got, watts."),
    number("draw_w", "The most that the host may draw at that limit, watts."),
    number("tok_s", "Tokens per second expected; empty without a model.", nullable=True),
    text("reason", "What bound the node, in words."),
    text("bound_limit_id", "The limit above the node that costs most tokens.", nullable=True),
    text("signal_source", "Who sent the signal that set that limit.", nullable=True),
    text("signal_id", "That signal's id.", nullable=True),
    PrimaryKeyConstraint("decision_id", "node"),
    Index(None, "signal_source", "signal_id"),
    info={"about": "What each node got, and why."},
)

events = Table(
    "events",
    metadata,
    text("source", "Who asked."),
    text("id", "The signal's id."),
    text("kind", "limit, reduction, emergency or alarm."),
    text("limit_id", "The limit it lowers."),
    text("status", "scheduled, active, recovering, completed or cancelled."),
    moment("received_at", "When the signal arrived."),
    moment("starts_at", "Start."),
    moment("ends_at", "Planned end.", nullable=True),
    number("limit_w", "What it asked for, watts, once known.", nullable=True),
    number("baseline_w", "Mean metered watts before the start, frozen then.", nullable=True),
    moment("ended_at", "When it really ended.", nullable=True),
    flag(
        "guaranteed",
        "Whether it holds with every node at fail-safe, at or above the firm limit.",
    ),
    PrimaryKeyConstraint("source", "id"),
    Index(None, "starts_at"),
    info={"about": "Demand response events from arrival to the end of recovery."},
)

shortfalls = Table(
    "shortfalls",
    metadata,
    text("limit_id", "The limit that was exceeded."),
    moment("started_at", "From."),
    flag("measured", "By a meter; otherwise by the exposure ledger."),
    moment("ended_at", "Until."),
    number("excess_ws", "Watt-seconds above the limit."),
    number("worst_w", "Most watts above the limit."),
    text("cause", "Why."),
    PrimaryKeyConstraint("limit_id", "started_at", "measured"),
    info={"about": "Exposure or metered power above a limit after its ramp."},
)

breaches = Table(
    "breaches",
    metadata,
    text("limit_id", "The limit that was exceeded."),
    moment("started_at", "When the excess began."),
    text("status", "warning, critical, escalated or resolved."),
    moment("warning_at", "When it became a warning."),
    moment("critical_at", "When it became critical.", nullable=True),
    moment("escalated_at", "When the nodes below were cut to fail-safe.", nullable=True),
    moment("resolved_at", "When the limit had been kept for long enough.", nullable=True),
    number("worst_w", "Most watts above the limit."),
    number("excess_ws", "Watt-seconds above the limit."),
    text("cause", "What had set the limit when the excess began."),
    flag("measured", "By a meter; otherwise by the exposure ledger."),
    flag("known", "False while the meter that showed the excess is silent."),
    PrimaryKeyConstraint("limit_id", "started_at"),
    Index(None, "started_at"),
    info={"about": "Breaches of a limit after its ramp, with every step of their lives."},
)

leadership = Table(
    "leadership",
    metadata,
    count("id", "Always 1.", primary_key=True, autoincrement=False),
    serial("epoch", "Of the leader; 0 before the first."),
    text("leader", "Name of the leader's process."),
    moment("taken_at", "When it took over.", nullable=True),
    CheckConstraint("id = 1", name="one_row"),
    info={"about": "Who leads now."},
)

exposure_ledger = Table(
    "exposure_ledger",
    metadata,
    text("node", "The node.", primary_key=True),
    number("held_w", "The highest sum of card limits that it may hold, watts."),
    serial("epoch", "Of the raise last granted; 0 before the first."),
    serial("sequence", "Of the raise last granted."),
    moment("updated_at", "When the row was written."),
    info={"about": "What each node may hold, written before it is sent."},
)

setpoints = Table(
    "setpoints",
    metadata,
    text("node", "The node."),
    serial("epoch", "Of the leader that sent it."),
    serial("sequence", "Its place in the order of all setpoints of the epoch."),
    number("limit_w", "Sum of card limits, watts."),
    number("target_tok_s", "Tokens per second to hold; empty: the best.", nullable=True),
    text("decision_id", "The decision it carries out."),
    moment("sent_at", "When.", index=True),
    text("kind", "decrease, raise or renewal."),
    PrimaryKeyConstraint("node", "epoch", "sequence"),
    info={"about": "Every setpoint sent; retention deletes old ones."},
)

node_samples = Table(
    "node_samples",
    metadata,
    text("node", "The node."),
    moment("at", "When its report arrived.", index=True),
    number("limit_w", "Setpoint last applied, sum of card limits, watts.", nullable=True),
    number("enforced_w", "Sum of enforced card limits read back, watts.", nullable=True),
    number("power_w", "Drawn by its cards, watts.", nullable=True),
    number("tok_s", "Output tokens per second.", nullable=True),
    number("itl_p95_ms", "95th percentile of inter-token latency, ms.", nullable=True),
    number("ttft_p95_ms", "95th percentile of time to first token, ms.", nullable=True),
    count("running", "Requests running.", nullable=True),
    count("waiting", "Requests waiting.", nullable=True),
    count("batch_limit", "Admission limit, requests.", nullable=True),
    text("lease", "none, held or expired."),
    text("decision_id", "The decision in force.", nullable=True),
    number("clock_mhz", "The SM clock that the cards are locked to; empty: free.", nullable=True),
    PrimaryKeyConstraint("node", "at"),
    info={"about": "Telemetry of the nodes; retention deletes old rows."},
)

meter_samples = Table(
    "meter_samples",
    metadata,
    text("limit_id", "The limit."),
    moment("at", "When it was measured.", index=True),
    number("power_w", "Metered watts below the limit; empty without a reading.", nullable=True),
    number("budget_w", "The ceiling in force, watts.", nullable=True),
    number("exposure_w", "The most that may be drawn below it, watts.", nullable=True),
    PrimaryKeyConstraint("limit_id", "at"),
    info={"about": "Metered power of the limits; retention deletes old rows."},
)
