"""What it costs when nodes fall silent, and the watts that a limit keeps free for it.

A silent node is charged at its worst. A limit with `silent_nodes = k` keeps a reserve, so that any
k nodes below it may fall silent at once and nobody else has to be cut for it: the k largest amounts
by which the charges of nodes below it would grow. Every node that has fallen silent took its share
of the reserve with it, so the reserve is kept for k less the silent ones. It shrinks as nodes are
raised, for a node that is charged at its worst already adds nothing.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from heapq import nlargest

from orchestrator.domain.topology import Node, Topology


@dataclass(frozen=True, slots=True)
class Silence:
    """What may still fall silent; empty where no limit keeps a reserve.

    allowed: by limit with a reserve, how many more nodes. floors_w: by node that is not silent,
    the least sum of card limits that it is charged at once it is.
    """

    allowed: Mapping[str, int] = field(default_factory=dict)
    floors_w: Mapping[str, float] = field(default_factory=dict)

    def added_w(self, node: Node, limit_w: float) -> float:
        """By how much the draw charged to a node grows when it falls silent, watts of the host."""
        floor_w = self.floors_w.get(node.id, limit_w)
        return max(0.0, node.draw_w(floor_w) - node.draw_w(limit_w))


def allowed_silent(topology: Topology, silent: Iterable[str]) -> dict[str, int]:
    """How many more nodes may fall silent below every limit that keeps a reserve.

    silent: ids of the nodes that are silent now.
    """
    below = _silent_below(topology, silent)
    return {
        limit.id: max(0, limit.silent_nodes - below[limit.id])
        for limit in topology.limits
        if limit.silent_nodes > 0
    }


def silent_beyond(topology: Topology, silent: Iterable[str]) -> dict[str, int]:
    """How many nodes are silent beyond what a limit keeps a reserve for; only where some are."""
    below = _silent_below(topology, silent)
    return {
        limit.id: below[limit.id] - limit.silent_nodes
        for limit in topology.limits
        if 0 < limit.silent_nodes < below[limit.id]
    }


def costs_more(before: Silence, after: Silence) -> bool:
    """Whether a node that could fall silent before would be charged more for it now."""
    return any(
        floor_w > before.floors_w[name]
        for name, floor_w in after.floors_w.items()
        if name in before.floors_w
    )


def reserves_w(
    topology: Topology, silence: Silence, limits_w: Mapping[str, float]
) -> dict[str, float]:
    """Watts to keep free under every limit that keeps a reserve.

    limits_w: the sum of card limits that each node is charged at, or shall be.
    """
    return {
        limit_id: sum(
            nlargest(
                count,
                (silence.added_w(n, limits_w[n.id]) for n in topology.nodes_under[limit_id]),
            )
        )
        for limit_id, count in silence.allowed.items()
    }


class Reserves:
    """The reserves while nodes are raised one after the other."""

    def __init__(
        self, topology: Topology, silence: Silence, charged_w: Mapping[str, float]
    ) -> None:
        self._topology = topology
        self._silence = silence
        self._added_w = {
            node.id: silence.added_w(node, charged_w[node.id]) for node in topology.nodes
        }
        self._sorted = {
            limit_id: sorted((self._added_w[n.id], n.id) for n in topology.nodes_under[limit_id])
            for limit_id in silence.allowed
        }

    def kept_w(self, limit_id: str, without: str | None = None) -> float:
        """The reserve of a limit, as it is or as it would be if one node added nothing."""
        count = self._silence.allowed.get(limit_id, 0)
        if count == 0:
            return 0.0
        largest = self._sorted[limit_id][-count - 1 :]
        others_w = [added_w for added_w, name in largest if name != without]
        return sum(others_w[-count:])

    def charge(self, node: Node, limit_w: float) -> None:
        """The node is charged at this sum of card limits from now on."""
        before = (self._added_w[node.id], node.id)
        after = (self._silence.added_w(node, limit_w), node.id)
        self._added_w[node.id] = after[0]
        for limit_id in self._topology.path_of[node.id]:
            if limit_id in self._sorted:
                ranked = self._sorted[limit_id]
                del ranked[bisect_left(ranked, before)]
                insort(ranked, after)


def _silent_below(topology: Topology, silent: Iterable[str]) -> Counter[str]:
    return Counter(limit_id for name in silent for limit_id in topology.path_of[name])
