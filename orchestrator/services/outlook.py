"""What every limit will allow in the hours to come, as far as is known now."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from orchestrator.domain.budget import Budget, GridPolicy
from orchestrator.domain.events import EventRecord
from orchestrator.domain.signals import Signal
from orchestrator.domain.timeline import Interval, budget_ceilings, intervals, signal_ceilings
from orchestrator.domain.topology import Topology


def outlook(
    topology: Topology,
    *,
    signals: Iterable[Signal],
    budgets: Iterable[Budget],
    policy: GridPolicy,
    events: Iterable[EventRecord],
    now: datetime,
    hours: float,
) -> Sequence[Interval]:
    """The intervals of the next hours. A reduction that has not begun has no watts yet."""
    until = now + timedelta(hours=hours)
    baselines_w = {event.key: event.baseline_w for event in events if event.baseline_w is not None}
    ceilings = [
        *signal_ceilings(topology, signals, policy, baselines_w),
        *budget_ceilings(budgets, now, until),
    ]
    return intervals(topology, ceilings, now, until)
