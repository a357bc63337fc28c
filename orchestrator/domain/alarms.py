"""Alarms of the plant that shed directly: what each asks for, and for how long it holds.

An alarm is a signal of its own kind: it tightens in the step that hears of it, and holds until it
is cleared and HOLD_S have passed since.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from orchestrator.domain.exposure import draws_under_w
from orchestrator.domain.signals import Alarm, Signal
from orchestrator.domain.topology import Topology

HOLD_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """What one kind of alarm asks for: the ceiling of a limit, watts.

    limit_w: None for the lowest that is guaranteed there. limit_id: None for the whole facility.
    """

    limit_w: float | None = None
    limit_id: str | None = None


def with_ceiling(signal: Signal, rules: Mapping[Alarm, AlarmRule], topology: Topology) -> Signal:
    """An alarm with its limit and watts filled in; any other signal as it is."""
    if signal.alarm is None:
        return signal
    rule = rules.get(signal.alarm, AlarmRule())
    limit_id = signal.limit_id or rule.limit_id or topology.root.id
    meant = limit_id == (rule.limit_id or topology.root.id)
    limit_w = rule.limit_w if meant and rule.limit_w is not None else None
    if limit_w is None and limit_id in topology.limit_by_id:
        limit_w = guaranteed_w(topology, limit_id)
    return replace(signal, limit_id=limit_id, value=limit_w)


def guaranteed_w(topology: Topology, limit_id: str) -> float:
    """The lowest ceiling that holds while every node is silent, watts."""
    if limit_id == topology.root.id:
        return topology.firm_limit_w
    draws_w = draws_under_w(topology, {node.id: node.fail_safe_w for node in topology.nodes})
    return draws_w[limit_id] + topology.uncontrolled_under_w[limit_id]


def cleared(signal: Signal, now: datetime) -> Signal:
    """The same alarm, over HOLD_S from now; one that is on its way out keeps its end."""
    if signal.ends_at is not None:
        return signal
    return replace(signal, ends_at=max(now, signal.starts_at) + timedelta(seconds=HOLD_S))
