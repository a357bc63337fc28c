"""Ballast's own node agent under the bench: the real core, its leases renewed by the bench."""

from collections.abc import Sequence

from agents.core.agent import AgentState, Identity, start, step
from agents.core.effects import (
    ClockSet,
    Message,
    Reading,
    Record,
    SetBatch,
    SetClock,
    WriteCap,
    WriteResult,
)
from agents.core.lease import Terms
from agents.core.options import Service
from integrations.twin.node import SimNode
from orchestrator.bench.plant.knobs import Wall
from orchestrator.bench.plant.schedule import Stretch
from orchestrator.domain.frontier import Frontier
from orchestrator.domain.setpoint import Fence, Setpoint

TTL_S = 10.0
RENEW_S = 3.0


class OwnAgent:
    """The agent of one node; a Policy.

    Its limit is the budget less what the host adds. knobs as in agents.core.agent.Identity.
    """

    def __init__(
        self, frontier: Frontier, wall: Wall, service: Service, knobs: tuple[str, ...]
    ) -> None:
        self._wall = wall
        self._frontier = frontier
        self._sequence = 0
        self._asked: tuple[float, float] | None = None
        self._renew_s = 0.0
        self._inbox: list[Message] = [frontier]
        terms = Terms("node", fail_safe_w=1.0)
        identity = Identity(frontier.deployment, "bench", False, knobs, service)
        self.state: AgentState = start(terms, identity, "bench", Record())

    def step(self, node: SimNode, asked: Stretch, now_s: float) -> None:
        """Read, step, carry out; with a setpoint when the order changed or the lease runs."""
        order = (self._wall.cards_w(asked.budget_w), asked.target_tok_s)
        inbox = [*self._inbox]
        if order != self._asked or now_s >= self._renew_s:
            inbox.append(self._setpoint(*order, now_s))
            self._asked, self._renew_s = order, now_s + RENEW_S
        reading = Reading(now_s, node.read_cards(), node.read_engine(), now_s)
        self.state, effects = step(self.state, reading, inbox, now_s)
        self._inbox = carry_out(node, effects)

    def _setpoint(self, limit_w: float, target_tok_s: float, now_s: float) -> Setpoint:
        self._sequence += 1
        return Setpoint(
            node="node",
            limit_w=limit_w,
            target_tok_s=target_tok_s,
            ttl_s=TTL_S,
            fence=Fence(1, self._sequence),
            incarnation=self.state.lease.incarnation,
            stamp_s=now_s,
            decision_id="bench",
        )


def carry_out(node: SimNode, effects: Sequence[object]) -> list[Message]:
    """Do what the agent wants; the results are what it hears at its next step."""
    results: list[Message] = []
    for effect in effects:
        match effect:
            case WriteCap(uuid, limit_w):
                index = [card.uuid for card in node.read_cards()].index(uuid)
                node.set_cap_w(limit_w, index)
                results.append(WriteResult(uuid, limit_w))
            case SetBatch(limit):
                node.set_batch_limit(limit)
            case SetClock(clock_mhz):
                node.set_clock_mhz(clock_mhz)
                results.append(ClockSet(clock_mhz))
            case _:
                pass
    return results
