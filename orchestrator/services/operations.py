"""What operators set: budgets, policy, arming and lockouts. Stored, audited, then in force.

Everything is stored before control hears of it; with the database away nothing changes and the
caller is told.
"""

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime

from orchestrator.domain.budget import Budget, GridPolicy
from orchestrator.domain.errors import InvalidBudget, NotFound, UnsafeChange
from orchestrator.domain.failsafe import best_effort
from orchestrator.domain.topology import Topology
from orchestrator.messages import (
    ArmingChanged,
    BudgetsChanged,
    LockoutsChanged,
    PolicyChanged,
    ReleaseRequested,
)
from orchestrator.ports import Control
from orchestrator.services.release_check import check_release
from orchestrator.services.repositories import Arming, Audit, Budgets, Lockouts, Policies

MAX_REASON = 500


@dataclass(frozen=True, slots=True)
class SavedBudget:
    """A budget in force. guaranteed: it holds even while every node is silent; note says why not.

    A budget that is not guaranteed is met as best effort, and taken only when that was asked for.
    """

    budget: Budget
    guaranteed: bool
    note: str


class Operations:
    """One change at a time, so that control always hears the newest whole set last."""

    def __init__(
        self,
        *,
        topology: Topology,
        budgets: Budgets,
        policies: Policies,
        arming: Arming,
        lockouts: Lockouts,
        audit: Audit,
        control: Control,
        clock: Callable[[], datetime],
    ) -> None:
        self._topology = topology
        self._budgets = budgets
        self._policies = policies
        self._arming = arming
        self._lockouts = lockouts
        self._audit = audit
        self._control = control
        self._clock = clock
        self._lock = threading.Lock()

    def put_budget(self, budget: Budget, who: str, *, as_best_effort: bool = False) -> SavedBudget:
        """Create or replace a budget. Raises InvalidBudget for a limit nobody knows.

        Raises UnsafeChange for one that cannot be guaranteed, unless as_best_effort.
        """
        if budget.limit_id not in self._topology.limit_by_id:
            raise InvalidBudget(
                f"limit_id: unknown limit {budget.limit_id!r}; "
                f"known: {', '.join(sorted(self._topology.limit_by_id)[:20])}"
            )
        saved = self.saved(budget)
        if not saved.guaranteed and not as_best_effort:
            raise UnsafeChange(
                f"limit_w: {budget.limit_w:.0f} W cannot be guaranteed, {saved.note}. "
                'Raise it, or send "best_effort": true'
            )
        words = "" if saved.guaranteed else ", as best effort"
        with self._lock:
            self._budgets.put(budget)
            detail = f"{budget.limit_id}: {budget.limit_w:g} W{words}"
            self._note(who, "budget.set", budget.id, detail)
            self._tell_budgets()
        return saved

    def delete_budget(self, budget_id: str, who: str) -> None:
        """Remove a budget. Raises NotFound."""
        with self._lock:
            self._budgets.delete(budget_id)
            self._note(who, "budget.deleted", budget_id)
            self._tell_budgets()

    def saved(self, budget: Budget) -> SavedBudget:
        """The budget with whether it can be guaranteed."""
        if budget.limit_id not in self._topology.limit_by_id:
            return SavedBudget(
                budget, guaranteed=False, note="its limit is not in the tree any more"
            )
        note = best_effort(self._topology, budget.limit_id, budget.limit_w)
        return SavedBudget(budget, guaranteed=not note, note=note)

    def put_policy(self, policy: GridPolicy, who: str) -> None:
        """Replace the policy on carbon and prices. Raises InvalidBudget for half a pair."""
        _check_pairs(policy)
        with self._lock:
            self._policies.put(policy)
            words = ", ".join(f"{name}={value}" for name, value in asdict(policy).items())
            self._note(who, "policy.set", "policy", words)
            self._control.submit(PolicyChanged(policy))

    def set_armed(self, limit_id: str, armed: bool, who: str) -> None:
        """Arm or disarm the nodes below a limit. Raises NotFound for a limit nobody knows."""
        if limit_id not in self._topology.limit_by_id:
            raise NotFound(f"no limit has the id {limit_id!r}")
        with self._lock:
            if armed:
                self._arming.arm(limit_id, who)
            else:
                self._arming.disarm(limit_id)
            self._note(who, "limit.armed" if armed else "limit.disarmed", limit_id)
            self._control.submit(ArmingChanged(self._arming.armed()))

    def lock_out(self, node_id: str, reason: str, who: str) -> None:
        """Send nothing to a node any more. Raises NotFound for a node nobody registered."""
        self._check_node(node_id)
        with self._lock:
            self._lockouts.lock(node_id, reason[:MAX_REASON], who)
            self._note(who, "node.locked", node_id, reason[:MAX_REASON])
            self._control.submit(LockoutsChanged(self._lockouts.locked()))

    def release(self, node_id: str, who: str) -> None:
        """Let a node be steered again. Raises NotFound for a node nobody registered."""
        self._check_node(node_id)
        with self._lock:
            self._lockouts.release(node_id)
            self._note(who, "node.released", node_id)
            self._control.submit(LockoutsChanged(self._lockouts.locked()))

    def give_back(self, node_id: str, reason: str, who: str) -> None:
        """Let a node's cards return to their limits from before Ballast, and lock it out.

        It is charged at nameplate from now on. Raises NotFound for a node nobody registered,
        Conflict for one that is not heard of, and UnsafeChange if its nameplate does not fit.
        """
        self._check_node(node_id)
        with self._lock:
            check_release(self._control.snapshot(), self._topology.node_by_id[node_id])
            self._lockouts.lock(node_id, reason[:MAX_REASON], who)
            self._note(who, "node.given-back", node_id, reason[:MAX_REASON])
            self._control.submit(LockoutsChanged(self._lockouts.locked()))
            self._control.submit(ReleaseRequested(node_id))

    def _check_node(self, node_id: str) -> None:
        if node_id not in self._topology.node_by_id:
            raise NotFound(f"no node is registered as {node_id!r}")

    def _tell_budgets(self) -> None:
        self._control.submit(BudgetsChanged(tuple(self._budgets.list())))

    def _note(self, who: str, action: str, subject: str, detail: str = "") -> None:
        self._audit.add(self._clock(), who, action, subject, detail)


def _check_pairs(policy: GridPolicy) -> None:
    pairs = {
        "carbon": (policy.carbon_above_g_per_kwh, policy.carbon_limit_w),
        "price": (policy.price_above_per_mwh, policy.price_limit_w),
    }
    for name, (threshold, limit_w) in pairs.items():
        if (threshold is None) != (limit_w is None):
            raise InvalidBudget(f"{name}: give both the threshold and the limit, or neither")
