"""Overlapping signals and budgets become ordered, non-overlapping intervals of ceilings.

    utility   ────────┌─ 40 kW ─────┐────────────────
    operator  ──┌─ 55 kW ───────────────────┐────────
    carbon    ────────────────┌─ 35 kW ┐─────────────
              60 │ 55 │  40   │ 35│ 35 │ 55 │ 60 kW

Within one source the signal issued last wins at every instant it covers; between sources the
strictest wins. The contract limit of the topology always holds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.domain.budget import Budget, GridPolicy
from orchestrator.domain.failsafe import best_effort
from orchestrator.domain.signals import Signal, SignalKey
from orchestrator.domain.topology import Topology

BUDGET_SOURCE = "budget"
RECOVERY_SOURCE = "recovery"


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A limit in watts that one source asks for over one interval.

    slot: ceilings of one slot replace each other, the one issued last wins.
    reference: the signal's or budget's id.
    """

    limit_id: str
    limit_w: float
    slot: str
    reference: str
    reason: str
    issued_at: datetime
    starts_at: datetime
    ends_at: datetime | None
    key: SignalKey | None = None

    def covers(self, instant: datetime) -> bool:
        return self.starts_at <= instant and (self.ends_at is None or instant < self.ends_at)


@dataclass(frozen=True, slots=True)
class Bound:
    """The watts in force at one limit, and what set them. key is None for contract and budgets."""

    limit_id: str
    limit_w: float
    reason: str
    key: SignalKey | None = None


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of time in which no ceiling changes."""

    starts_at: datetime
    ends_at: datetime
    bounds: Mapping[str, Bound]


def signal_ceilings(
    topology: Topology,
    signals: Iterable[Signal],
    policy: GridPolicy,
    baselines_w: Mapping[SignalKey, float],
) -> list[Ceiling]:
    """Translate signals into ceilings.

    A reduction without a baseline yet asks for nothing: the baseline is frozen when it starts.
    A price or carbon value at or under the operator's threshold asks for nothing either, but
    takes its source's slot, so that it ends what the source said before.
    """
    found = []
    for signal in signals:
        asked = _asked_w(topology, signal, policy, baselines_w)
        if asked is not None:
            found.append(_ceiling(topology, signal, *asked))
    return found


def budget_ceilings(budgets: Iterable[Budget], since: datetime, until: datetime) -> list[Ceiling]:
    """The occurrences of operators' budgets in [since, until); overlapping ones: strictest wins."""
    return [
        Ceiling(
            limit_id=budget.limit_id,
            limit_w=budget.limit_w,
            slot=f"{BUDGET_SOURCE}/{budget.id}",
            reference=budget.id,
            reason=f"operator's budget {budget.id}",
            issued_at=starts,
            starts_at=starts,
            ends_at=ends,
        )
        for budget in budgets
        for starts, ends in budget.occurrences(since, until)
    ]


def bounds_at(
    topology: Topology, ceilings: Iterable[Ceiling], instant: datetime
) -> dict[str, Bound]:
    """What every limit allows at one instant, the contract limits included.

    Ceilings on limits that the tree does not have (any more) are left out.
    """
    bounds = {
        limit.id: _bound(topology, limit.id, limit.limit_w, "contract limit")
        for limit in topology.limits
    }
    for ceiling in in_force(ceilings, instant):
        held = bounds.get(ceiling.limit_id)
        if held is not None and ceiling.limit_w < held.limit_w:
            bounds[ceiling.limit_id] = _bound(
                topology, ceiling.limit_id, ceiling.limit_w, ceiling.reason, ceiling.key
            )
    return bounds


def next_change(ceilings: Iterable[Ceiling], after: datetime) -> datetime | None:
    """The first instant later than `after` at which a ceiling starts or ends."""
    edges = (edge for c in ceilings for edge in (c.starts_at, c.ends_at) if edge is not None)
    return min((edge for edge in edges if edge > after), default=None)


def intervals(
    topology: Topology, ceilings: Iterable[Ceiling], since: datetime, until: datetime
) -> list[Interval]:
    """Cover [since, until) with intervals in order, without overlap or gap."""
    kept = list(ceilings)
    found: list[Interval] = []
    start = since
    while start < until:
        end = min(next_change(kept, start) or until, until)
        bounds = bounds_at(topology, kept, start)
        if found and found[-1].bounds == bounds:
            found[-1] = Interval(found[-1].starts_at, end, bounds)
        else:
            found.append(Interval(start, end, bounds))
        start = end
    return found


def recovery_ceiling(
    key: SignalKey, ended_at: datetime, baseline_w: float, duration_s: float, limit_id: str
) -> Ceiling:
    """Hold the limit at the draw before the event for a while, so that no rebound follows it."""
    return Ceiling(
        limit_id=limit_id,
        limit_w=baseline_w,
        slot=f"{RECOVERY_SOURCE}/{key.source}/{key.id}",
        reference=key.id,
        reason=f"recovery after {key.source}/{key.id}: no rebound above the baseline",
        issued_at=ended_at,
        starts_at=ended_at,
        ends_at=ended_at + timedelta(seconds=duration_s),
    )


def in_force(ceilings: Iterable[Ceiling], instant: datetime) -> list[Ceiling]:
    """The ceilings that cover the instant, one for every slot and limit."""
    latest: dict[tuple[str, str], Ceiling] = {}
    for ceiling in ceilings:
        if not ceiling.covers(instant):
            continue
        slot = (ceiling.slot, ceiling.limit_id)
        held = latest.get(slot)
        if held is None or _wins(ceiling, held):
            latest[slot] = ceiling
    return list(latest.values())


def _bound(
    topology: Topology, limit_id: str, limit_w: float, reason: str, key: SignalKey | None = None
) -> Bound:
    """A bound that says so when it cannot be guaranteed."""
    words = best_effort(topology, limit_id, limit_w)
    return Bound(limit_id, limit_w, f"{reason}; {words}" if words else reason, key)


def _wins(new: Ceiling, held: Ceiling) -> bool:
    if new.issued_at != held.issued_at:
        return new.issued_at > held.issued_at
    return new.limit_w < held.limit_w


def _asked_w(
    topology: Topology,
    signal: Signal,
    policy: GridPolicy,
    baselines_w: Mapping[SignalKey, float],
) -> tuple[float, str] | None:
    name = f"{signal.key.source}/{signal.key.id}"
    value = signal.value or 0.0
    if signal.kind == "limit":
        return value, f"limit {name}"
    if signal.kind == "emergency":
        return topology.firm_limit_w, f"emergency {name}: down to the firm limit"
    if signal.kind == "alarm":
        held_w = topology.firm_limit_w if signal.value is None else value
        return held_w, f"alarm {name}: {signal.alarm}"
    if signal.kind == "reduction":
        baseline_w = baselines_w.get(signal.key)
        if baseline_w is None:
            return None
        words = f"reduction {name}: {value:.0%} of {baseline_w / 1e3:.1f} kW"
        return (1 - value) * baseline_w, words
    return _by_threshold(signal, f"{signal.kind} {name}", policy)


def _by_threshold(signal: Signal, name: str, policy: GridPolicy) -> tuple[float, str]:
    value = signal.value or 0.0
    if signal.kind == "carbon":
        threshold, limit_w = policy.carbon_above_g_per_kwh, policy.carbon_limit_w
        reason = f"{name}: {value:g} g/kWh"
    else:
        threshold, limit_w = policy.price_above_per_mwh, policy.price_limit_w
        reason = f"{name}: {value:g} per MWh"
    if threshold is None or limit_w is None or value <= threshold:
        return float("inf"), f"{reason}, under the threshold"
    return limit_w, f"{reason}, above {threshold:g}"


def _slot(signal: Signal) -> str:
    """Of a source's signals of one kind the latest holds, but every alarm holds."""
    slot = f"{signal.key.source}/{signal.kind}"
    return f"{slot}/{signal.key.id}" if signal.kind == "alarm" else slot


def _ceiling(topology: Topology, signal: Signal, limit_w: float, reason: str) -> Ceiling:
    return Ceiling(
        limit_id=signal.limit_id or topology.root.id,
        limit_w=limit_w,
        slot=_slot(signal),
        reference=signal.key.id,
        reason=reason,
        issued_at=signal.issued_at,
        starts_at=signal.starts_at,
        ends_at=signal.ends_at,
        key=signal.key,
    )
