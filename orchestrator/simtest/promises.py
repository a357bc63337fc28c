"""What must hold in every simulated moment, judged by the plant's truth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from orchestrator.control.steering import MOVABLE, present_w
from orchestrator.domain.decision import decide
from orchestrator.domain.exposure import draws_under_w
from orchestrator.domain.topology import Topology
from orchestrator.messages import CommitGrants, Effect, SendSetpoint, StoreDecision
from orchestrator.simtest.host import Host
from orchestrator.simtest.service import Service

PROMISES: Final = {
    1: "no exposure above a limit",
    2: "down before up, on evidence",
    3: "a cap is a lease",
    4: "fencing",
    5: "fail-safe is affordable",
    6: "no stop raises power",
    7: "a tightening never waits",
    8: "silence at its worst",
    9: "decisions replay",
}
EPSILON_W: Final = 0.5
POWER_W: Final = 2.0
"""The simulated cards meet their limits within so much, a node."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken: which, when, where, and by how much or how."""

    promise: int
    at_s: float
    where: str
    words: str

    def text(self) -> str:
        """One line of a report."""
        return f"promise {self.promise} broken at {self.at_s:.1f} s at {self.where}: {self.words}"


@dataclass
class Judge:
    """Collects violations, each kind at each place once."""

    topology: Topology
    found: list[Violation] = field(default_factory=list)
    _seen: set[tuple[int, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.under = {
            limit.id: tuple(node.id for node in self.topology.nodes_under[limit.id])
            for limit in self.topology.limits
        }

    def blame(self, promise: int, at_s: float, where: str, words: str) -> None:
        """Note a violation."""
        if (promise, where) not in self._seen:
            self._seen.add((promise, where))
            self.found.append(Violation(promise, at_s, where, words))

    def physical(
        self,
        now_s: float,
        samples_w: Mapping[str, Sequence[float]],
        excused_w: Mapping[str, float],
    ) -> None:
        """No limit of the tree is exceeded, but by what cards do that ignore their limits.

        samples_w: the nodes' true power since the last call, one value a tenth of a second.
        """
        for limit in self.topology.limits:
            each_w = [samples_w[name] for name in self.under[limit.id]]
            drawn_w = float(max(map(sum, zip(*each_w, strict=True))))
            drawn_w += self.topology.uncontrolled_under_w[limit.id]
            most_w = limit.limit_w + POWER_W + sum(excused_w[n] for n in self.under[limit.id])
            if drawn_w > most_w:
                self.blame(1, now_s, limit.id, f"{drawn_w:.0f} W drawn, {most_w:.0f} W allowed")

    def events(
        self,
        now_s: float,
        wall_w: Mapping[str, float],
        allowed_w: Callable[[str], float],
        unreached: frozenset[str],
    ) -> None:
        """What was asked for is met, but by nodes that no message or write could reach.

        Below what the fail-safe caps need, the site does its best.
        """
        for limit in self.topology.limits:
            least_w = self._least_w(limit.id)
            most_w = max(allowed_w(limit.id), least_w)
            if most_w >= limit.limit_w:
                continue
            drawn_w = self._drawn_w(limit.id, wall_w)
            for name in unreached.intersection(self.under[limit.id]):
                node = self.topology.node_by_id[name]
                drawn_w -= max(0.0, wall_w[name] - node.draw_w(node.min_w))
            if drawn_w > most_w + POWER_W:
                self.blame(1, now_s, limit.id, f"{drawn_w:.0f} W drawn, {most_w:.0f} W asked for")

    def at_rest(self, now_s: float, wall_w: Mapping[str, float]) -> None:
        """With no lease left at any node, the site is under its firm limit."""
        drawn_w = self._drawn_w(self.topology.root.id, wall_w)
        if drawn_w > self.topology.firm_limit_w + POWER_W:
            self.blame(5, now_s, self.topology.root.id, f"{drawn_w:.0f} W drawn in fail-safe")

    def charged(self, now_s: float, service: Service, hosts: Mapping[str, Host]) -> None:
        """No node enforces more than its leader charges it with."""
        for name, host in hosts.items():
            charged_w = service.state.charged_w(host.node, now_s)
            if host.driver.total_w > charged_w + EPSILON_W:
                words = f"enforces {host.driver.total_w:.0f} W, charged at {charged_w:.0f} W"
                silent = service.state.status(host.node, now_s) == "silent"
                self.blame(8 if silent else 2, now_s, name, words)

    def step(self, now_s: float, service: Service, effects: list[Effect]) -> None:
        """What one control step may do."""
        state = service.state
        for effect in effects:
            match effect:
                case StoreDecision(decision) if decide(decision.inputs) != decision.outcome:
                    self.blame(9, now_s, decision.id, "its replay differs")
                case CommitGrants():
                    self._room(now_s, service)
                case SendSetpoint(setpoint, "raise"):
                    grant = (setpoint.node, setpoint.limit_w, setpoint.fence)
                    if grant not in service.database.granted:
                        self.blame(2, now_s, setpoint.node, "raised before the ledger held it")
                    if state.superseded:
                        self.blame(4, now_s, setpoint.node, "raised by a superseded leader")
                case _:
                    pass
        self._prompt(now_s, service, effects)

    def _room(self, now_s: float, service: Service) -> None:
        """With a raise written, everything that is charged fits under every limit."""
        state = service.state
        charged_w = {node.id: state.charged_w(node, now_s) for node in self.topology.nodes}
        draws_w = draws_under_w(self.topology, charged_w)
        raised = {name for name, node in state.nodes.items() if node.pending is not None}
        for limit in self.topology.limits:
            most_w = state.bounds[limit.id].limit_w - limit.reserve_w + EPSILON_W
            used_w = draws_w[limit.id] + self.topology.uncontrolled_under_w[limit.id]
            grown = raised.intersection(self.under[limit.id])
            if used_w > most_w and any(_grows(service, name) for name in grown):
                self.blame(1, now_s, limit.id, f"a raise charges {used_w:.0f} of {most_w:.0f} W")

    def _prompt(self, now_s: float, service: Service, effects: list[Effect]) -> None:
        """What tightens is decided, and sent, in the step that heard of it."""
        state = service.state
        if state.decision is None:
            return
        inputs = state.decision.inputs
        for limit_id, bound in state.bounds.items():
            if inputs.bounds[limit_id].limit_w > bound.limit_w + EPSILON_W:
                self.blame(7, now_s, limit_id, "a fall of the limit was not decided on at once")
        sent = {e.setpoint.node: e.setpoint.limit_w for e in effects if isinstance(e, SendSetpoint)}
        for target in state.decision.outcome.targets:
            node = self.topology.node_by_id[target.node]
            if target.node in inputs.fixed or state.status(node, now_s) not in MOVABLE:
                continue
            holds_w = sent.get(target.node, present_w(state, state.nodes[target.node], now_s))
            if holds_w is not None and holds_w > target.limit_w + EPSILON_W:
                self.blame(7, now_s, target.node, f"holds {holds_w:.0f} W and was not cut")

    def _drawn_w(self, limit_id: str, wall_w: Mapping[str, float]) -> float:
        nodes_w = sum(wall_w[name] for name in self.under[limit_id])
        return nodes_w + self.topology.uncontrolled_under_w[limit_id]

    def _least_w(self, limit_id: str) -> float:
        nodes = self.topology.nodes_under[limit_id]
        uncontrolled_w = self.topology.uncontrolled_under_w[limit_id]
        return sum(node.draw_w(node.fail_safe_w) for node in nodes) + uncontrolled_w


def _grows(service: Service, name: str) -> bool:
    """Whether a raise charges the node with more than it was charged with anyway."""
    node = service.state.nodes[name]
    evidenced_w = node.exposure.evidenced_w
    if node.pending is None or evidenced_w is None:
        return False
    others_w = [h.limit_w for h in node.exposure.holds if h.fence != node.pending.fence]
    return node.pending.limit_w > max([evidenced_w, *others_w]) + EPSILON_W
