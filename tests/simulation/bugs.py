"""Deliberate bugs, planted by a switch, and how many seeds it takes to catch each.

python -m tests.simulation.bugs [--most 100] [NAME ...]
"""

import argparse
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from agents.core import guard, lease
from orchestrator.control import intake, steering
from orchestrator.control import step as control_step
from orchestrator.control.state import NodeState, State
from orchestrator.domain import decision, exposure
from orchestrator.domain.exposure import NodeExposure
from orchestrator.domain.rollout import Move
from orchestrator.messages import CommitGrants, SendSetpoint
from orchestrator.simtest import host, promises
from orchestrator.simtest.campaign import run_seed

Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug in one sentence, how to plant it, and the first seed that catches it."""

    words: str
    plant: Plant
    seed: int


def _raise_before_decrease(patch: pytest.MonkeyPatch) -> None:
    """Raises count what nodes were told, not what they may still hold."""

    def told_w(state: State, node: Any, now_s: float) -> float:
        known = state.nodes[node.id]
        present = steering.present_w(state, known, now_s)
        return node.nameplate_w if present is None else present

    patch.setattr(State, "charged_w", told_w)


def _raise_before_commit(patch: pytest.MonkeyPatch) -> None:
    def granted(state: State, standings: Any, moved: Any, now: Any) -> list[Any]:
        effects = grant(state, standings, moved, now)
        found = [g for e in effects if isinstance(e, CommitGrants) for g in e.grants]
        sends: list[SendSetpoint] = []
        for one in found:
            state.nodes[one.node].withdraw()
            move = Move(one.node, one.limit_w, "raise")
            sends.append(steering._publish(state, move, one.fence, now))  # type: ignore[arg-type]
        return sends

    grant = steering._grant
    patch.setattr(steering, "_grant", granted)


def _lease_from_receipt(patch: pytest.MonkeyPatch) -> None:
    def received(terms: Any, held: Any, setpoint: Any, enforced_w: Any, now_s: float) -> Any:
        late = replace(setpoint, stamp_s=min(now_s, max(setpoint.stamp_s, now_s - 0.01)))
        return receive(terms, held, late, enforced_w, now_s)

    receive = lease.receive
    patch.setattr(lease, "receive", received)


def _no_fencing(patch: pytest.MonkeyPatch) -> None:
    def objection(held: Any, setpoint: Any, now_s: float) -> str | None:
        over = now_s >= setpoint.ends_s or setpoint.incarnation != held.incarnation
        return "it is over" if over else None

    patch.setattr(lease, "_objection", objection)


def _lease_never_ends(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lease, "advance", lambda terms, held, enforced_w, now_s: held)


def _restore_on_exit(patch: pytest.MonkeyPatch) -> None:
    def kill(self: host.Host, back_s: float | None) -> None:
        killed(self, back_s)
        for uuid in self.driver.enforced_w:
            self.driver.raise_by_hand(uuid, self.driver.default_w)

    killed = host.Host.kill
    patch.setattr(host.Host, "kill", kill)


def _no_watchdog(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(host.Host, "_guard", lambda self, now_s: None)


def _stale_at_last_reading(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(State, "charged_w", lambda s, node, _: s.nodes[node.id].exposure.limit_w(node))


def _settled_at_once(patch: pytest.MonkeyPatch) -> None:
    """A read-back is believed while a write is still out."""
    patch.setattr(exposure, "_possible_w", lambda telemetry: telemetry.enforced_w or 0.0)
    patch.setattr(
        intake, "observe", lambda known, telemetry, _: exposure.observe(known, telemetry, -1.0)
    )


def _any_report_frees(patch: pytest.MonkeyPatch) -> None:
    """A report frees every hold, whichever setpoint it names."""

    def observe(known: NodeExposure, telemetry: Any, settle_s: float) -> NodeExposure:
        return replace(observed(known, telemetry, settle_s), holds=())

    observed = exposure.observe
    patch.setattr(intake, "observe", observe)


def _cuts_wait(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(control_step, "_is_cut", lambda before, after: False)


def _lost_cuts_stay_lost(patch: pytest.MonkeyPatch) -> None:
    """A setpoint that was sent counts as obeyed for good, and leases are renewed with it."""

    def present_w(state: State, node: NodeState, now_s: float) -> float | None:
        return node.sent.limit_w if node.sent else present(state, node, now_s)

    present = steering.present_w
    patch.setattr(steering, "present_w", present_w)
    patch.setattr(promises, "present_w", present_w)
    patch.setattr(steering, "_renewal_due", lambda state, node, now_s: False)


def _decisions_drift(patch: pytest.MonkeyPatch) -> None:
    def decided(inputs: Any) -> Any:
        calls.append(0)
        return replace(decide(inputs), objective=float(len(calls)))

    decide, calls = decision.decide, [0]
    patch.setattr(control_step, "decide", decided)


def _raised_by_others_for_ever(patch: pytest.MonkeyPatch) -> None:
    """A card that another program raised is left alone even without a lease."""

    def bounds(card: Any, demand: Any, *, raised: bool) -> tuple[float, float]:
        return (card.charge_w, card.charge_w) if raised else ranged(card, demand, raised=raised)

    ranged = guard._range
    patch.setattr(guard, "_range", bounds)


def _any_setpoint(patch: pytest.MonkeyPatch) -> None:
    """Every setpoint is a lease, whatever incarnation it is based on and however old it is."""
    patch.setattr(lease, "_objection", lambda held, setpoint, now_s: None)


def _broadcast_frees(patch: pytest.MonkeyPatch) -> None:
    """What was broadcast counts as done."""

    def charged_w(state: State, node: Any, now_s: float) -> float:
        last, known_w = state.broadcasts.shed, charged(state, node, now_s)
        if last is None or now_s - state.broadcasts.begun_s > state.settings.ttl_s:
            return known_w
        table = state.broadcasts.table(state.topology)
        return min(known_w, table.of(node.id).cap_w(last.level))

    charged = State.charged_w
    patch.setattr(State, "charged_w", charged_w)


BUGS: Final[dict[str, Bug]] = {
    "raise-before-decrease": Bug("raises do not wait for decreases", _raise_before_decrease, 0),
    "raise-before-commit": Bug(
        "a raise is sent before the ledger holds it", _raise_before_commit, 0
    ),
    "lease-from-receipt": Bug("a lease counts from its receipt", _lease_from_receipt, 28),
    "no-fencing": Bug("agents take setpoints of any epoch and order", _no_fencing, 1),
    "lease-never-ends": Bug("a lease does not end by itself", _lease_never_ends, 2),
    "any-setpoint": Bug("agents take setpoints of any age and incarnation", _any_setpoint, 0),
    "restore-on-exit": Bug(
        "an agent's end restores the cards' default limits", _restore_on_exit, 0
    ),
    "no-watchdog": Bug("nobody watches a hanging agent", _no_watchdog, 0),
    "stale-at-last-reading": Bug(
        "a silent node is charged as last seen", _stale_at_last_reading, 0
    ),
    "settled-at-once": Bug("a read-back counts while a write is out", _settled_at_once, 0),
    "any-report-frees": Bug(
        "a report frees setpoints that it does not name", _any_report_frees, 26
    ),
    "cuts-wait": Bug("a cut waits for the pace of decisions", _cuts_wait, 0),
    "lost-cuts-stay-lost": Bug("a lost setpoint is not sent again", _lost_cuts_stay_lost, 37),
    "decisions-drift": Bug("a decision depends on more than its inputs", _decisions_drift, 0),
    "raised-for-ever": Bug(
        "a limit that another program raised is left alone", _raised_by_others_for_ever, 3
    ),
    "broadcast-frees": Bug("a broadcast frees watts", _broadcast_frees, 0),
}


@contextlib.contextmanager
def planted(name: str) -> Iterator[None]:
    """The product with one bug."""
    with pytest.MonkeyPatch.context() as patch:
        BUGS[name].plant(patch)
        yield


def seeds_until_caught(name: str, most: int) -> tuple[int | None, str]:
    """The first seed that breaks a promise with this bug, and the words of it."""
    with planted(name):
        for seed in range(most):
            found = run_seed(seed).violations
            if found:
                return seed, found[0].text()
    return None, "not caught"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("names", nargs="*", default=list(BUGS))
    parser.add_argument("--most", type=int, default=100)
    found = parser.parse_args()
    for name in found.names or BUGS:
        seed, words = seeds_until_caught(name, found.most)
        count = "-" if seed is None else str(seed + 1)
        print(f"| {name} | {BUGS[name].words} | {count} | {words} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
