"""The facility and the service in Prometheus' terms; read from the snapshot when scraped."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from orchestrator.api.context import ApiContext
from orchestrator.domain.errors import Unavailable
from orchestrator.snapshot import LimitView, NodeView, Snapshot

LIMIT_GAUGES = {
    "ceiling_w": "Watts in force at a limit.",
    "exposure_w": "The most watts that may be drawn below a limit.",
    "metered_w": "Metered watts below a limit.",
    "contract_w": "Watts of the contract at a limit.",
    "armed": "Whether the nodes below a limit are sent setpoints.",
}
NODE_GAUGES = {
    "limit_w": "Sum of card limits last sent to a node, watts.",
    "enforced_w": "Sum of card limits read back from a node, watts.",
    "charged_w": "Sum of card limits that a node is charged at, watts.",
    "power_w": "Watts drawn by a node's cards.",
    "tok_s": "Output tokens per second of a node.",
    "itl_p95_ms": "95th percentile of a node's inter-token latency, ms.",
    "waiting": "Requests that wait at a node.",
    "age_s": "Seconds since a node's last telemetry.",
    "tok_s_bias": "Factor on a node's modelled throughput, learned from it.",
    "power_bias": "Factor on a node's modelled power, learned from it.",
    "drift_s": "Seconds of evidence for which a node has been outside its model's error band.",
}
FACILITY_GAUGES = {
    "tok_s": "Output tokens per second of the facility.",
    "raises_held_s": "Seconds until this leader may raise.",
    "epoch": "Epoch of this leader.",
}


class _Snapshots(Collector):
    """Collects when asked; keeps nothing."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context

    def collect(self) -> Iterator[Metric]:
        """Everything there is to scrape; the service's own figures while there is no snapshot."""
        yield from _service(self._context)
        try:
            snapshot = self._context.control.snapshot()
        except Unavailable:
            return
        yield from _facility(snapshot)
        yield from _rows("limit", LIMIT_GAUGES, snapshot.limits)
        yield from _rows("node", NODE_GAUGES, snapshot.nodes)
        yield _statuses(snapshot)


def registry_of(context: ApiContext) -> CollectorRegistry:
    """A registry with everything there is to scrape, and nothing of other applications."""
    registry = CollectorRegistry()
    registry.register(_Snapshots(context))
    return registry


def _service(context: ApiContext) -> Iterator[Metric]:
    age = GaugeMetricFamily("ballast_control_age_seconds", "Seconds since the last control step.")
    age.add_metric([], context.health.control_age_s())
    yield age
    queues = GaugeMetricFamily("ballast_queue_length", "Items that wait.", labels=["queue"])
    _add(queues, {**context.health.waiting(), "intake": len(context.ingest.queue)})
    yield queues
    dropped = CounterMetricFamily("ballast_dropped", "Items dropped.", labels=["queue"])
    _add(dropped, {**context.health.dropped(), "intake": context.ingest.queue.dropped})
    yield dropped


def _add(family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[str, float]) -> None:
    for name, value in sorted(values.items()):
        family.add_metric([name], value)


def _facility(snapshot: Snapshot) -> Iterator[Metric]:
    for name, words in FACILITY_GAUGES.items():
        yield GaugeMetricFamily(f"ballast_facility_{name}", words, value=getattr(snapshot, name))
    decided = CounterMetricFamily("ballast_decisions", "Decisions since the start.")
    decided.add_metric([], snapshot.decisions)
    yield decided
    opened = CounterMetricFamily("ballast_breaches", "Breaches of a limit since the start.")
    opened.add_metric([], snapshot.breaches_opened)
    yield opened
    standing = GaugeMetricFamily(
        "ballast_breach_open", "1 for a breach that is open.", labels=["limit", "status"]
    )
    for breach in snapshot.breaches:
        standing.add_metric([breach.limit_id, breach.status], 1.0)
    yield standing


def _rows(
    what: str, gauges: Mapping[str, str], rows: tuple[LimitView, ...] | tuple[NodeView, ...]
) -> Iterator[Metric]:
    for name, words in gauges.items():
        family = GaugeMetricFamily(f"ballast_{what}_{name}", words, labels=[what])
        for row in rows:
            value = getattr(row, name)
            if value is not None:
                family.add_metric([row.id], float(value))
        yield family


def _statuses(snapshot: Snapshot) -> Metric:
    family = GaugeMetricFamily(
        "ballast_node_status", "1 for a node's status.", labels=["node", "status"]
    )
    for node in snapshot.nodes:
        family.add_metric([node.id, node.status], 1.0)
    return family
