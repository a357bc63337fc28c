"""What each level of a shed means for every node of a site, and which level is deep enough."""

import json
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from orchestrator.domain.exposure import draws_under_w
from orchestrator.domain.shed import NodeTable
from orchestrator.domain.topology import Node, Topology

LEVELS = 16
"""The last but one is fail-safe, so that it keeps the firm limit; the last is the lowest cap."""
HASH_LENGTH = 16
EPSILON_W = 0.5


@dataclass(frozen=True, slots=True)
class ShedTable:
    """The site's table. caps_w: by node, of level 1 and deeper. hash: of its canonical JSON."""

    caps_w: Mapping[str, tuple[float, ...]]
    hash: str

    def of(self, node: str) -> NodeTable:
        """The row that the node's agent holds."""
        return NodeTable(node, self.hash, self.caps_w[node])


def shed_table(topology: Topology) -> ShedTable:
    """Even steps from nameplate to fail-safe, then the lowest cap; no cap is below min_w."""
    caps_w = {node.id: _caps_w(node) for node in topology.nodes}
    text = json.dumps(caps_w, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return ShedTable(caps_w, sha256(text.encode()).hexdigest()[:HASH_LENGTH])


def shallowest(
    topology: Topology,
    table: ShedTable,
    rooms_w: Mapping[str, float],
    held_w: Mapping[str, float],
    sheddable: frozenset[str],
) -> int:
    """The first level whose caps keep every limit; the tightest if none does.

    rooms_w: watts that nodes may draw together under each limit. held_w: sum of card limits by
    node if nothing is shed. Only nodes in sheddable follow.
    """

    def keeps(level: int) -> bool:
        limits_w = {
            name: min(limit_w, table.caps_w[name][level - 1]) if name in sheddable else limit_w
            for name, limit_w in held_w.items()
        }
        draws_w = draws_under_w(topology, limits_w)
        return all(draws_w[limit_id] <= room_w + EPSILON_W for limit_id, room_w in rooms_w.items())

    return 1 + bisect_left(range(1, LEVELS), True, key=keeps)


def _caps_w(node: Node) -> tuple[float, ...]:
    span_w, steps = node.nameplate_w - node.fail_safe_w, LEVELS - 1
    even = (node.nameplate_w - span_w * step / steps for step in range(1, LEVELS))
    return (*(round(max(cap_w, node.min_w), 2) for cap_w in even), node.min_w)
