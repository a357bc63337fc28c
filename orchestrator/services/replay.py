"""Decides again from stored inputs and compares, byte for byte."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrator.domain.decision import Outcome, decide
from orchestrator.services.repositories import Decisions


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """Whether the outcome is identical, and the nodes whose targets are not."""

    decision_id: str
    identical: bool
    differing: tuple[str, ...]


class Replay:
    """Replays stored decisions. canonical: equal outcomes, and only those, give equal text."""

    def __init__(self, decisions: Decisions, canonical: Callable[[Outcome], str]) -> None:
        self._decisions = decisions
        self._canonical = canonical

    def replay(self, decision_id: str) -> ReplayResult:
        """Decide again from what is stored. Raises NotFound."""
        stored = self._decisions.get(decision_id)
        again = decide(stored.inputs)
        return ReplayResult(
            decision_id=decision_id,
            identical=self._canonical(again) == self._canonical(stored.outcome),
            differing=_differing(stored.outcome, again),
        )


def _differing(one: Outcome, other: Outcome) -> tuple[str, ...]:
    left, right = _by_node(one), _by_node(other)
    return tuple(sorted(node for node in {*left, *right} if left.get(node) != right.get(node)))


def _by_node(outcome: Outcome) -> Mapping[str, object]:
    return {target.node: target for target in outcome.targets}
