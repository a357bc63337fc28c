"""One decision: from limits, nodes and frontiers to a target for every node, with the reasons.

`decide` is a pure function of what is stored beside the decision, so any decision can be
replayed byte for byte.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.domain.allocation.problem import Device, LimitRow, Problem, Result
from orchestrator.domain.allocation.waterfill import allocate
from orchestrator.domain.budget import available_w
from orchestrator.domain.calibration import Bias, corrected
from orchestrator.domain.exposure import draws_under_w
from orchestrator.domain.frontier import Frontier
from orchestrator.domain.reserve_search import split_with_reserves
from orchestrator.domain.silence import Silence, reserves_w
from orchestrator.domain.timeline import Bound
from orchestrator.domain.topology import Node, Topology

TARGET_HEADROOM = 1.03
"""What a target is raised by, so that the model's error does not make it missed."""
BEYOND_WORTH = 0.02
"""What a token per second beyond the offered load is worth: enough to use watts left over."""
FITS_W = 0.005


@dataclass(frozen=True, slots=True)
class FixedNode:
    """A node that this decision cannot move, and the sum of card limits it is charged at."""

    limit_w: float
    reason: str


@dataclass(frozen=True, slots=True)
class DecisionInputs:
    """All that a decision depends on.

    bounds: the ceiling in force at every limit. fixed: nodes that are not free to move.
    frontiers: by deployment. shadow: the facility is not armed, nothing will be sent.
    offered_tok_s: what nodes without a queue are offered, with headroom; see domain.demand.
    biases: by node, what it is off its model by; see domain.calibration.
    silence: what may still fall silent without anybody being cut for it.
    cut_only: nodes that may be cut and never raised, with the most that they may hold now.
    most_w: by node, a sum of card limits that it may not exceed while a breach is escalated.
    trims_w: by limit, what its meter keeps free beyond the declared bounds; see domain.trim.
    """

    topology: Topology
    bounds: Mapping[str, Bound]
    fixed: Mapping[str, FixedNode]
    frontiers: Mapping[str, Frontier]
    shadow: bool
    offered_tok_s: Mapping[str, float] = field(default_factory=dict)
    biases: Mapping[str, Bias] = field(default_factory=dict)
    silence: Silence = field(default_factory=Silence)
    cut_only: Mapping[str, FixedNode] = field(default_factory=dict)
    most_w: Mapping[str, float] = field(default_factory=dict)
    trims_w: Mapping[str, float] = field(default_factory=dict)

    def range_w(self, node: Node) -> tuple[float, float]:
        """The lowest and the highest sum of card limits that a free node may be given."""
        most_w = max(node.min_w, min(node.nameplate_w, self.most_w.get(node.id, node.nameplate_w)))
        held = self.cut_only.get(node.id)
        if held is None:
            return node.min_w, most_w
        return min(node.min_w, held.limit_w), min(most_w, held.limit_w)


@dataclass(frozen=True, slots=True)
class Target:
    """What one node got: the sum of its card limits, the host draw that it is worth, and why.

    tok_s: throughput the model expects at that limit, None without a model or outside its range.
    """

    node: str
    limit_w: float
    draw_w: float
    tok_s: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The targets and how good they are; objective and upper_bound in weighted tokens per second.

    prices: the weighted tokens per second that one more watt would buy at each limit.
    """

    targets: tuple[Target, ...]
    objective: float
    upper_bound: float
    prices: Mapping[str, float]
    unmet: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision as it is stored: id, moment, what made it necessary, inputs and outcome."""

    id: str
    decided_at: datetime
    cause: str
    inputs: DecisionInputs
    outcome: Outcome


def decide(inputs: DecisionInputs) -> Outcome:
    """Split what the limits allow over the nodes that are free to move."""
    if not inputs.silence.allowed:
        return _outcome(inputs, {})
    least_w = {node.id: inputs.range_w(node)[0] for node in inputs.topology.nodes}
    least_w |= {name: fixed.limit_w for name, fixed in inputs.fixed.items()}
    return split_with_reserves(
        solve=lambda kept_w: _outcome(inputs, kept_w),
        needed=lambda outcome: reserves_w(inputs.topology, inputs.silence, _limits_w(outcome)),
        short=lambda outcome: _short(inputs, outcome),
        largest_w=reserves_w(inputs.topology, inputs.silence, least_w),
    )


def _outcome(inputs: DecisionInputs, kept_w: Mapping[str, float]) -> Outcome:
    """The split with so many watts kept free by limit."""
    result = allocate(_problem(inputs, kept_w))
    targets = tuple(_target(inputs, node, result) for node in inputs.topology.nodes)
    return Outcome(
        targets=targets,
        objective=result.objective,
        upper_bound=result.upper_bound,
        prices=result.prices,
        unmet=result.unmet,
    )


def _limits_w(outcome: Outcome) -> dict[str, float]:
    return {target.node: target.limit_w for target in outcome.targets}


def _rooms_w(inputs: DecisionInputs) -> dict[str, float]:
    return available_w(
        inputs.topology,
        {limit_id: bound.limit_w for limit_id, bound in inputs.bounds.items()},
        inputs.trims_w,
    )


def _short(inputs: DecisionInputs, outcome: Outcome) -> frozenset[str]:
    """Limits where the targets and the reserve that they need do not fit."""
    limits_w, rooms_w = _limits_w(outcome), _rooms_w(inputs)
    draws_w = draws_under_w(inputs.topology, limits_w)
    needs_w = reserves_w(inputs.topology, inputs.silence, limits_w)
    return frozenset(
        limit_id
        for limit_id, need_w in needs_w.items()
        if draws_w[limit_id] + need_w > rooms_w[limit_id] + FITS_W
    )


def _problem(inputs: DecisionInputs, kept_w: Mapping[str, float]) -> Problem:
    rooms_w = _rooms_w(inputs)
    limits = tuple(
        LimitRow(limit.id, limit.parent, max(0.0, rooms_w[limit.id] - kept_w.get(limit.id, 0.0)))
        for limit in inputs.topology.limits
    )
    return Problem(limits, tuple(_device(inputs, node) for node in inputs.topology.nodes))


def _device(inputs: DecisionInputs, node: Node) -> Device:
    fixed = inputs.fixed.get(node.id)
    if fixed is not None:
        draw_w = node.draw_w(fixed.limit_w)
        return Device(node.id, (node.limit,), draw_w, draw_w, tier=node.tier, weight=node.weight)
    frontier = _frontier(inputs, node)
    low_w, high_w = inputs.range_w(node)
    points = _points(node, frontier, high_w) if frontier else ()
    enough_tok_s = _enough_tok_s(inputs, node)
    if enough_tok_s is not None:
        points = _worth(points, enough_tok_s)
    return Device(
        id=node.id,
        limits=(node.limit,),
        min_w=node.draw_w(low_w),
        max_w=node.draw_w(high_w),
        tier=node.tier,
        weight=node.weight,
        points=points,
    )


def _frontier(inputs: DecisionInputs, node: Node) -> Frontier | None:
    """What a watt buys on this node: its deployment's model, corrected by what the node shows."""
    model, bias = inputs.frontiers.get(node.deployment), inputs.biases.get(node.id)
    return model if model is None or bias is None else corrected(model, bias)


def _points(node: Node, frontier: Frontier, most_w: float) -> tuple[tuple[float, float], ...]:
    return tuple(
        (node.draw_w(point.cap_w * node.cards), point.tok_s * node.cards / frontier.cards)
        for point in frontier.points
        if node.min_w <= point.cap_w * node.cards <= most_w
    )


def _enough_tok_s(inputs: DecisionInputs, node: Node) -> float | None:
    """The throughput beyond which a node's tokens are worth little, None if all are wanted."""
    known = []
    if node.id in inputs.offered_tok_s:
        known.append(inputs.offered_tok_s[node.id])
    if node.target_tok_s is not None:
        known.append(TARGET_HEADROOM * node.target_tok_s)
    return min(known, default=None)


def _worth(
    points: tuple[tuple[float, float], ...], offered_tok_s: float
) -> tuple[tuple[float, float], ...]:
    """Discount tokens beyond what is enough: watts go there only when nobody else needs them."""
    found: list[tuple[float, float]] = []
    for index, (draw_w, tok_s) in enumerate(points):
        if index and points[index - 1][1] < offered_tok_s < tok_s:
            below_w, below_tok_s = points[index - 1]
            share = (offered_tok_s - below_tok_s) / (tok_s - below_tok_s)
            knee_w = below_w + share * (draw_w - below_w)
            if below_w < knee_w < draw_w:
                found.append((knee_w, offered_tok_s))
        beyond_tok_s = max(0.0, tok_s - offered_tok_s)
        found.append((draw_w, min(tok_s, offered_tok_s) + BEYOND_WORTH * beyond_tok_s))
    return tuple(found)


def _target(inputs: DecisionInputs, node: Node, result: Result) -> Target:
    fixed = inputs.fixed.get(node.id)
    if fixed is not None:
        draw_w = node.draw_w(fixed.limit_w)
        return Target(node.id, fixed.limit_w, draw_w, None, fixed.reason)
    low_w, high_w = inputs.range_w(node)
    limit_w = node.limit_for(result.allocations[node.id])
    limit_w = round(min(max(limit_w, low_w), high_w) - 0.005, 2)
    limit_w = max(limit_w, low_w)
    return Target(
        node=node.id,
        limit_w=limit_w,
        draw_w=node.draw_w(limit_w),
        tok_s=_expected_tok_s(inputs, node, limit_w),
        reason=_reason(inputs, node, result, limit_w),
    )


def _reason(inputs: DecisionInputs, node: Node, result: Result, limit_w: float) -> str:
    words = result.binding.get(node.id, "not bound")
    if node.id in inputs.most_w:
        words = f"{words}; a breach is escalated"
    model = inputs.frontiers.get(node.deployment)
    if model is not None and not model.covers(limit_w / node.cards):
        words = f"{words}; below the profiled range"
    offered_tok_s = inputs.offered_tok_s.get(node.id)
    if node.target_tok_s is not None:
        words = f"{words}; target {node.target_tok_s:,.0f} tok/s"
    if node.id in inputs.cut_only:
        words = f"{words}; {inputs.cut_only[node.id].reason}"
    return words if offered_tok_s is None else f"{words}; offered {offered_tok_s:,.0f} tok/s"


def _expected_tok_s(inputs: DecisionInputs, node: Node, limit_w: float) -> float | None:
    """None without a model, and below the range that the model was profiled in."""
    frontier = _frontier(inputs, node)
    if frontier is None or not frontier.covers(limit_w / node.cards):
        return None
    return frontier.tok_s_at(limit_w / node.cards) * node.cards / frontier.cards
