"""The electrical tree of a facility: limits, the nodes on them, and what each may draw."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import inf

from orchestrator.domain.errors import InvalidTopology

LIMIT_KINDS = ("facility", "feed", "pdu", "rack", "phase", "tenant")


@dataclass(frozen=True, slots=True)
class Limit:
    """A ceiling in the tree, in watts at its own meter point.

    uncontrolled_w: upper bound of the load below this limit that no node accounts for and that
        is not already counted at a limit below.
    reserve_w: watts kept free on purpose.
    silent_nodes: how many nodes below may fall silent at once without another being cut.
    derivation: how limit_w came about, empty where it was given as such; see domain.rating.
    """

    id: str
    kind: str
    limit_w: float
    parent: str | None = None
    uncontrolled_w: float = 0.0
    reserve_w: float = 0.0
    silent_nodes: int = 0
    derivation: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """A serving host. Watts of all its cards together unless said otherwise.

    nameplate_w: the sum of the highest limits its cards can be set to.
    min_w: the sum of the lowest limits. fail_safe_w: the sum of limits it falls to by itself.
    overhead_fraction, overhead_w: host power = (1 + fraction) x cards + overhead_w, an upper
        confidence bound (the PALS paper measured 0.05 and 340-350 W on 4 x A100).
    tolerance: how far a card may exceed its enforced limit, as a fraction.
    tier: flexibility 0..3, the allowed loss of throughput is 0/10/25/50 %.
    target_tok_s: the throughput that is enough; the agent saves what it can beyond it, and tokens
        beyond it are worth little to the split. None: as much as its watts buy.
    """

    id: str
    limit: str
    deployment: str
    cards: int
    nameplate_w: float
    min_w: float
    fail_safe_w: float
    tier: int = 1
    weight: float = 1.0
    overhead_fraction: float = 0.05
    overhead_w: float = 350.0
    tolerance: float = 0.0
    boot_gated: bool = False
    target_tok_s: float | None = None

    def draw_w(self, limit_w: float) -> float:
        """The most the host may draw in watts while its cards enforce limit_w in sum."""
        return limit_w * (1 + self.tolerance) * (1 + self.overhead_fraction) + self.overhead_w

    def limit_for(self, draw_w: float) -> float:
        """The highest sum of enforced limits whose draw stays at or under draw_w, in watts."""
        return (draw_w - self.overhead_w) / ((1 + self.tolerance) * (1 + self.overhead_fraction))


@dataclass(frozen=True)
class Topology:
    """A checked tree of limits with nodes on it.

    firm_limit_w: the lowest facility limit that Ballast guarantees while every node is silent.
    Raises InvalidTopology for duplicate or unknown ids, cycles, several roots, or bad numbers.
    """

    limits: tuple[Limit, ...]
    nodes: tuple[Node, ...]
    firm_limit_w: float

    def __post_init__(self) -> None:
        _check(self)

    @cached_property
    def limit_by_id(self) -> dict[str, Limit]:
        return {limit.id: limit for limit in self.limits}

    @cached_property
    def node_by_id(self) -> dict[str, Node]:
        return {node.id: node for node in self.nodes}

    @cached_property
    def root(self) -> Limit:
        return next(limit for limit in self.limits if limit.parent is None)

    @cached_property
    def path_of(self) -> dict[str, tuple[str, ...]]:
        """Ids of the limits above each node, the nearest first, the root last."""
        return {node.id: tuple(self._ancestry(node.limit)) for node in self.nodes}

    @cached_property
    def nodes_under(self) -> dict[str, tuple[Node, ...]]:
        """Every limit's nodes, however deep."""
        below: dict[str, list[Node]] = {limit.id: [] for limit in self.limits}
        for node in self.nodes:
            for limit_id in self.path_of[node.id]:
                below[limit_id].append(node)
        return {limit_id: tuple(nodes) for limit_id, nodes in below.items()}

    @cached_property
    def uncontrolled_under_w(self) -> dict[str, float]:
        """Upper bound of uncontrolled load below each limit, deeper limits included."""
        total = {limit.id: 0.0 for limit in self.limits}
        for limit in self.limits:
            for above in self._ancestry(limit.id):
                total[above] += limit.uncontrolled_w
        return total

    @cached_property
    def fail_safe_under_w(self) -> dict[str, float]:
        """What fail-safe caps with overhead and uncontrolled load come to below each limit."""
        total = dict(self.uncontrolled_under_w)
        for node in self.nodes:
            for limit_id in self.path_of[node.id]:
                total[limit_id] += node.draw_w(node.fail_safe_w)
        return total

    @cached_property
    def guaranteed_w(self) -> dict[str, float]:
        """The lowest ceiling at each limit that holds while every node is at its fail-safe.

        Nothing below the firm limit is guaranteed at the root.
        """
        least_w = self.fail_safe_under_w
        return {**least_w, self.root.id: max(self.firm_limit_w, least_w[self.root.id])}

    def _ancestry(self, limit_id: str) -> Iterator[str]:
        current: str | None = limit_id
        while current is not None:
            yield current
            current = self.limit_by_id[current].parent


def _check(topology: Topology) -> None:
    _check_unique("limit", [limit.id for limit in topology.limits])
    _check_unique("node", [node.id for node in topology.nodes])
    known = {limit.id for limit in topology.limits}
    roots = [limit.id for limit in topology.limits if limit.parent is None]
    if len(roots) != 1:
        raise InvalidTopology(f"exactly one limit must have no parent, found {roots or 'none'}")
    for limit in topology.limits:
        _check_limit(limit, known)
    for limit in topology.limits:
        _check_no_cycle(limit.id, topology.limit_by_id)
    for node in topology.nodes:
        _check_node(node, known)
    if not 0 < topology.firm_limit_w < inf:
        raise InvalidTopology("firm_limit_w must be above 0; it has no default, declare it")


def _check_unique(what: str, ids: list[str]) -> None:
    twice = sorted(name for name, count in Counter(ids).items() if count > 1)
    if twice:
        raise InvalidTopology(f"{what} ids are used twice: {', '.join(twice)}")


def _check_limit(limit: Limit, known: set[str]) -> None:
    if limit.kind not in LIMIT_KINDS:
        raise InvalidTopology(f"limit {limit.id}: kind must be one of {', '.join(LIMIT_KINDS)}")
    if limit.parent is not None and limit.parent not in known:
        raise InvalidTopology(f"limit {limit.id}: unknown parent {limit.parent}")
    if not 0 < limit.limit_w < inf:
        raise InvalidTopology(f"limit {limit.id}: limit_w must be above 0 and finite")
    if not all(0 <= value < inf for value in (limit.uncontrolled_w, limit.reserve_w)):
        raise InvalidTopology(
            f"limit {limit.id}: uncontrolled_w and reserve_w cannot be negative, and are finite"
        )
    if limit.silent_nodes < 0:
        raise InvalidTopology(f"limit {limit.id}: silent_nodes cannot be negative")
    if limit.kind == "phase" and limit.parent is None:
        raise InvalidTopology(f"limit {limit.id}: a phase needs a parent, the limit it is part of")


def _check_no_cycle(start: str, by_id: dict[str, Limit]) -> None:
    seen: list[str] = []
    current: str | None = start
    while current is not None:
        if current in seen:
            raise InvalidTopology(f"limits form a cycle: {' -> '.join([*seen, current])}")
        seen.append(current)
        current = by_id[current].parent


def _check_node(node: Node, known: set[str]) -> None:
    if node.limit not in known:
        raise InvalidTopology(f"node {node.id}: unknown limit {node.limit}")
    if not 0 < node.min_w <= node.fail_safe_w <= node.nameplate_w < inf:
        raise InvalidTopology(
            f"node {node.id}: needs 0 < min_w <= fail_safe_w <= nameplate_w, "
            f"got {node.min_w}, {node.fail_safe_w}, {node.nameplate_w}"
        )
    if node.tier not in (0, 1, 2, 3):
        raise InvalidTopology(f"node {node.id}: tier must be 0, 1, 2 or 3, got {node.tier}")
    overheads = (node.overhead_w, node.overhead_fraction, node.tolerance)
    if not (all(0 <= value < inf for value in overheads) and 0 < node.weight < inf):
        raise InvalidTopology(
            f"node {node.id}: overheads cannot be negative, weight must be > 0, all are finite"
        )
    if node.target_tok_s is not None and not 0 < node.target_tok_s < inf:
        raise InvalidTopology(
            f"node {node.id}: target_tok_s must be above 0; leave it out for none"
        )
    if node.cards < 1:
        raise InvalidTopology(f"node {node.id}: cards must be at least 1")
