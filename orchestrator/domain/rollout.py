"""From where the nodes are to where a decision wants them.

Decreases go at once, raises as room allows.

Every raise is charged before the next is considered, so that in every order of arrival the
exposures stay under every limit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from orchestrator.domain.exposure import draws_under_w
from orchestrator.domain.silence import Reserves, Silence
from orchestrator.domain.topology import Node, Topology

MoveKind = Literal["decrease", "renewal", "raise"]
EPSILON_W = 0.01


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one node stands, sums of card limits in watts.

    present_w: what it holds now as far as it follows us; wanted_w: the decision's target.
    """

    present_w: float
    wanted_w: float


@dataclass(frozen=True, slots=True)
class Move:
    """A setpoint to send: the new sum of card limits."""

    node: str
    limit_w: float
    kind: MoveKind


def decreases(standings: Mapping[str, Standing]) -> list[Move]:
    """Nodes that hold more than they should; these never wait."""
    return [
        Move(node, standing.wanted_w, "decrease")
        for node, standing in sorted(standings.items())
        if standing.wanted_w < standing.present_w - EPSILON_W
    ]


def raises(
    topology: Topology,
    rooms_w: Mapping[str, float],
    charged_w: Mapping[str, float],
    standings: Mapping[str, Standing],
    smallest_step: float = 0.02,
    silence: Silence | None = None,
) -> list[Move]:
    """Raises that fit under every limit with all charges counted, the largest gaps first.

    rooms_w: watts that nodes may draw together under each limit; charged_w: of every node of
    the topology; smallest_step: raises below this fraction of nameplate wait, unless they
    reach the target; silence: what may still fall silent, and keeps its reserve free.
    """
    used_w = draws_under_w(topology, charged_w)
    free_w = {limit_id: rooms_w[limit_id] - used_w[limit_id] for limit_id in rooms_w}
    reserves = Reserves(topology, silence or Silence(), charged_w)
    found: list[Move] = []
    for name in sorted(
        standings, key=lambda n: (standings[n].present_w - standings[n].wanted_w, n)
    ):
        node, standing = topology.node_by_id[name], standings[name]
        path = topology.path_of[name]
        least_free_w = min(_free_w(free_w[limit_id], reserves, limit_id, name) for limit_id in path)
        limit_w = _reachable_w(node, standing, charged_w[name], least_free_w)
        if not _worth_sending(node, standing, limit_w, smallest_step):
            continue
        extra_w = node.draw_w(max(limit_w, charged_w[name])) - node.draw_w(charged_w[name])
        for limit_id in path:
            free_w[limit_id] -= extra_w
        reserves.charge(node, max(limit_w, charged_w[name]))
        found.append(Move(name, limit_w, "raise"))
    return found


def _free_w(free_w: float, reserves: Reserves, limit_id: str, name: str) -> float:
    """Watts that a node may take: what it takes, it no longer adds when it falls silent."""
    kept_w = reserves.kept_w(limit_id)
    if free_w - kept_w < -EPSILON_W:
        return free_w - kept_w
    return max(0.0, free_w - reserves.kept_w(limit_id, without=name)) if kept_w else free_w


def _reachable_w(node: Node, standing: Standing, charged_w: float, free_w: float) -> float:
    """Up to the target; what is charged already costs no room, but a full limit raises nobody."""
    if free_w < 0:
        return standing.present_w
    return min(standing.wanted_w, node.limit_for(node.draw_w(charged_w) + free_w))


def _worth_sending(node: Node, standing: Standing, limit_w: float, smallest_step: float) -> bool:
    gain_w = limit_w - standing.present_w
    if gain_w <= EPSILON_W:
        return False
    reaches_target = limit_w >= standing.wanted_w - EPSILON_W
    return reaches_target or gain_w >= smallest_step * node.nameplate_w
