"""Exposure: the most a node may draw, over every setpoint that it may still hold or yet apply.

Watts are charged before a raise is sent and freed only by evidence: a read-back of the enforced
limits, sampled after the write and settled, that names the setpoint it followed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from orchestrator.domain.setpoint import NO_FENCE, Fence
from orchestrator.domain.telemetry import Telemetry
from orchestrator.domain.topology import Node, Topology

RETIRED_KEPT = 16
LAST_SEQUENCE = 2**62


@dataclass(frozen=True, slots=True)
class Hold:
    """A setpoint that was or may have been sent, and that no evidence has superseded.

    incarnation: of the agent it was addressed to; None after a restart of the orchestrator.
    """

    fence: Fence
    limit_w: float
    incarnation: str | None


@dataclass(frozen=True, slots=True)
class NodeExposure:
    """What is known of one node's card limits, as a sum in watts.

    evidenced_w: the highest sum that the last settled read-back leaves possible; None: unknown.
    fence: the highest that a report has named; a report that names less frees nothing.
    retired: incarnations that have ended; their late messages prove nothing.
    """

    evidenced_w: float | None = None
    holds: tuple[Hold, ...] = ()
    incarnation: str | None = None
    stamp_s: float = float("-inf")
    fence: Fence = NO_FENCE
    retired: tuple[str, ...] = ()

    def limit_w(self, node: Node) -> float:
        """The highest sum of card limits the node may have now or reach without a new message."""
        known_w = node.nameplate_w if self.evidenced_w is None else self.evidenced_w
        return max([known_w, *(hold.limit_w for hold in self.holds)])


def restored(held_w: float | None, epoch: int) -> NodeExposure:
    """Exposure after a takeover: all that earlier leaders may have sent, until we are obeyed.

    held_w: the ledger's figure, None when the ledger knows nothing of the node.
    """
    return NodeExposure() if held_w is None else inherited(NodeExposure(), held_w, epoch)


def inherited(exposure: NodeExposure, held_w: float, epoch: int) -> NodeExposure:
    """Charge what leaders before this epoch may have sent, watts."""
    return with_hold(exposure, Hold(Fence(epoch - 1, LAST_SEQUENCE), held_w, None))


def with_hold(exposure: NodeExposure, hold: Hold) -> NodeExposure:
    """Charge a setpoint that may be sent."""
    return replace(exposure, holds=(*exposure.holds, hold))


def with_sent(exposure: NodeExposure, hold: Hold) -> NodeExposure:
    """Charge a setpoint that is sent now, charged before or not.

    Holds that it covers, being equal or higher and later, are dropped: it is charged as much and
    freed no earlier.
    """
    kept = [held for held in exposure.holds if held.limit_w > hold.limit_w]
    return replace(exposure, holds=(*kept, hold))


def without_hold(exposure: NodeExposure, fence: Fence) -> NodeExposure:
    """Uncharge a setpoint that was certainly never sent."""
    return replace(exposure, holds=tuple(h for h in exposure.holds if h.fence != fence))


def is_current(exposure: NodeExposure, telemetry: Telemetry) -> bool:
    """Whether a report is newer than all that was seen, and not from an ended incarnation."""
    if telemetry.incarnation in exposure.retired:
        return False
    return telemetry.incarnation != exposure.incarnation or telemetry.stamp_s > exposure.stamp_s


def observe(exposure: NodeExposure, telemetry: Telemetry, settle_s: float) -> NodeExposure:
    """Take a current report as evidence.

    A higher read-back counts at once. A lower one counts when it has been settled for settle_s
    and names no older setpoint than reports before it: an agent that has just started proves
    nothing until it follows, for it may be one that was replaced long ago.
    """
    seen = _follow(exposure, telemetry)
    possible_w = _possible_w(telemetry)
    settled = telemetry.enforced_w is not None and telemetry.settled_s >= settle_s
    if settled and telemetry.fence >= exposure.fence:
        holds = tuple(hold for hold in seen.holds if hold.fence > telemetry.fence)
        return replace(seen, evidenced_w=possible_w, holds=holds, fence=telemetry.fence)
    if seen.evidenced_w is None:
        return seen
    return replace(seen, evidenced_w=max(seen.evidenced_w, possible_w))


def draws_under_w(topology: Topology, limits_w: Mapping[str, float]) -> dict[str, float]:
    """The most that all nodes under each limit may draw together, uncontrolled load excluded.

    limits_w: charged sum of card limits by node.
    """
    total = {limit.id: 0.0 for limit in topology.limits}
    for node in topology.nodes:
        draw_w = node.draw_w(limits_w[node.id])
        for limit_id in topology.path_of[node.id]:
            total[limit_id] += draw_w
    return total


def _follow(exposure: NodeExposure, telemetry: Telemetry) -> NodeExposure:
    if telemetry.incarnation == exposure.incarnation:
        return replace(exposure, stamp_s=telemetry.stamp_s)
    ended = (exposure.incarnation,) if exposure.incarnation else ()
    return replace(
        exposure,
        incarnation=telemetry.incarnation,
        stamp_s=telemetry.stamp_s,
        retired=(*exposure.retired, *ended)[-RETIRED_KEPT:],
    )


def _possible_w(telemetry: Telemetry) -> float:
    """The highest sum that the report leaves possible, 0 if it says nothing of the cards."""
    leased_w = telemetry.limit_w if telemetry.lease == "held" else None
    return max(telemetry.enforced_w or 0.0, telemetry.pending_w or 0.0, leased_w or 0.0)
