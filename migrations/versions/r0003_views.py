"""Views for people, the same on SQLite and PostgreSQL but for how they treat time."""

from alembic import op

revision = "0003"
down_revision: str | None = "0002"
branch_labels = None
depends_on = None

NODE_BY_MINUTE = """
SELECT {minute:at} AS minute, node,
    (SELECT simulated FROM facility) AS simulated,
    AVG(power_w) AS mean_power_w,
    MAX(power_w) AS max_power_w,
    MIN(limit_w) AS min_limit_w,
    MAX(enforced_w) AS max_enforced_w,
    AVG(tok_s) AS mean_tok_s,
    MAX(itl_p95_ms) AS max_itl_p95_ms,
    MAX(ttft_p95_ms) AS max_ttft_p95_ms,
    AVG(CAST(running AS DOUBLE PRECISION)) AS mean_running,
    AVG(CAST(waiting AS DOUBLE PRECISION)) AS mean_waiting,
    COUNT(*) AS samples
FROM node_samples
GROUP BY {minute:at}, node
"""

FACILITY_BY_MINUTE = """
WITH metered AS (
    SELECT {minute:at} AS minute,
        AVG(power_w) AS mean_metered_w,
        MAX(power_w) AS max_metered_w,
        MIN(budget_w) AS min_budget_w,
        MAX(exposure_w) AS max_exposure_w,
        MAX(CASE WHEN power_w > budget_w THEN power_w - budget_w
            WHEN power_w <= budget_w THEN 0.0 END) AS max_over_budget_w
    FROM meter_samples
    WHERE limit_id IN (SELECT root_limit_id FROM topologies)
    GROUP BY {minute:at}
), served AS (
    SELECT minute, SUM(mean_tok_s) AS tok_s FROM node_by_minute GROUP BY minute
), decided AS (
    SELECT {minute:decided_at} AS minute, COUNT(*) AS decisions
    FROM decisions
    GROUP BY {minute:decided_at}
), minutes AS (
    SELECT minute FROM metered
    UNION SELECT minute FROM served
    UNION SELECT minute FROM decided
)
SELECT minutes.minute,
    (SELECT simulated FROM facility) AS simulated,
    metered.mean_metered_w, metered.max_metered_w, metered.min_budget_w,
    metered.max_exposure_w, metered.max_over_budget_w,
    served.tok_s,
    COALESCE(decided.decisions, 0) AS decisions
FROM minutes
LEFT JOIN metered ON metered.minute = minutes.minute
LEFT JOIN served ON served.minute = minutes.minute
LEFT JOIN decided ON decided.minute = minutes.minute
"""

EVENTS_DELIVERED = """
WITH spans AS (
    SELECT source, id, limit_id, limit_w,
        CASE WHEN received_at > starts_at THEN received_at ELSE starts_at END AS asked_at,
        COALESCE(ended_at, ends_at) AS over_at
    FROM events
), metered AS (
    SELECT s.source, s.id,
        AVG(m.power_w) AS mean_w,
        MAX(m.power_w) AS max_w,
        MAX(m.at) AS last_at,
        MIN(CASE WHEN m.power_w <= s.limit_w THEN m.at END) AS complied_at
    FROM spans s
    JOIN meter_samples m ON m.limit_id = s.limit_id AND m.power_w IS NOT NULL
        AND m.at >= s.asked_at AND (s.over_at IS NULL OR m.at < s.over_at)
    GROUP BY s.source, s.id
), exceeded AS (
    SELECT s.source, s.id,
        MAX(CASE WHEN m.power_w > s.limit_w THEN m.power_w - s.limit_w
            WHEN m.power_w <= s.limit_w THEN 0.0 END) AS over_w
    FROM spans s
    JOIN metered d ON d.source = s.source AND d.id = s.id
    JOIN meter_samples m ON m.limit_id = s.limit_id
        AND m.at >= COALESCE(d.complied_at, s.asked_at)
        AND (s.over_at IS NULL OR m.at < s.over_at)
    GROUP BY s.source, s.id
)
SELECT e.source, e.id AS event_id, e.kind, e.limit_id, e.status,
    (SELECT simulated FROM facility) AS simulated,
    e.guaranteed, e.received_at, e.starts_at, s.over_at AS ended_at,
    e.baseline_w, e.limit_w,
    e.baseline_w - e.limit_w AS requested_w,
    d.mean_w AS mean_metered_w,
    d.max_w AS max_metered_w,
    e.baseline_w - d.mean_w AS delivered_w,
    CASE WHEN e.baseline_w > e.limit_w
        THEN (e.baseline_w - d.mean_w) / (e.baseline_w - e.limit_w)
        END AS delivered_fraction,
    (e.baseline_w - d.mean_w) * {seconds:s.asked_at:d.last_at} / 3600000.0 AS curtailed_kwh,
    {seconds:s.asked_at:d.complied_at} AS time_to_comply_s,
    x.over_w AS max_over_limit_w,
    (SELECT COALESCE(SUM(f.excess_ws), 0.0) FROM shortfalls f
        WHERE f.measured AND f.limit_id = e.limit_id AND f.started_at >= s.asked_at
        AND (s.over_at IS NULL OR f.started_at < s.over_at)) AS shortfall_ws
FROM events e
JOIN spans s ON s.source = e.source AND s.id = e.id
LEFT JOIN metered d ON d.source = e.source AND d.id = e.id
LEFT JOIN exceeded x ON x.source = e.source AND x.id = e.id
"""

DECISIONS_EXPLAINED = """
SELECT d.id AS decision_id, d.decided_at, d.cause, d.shadow,
    (SELECT simulated FROM facility) AS simulated,
    n.node, n.limit_w, n.draw_w, n.tok_s, n.reason,
    n.bound_limit_id, n.signal_source, n.signal_id,
    d.unmet, d.epoch
FROM decisions d
JOIN decision_nodes n ON n.decision_id = d.id
"""

VIEWS = {
    "node_by_minute": NODE_BY_MINUTE,
    "facility_by_minute": FACILITY_BY_MINUTE,
    "events_delivered": EVENTS_DELIVERED,
    "decisions_explained": DECISIONS_EXPLAINED,
}


class _Minute:
    """Fills {minute:column}: the start of the minute that a moment lies in."""

    def __init__(self, sqlite: bool) -> None:
        self._sqlite = sqlite

    def __format__(self, column: str) -> str:
        if self._sqlite:
            return f"strftime('%Y-%m-%d %H:%M:00.000000', {column})"
        return f"date_trunc('minute', {column})"


class _Seconds(_Minute):
    """Fills {seconds:since:until}: the time between two moments in seconds."""

    def __format__(self, moments: str) -> str:
        since, until = moments.split(":")
        if self._sqlite:
            return f"((julianday({until}) - julianday({since})) * 86400.0)"
        return f"CAST(EXTRACT(EPOCH FROM {until} - {since}) AS DOUBLE PRECISION)"


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    for name, body in VIEWS.items():
        query = body.format(minute=_Minute(sqlite), seconds=_Seconds(sqlite))
        op.get_bind().exec_driver_sql(f"CREATE VIEW {name} AS {query}")


def downgrade() -> None:
    for name in reversed(VIEWS):
        op.execute(f"DROP VIEW {name}")
