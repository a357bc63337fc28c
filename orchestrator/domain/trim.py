"""The meter's trim: watts kept free because a meter shows more than nodes and bounds explain.

It follows only the difference of metered and modelled power, never the distance to a limit, so
that it does not fight the allocation. It adds to what a limit keeps free for uncontrolled load
and reserve, and never takes from it: exposures are not its business.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, exp
from typing import Final

from orchestrator.domain.topology import Node, Topology

QUANTUM: Final = 0.005
"""Decisions see the trim in steps of this fraction of the limit."""
DEADBAND: Final = 0.25
"""Of a step; what is less beyond the quoted trim is noise."""


@dataclass(frozen=True, slots=True)
class TrimRules:
    """How fast the trim moves, seconds.

    confirm_s: an excess that lasts for so long is corrected in full, as a cut: the time of one
    decision. loosen_s: time constant of the way back. loosen_every_s: decisions see it fall no
    more often. hold_s: without evidence it stands for so long, then it goes back.
    """

    confirm_s: float = 2.5
    loosen_s: float = 60.0
    loosen_every_s: float = 12.5
    hold_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Trim:
    """What is known of one limit, watts. quoted_w: what decisions keep free; kept_w: the estimate.

    recent: (time, metered less modelled) of the last confirm_s. seen_s: of the last evidence.
    """

    at_s: float
    kept_w: float = 0.0
    quoted_w: float = 0.0
    quoted_s: float = float("-inf")
    seen_s: float = float("-inf")
    recent: tuple[tuple[float, float], ...] = ()


def modelled_w(
    topology: Topology,
    limit_id: str,
    reported_w: Mapping[str, float | None],
    charged_w: Mapping[str, float],
) -> float:
    """What nodes and bounds explain below a limit, watts.

    reported_w: drawn by each node's cards, None where nothing is known: then it is taken at the
    most that it is charged with. charged_w: sums of card limits.
    """
    nodes = topology.nodes_under[limit_id]
    drawn_w = sum(_drawn_w(node, reported_w[node.id], charged_w[node.id]) for node in nodes)
    return drawn_w + topology.uncontrolled_under_w[limit_id]


def integrate(
    before: Trim, excess_w: float | None, limit_w: float, now_s: float, rules: TrimRules
) -> Trim:
    """Take one difference of metered and modelled power, None where the meter is not fresh."""
    passed_s = max(0.0, now_s - before.at_s)
    if excess_w is None:
        trim = _held(replace(before, recent=()), passed_s, now_s, rules)
    else:
        trim = _followed(_with(before, excess_w, now_s, rules), passed_s, now_s, rules)
    return _quoted(replace(trim, at_s=now_s), QUANTUM * limit_w, now_s, rules)


def _drawn_w(node: Node, reported_w: float | None, charged_w: float) -> float:
    if reported_w is None:
        return node.draw_w(charged_w)
    return reported_w * (1 + node.overhead_fraction) + node.overhead_w


def _with(before: Trim, excess_w: float, now_s: float, rules: TrimRules) -> Trim:
    """Keep one value that is as old as the window, so that it is known to be covered."""
    recent = (*before.recent, (now_s, excess_w))
    while len(recent) > 1 and recent[1][0] <= now_s - rules.confirm_s:
        recent = recent[1:]
    return replace(before, recent=recent, seen_s=now_s)


def _followed(trim: Trim, passed_s: float, now_s: float, rules: TrimRules) -> Trim:
    """Up to the least of the last moments at once; down towards the most of them, slowly."""
    values_w = [value_w for _, value_w in trim.recent]
    covered = trim.recent[0][0] <= now_s - rules.confirm_s
    if covered and min(values_w) > trim.kept_w:
        return replace(trim, kept_w=min(values_w))
    return _towards(trim, max(0.0, *values_w), passed_s, rules)


def _held(trim: Trim, passed_s: float, now_s: float, rules: TrimRules) -> Trim:
    if now_s - trim.seen_s <= rules.hold_s:
        return trim
    return _towards(trim, 0.0, passed_s, rules)


def _towards(trim: Trim, target_w: float, passed_s: float, rules: TrimRules) -> Trim:
    if target_w >= trim.kept_w:
        return trim
    left = exp(-passed_s / rules.loosen_s)
    return replace(trim, kept_w=target_w + (trim.kept_w - target_w) * left)


def _quoted(trim: Trim, quantum_w: float, now_s: float, rules: TrimRules) -> Trim:
    """A growing trim is a cut and does not wait; a falling one is quoted rarely."""
    slack_w = DEADBAND * quantum_w
    steps_w = quantum_w * ceil(max(0.0, trim.kept_w - slack_w) / quantum_w)
    grown = trim.kept_w > trim.quoted_w + slack_w
    fallen = steps_w < trim.quoted_w and now_s - trim.quoted_s >= rules.loosen_every_s
    return replace(trim, quoted_w=steps_w, quoted_s=now_s) if grown or fallen else trim
