"""A control thread without a thread: it keeps what it was told, and shows what it was given."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from orchestrator.domain.signals import Signal, SignalKey
from orchestrator.messages import Input, SignalCancelled, SignalReceived
from orchestrator.snapshot import LimitView, NodeView, Snapshot

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@dataclass
class RecordingControl:
    """Follows signals as the control step does: by key, and whether they are stored."""

    shown: Snapshot
    inputs: list[Input] = field(default_factory=list)
    signals: dict[SignalKey, Signal] = field(default_factory=dict)
    stored: set[SignalKey] = field(default_factory=set)

    def submit(self, item: Input) -> None:
        self.inputs.append(item)
        match item:
            case SignalReceived(signal, stored):
                self.signals[signal.key] = signal
                if stored:
                    self.stored.add(signal.key)
            case SignalCancelled(key):
                self.signals.pop(key, None)
                self.stored.discard(key)
            case _:
                pass

    def snapshot(self) -> Snapshot:
        return self.shown

    def last(self, kind: type[Input]) -> Input:
        """The newest input of one kind."""
        return next(item for item in reversed(self.inputs) if isinstance(item, kind))


def a_node(node_id: str = "node-1") -> NodeView:
    return NodeView(
        id=node_id,
        limit="rack-a",
        path=("rack-a", "site"),
        deployment="llama-70b",
        tier=2,
        status="following",
        limit_w=4000.0,
        charged_w=4000.0,
        target_w=4000.0,
        enforced_w=4000.0,
        power_w=3500.0,
        tok_s=900.0,
        itl_p95_ms=40.0,
        ttft_p95_ms=None,
        running=10,
        waiting=0,
        batch_limit=64,
        lease="held",
        reason="not bound",
        age_s=0.4,
    )


def a_limit(limit_id: str, parent: str | None, contract_w: float) -> LimitView:
    return LimitView(
        id=limit_id,
        kind="rack" if parent else "facility",
        parent=parent,
        contract_w=contract_w,
        ceiling_w=contract_w,
        reason="contract limit",
        exposure_w=9000.0,
        metered_w=None if parent else 8000.0,
        armed=True,
    )


def a_snapshot(at: datetime = NOON) -> Snapshot:
    return Snapshot(
        at=at,
        site="lab",
        mode="armed",
        simulated=True,
        epoch=3,
        raises_held_s=0.0,
        ceiling_w=20_000.0,
        exposure_w=9000.0,
        metered_w=8000.0,
        tok_s=900.0,
        itl_p95_ms=40.0,
        decision_id="d-1",
        decisions=7,
        limits=(a_limit("site", None, 20_000.0), a_limit("rack-a", "site", 15_000.0)),
        nodes=(a_node("node-1"), a_node("node-2")),
        events=(),
        next_change_at=None,
    )
