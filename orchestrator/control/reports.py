"""What the reports of a node tell beyond their words: how late they are, and whether it obeys."""

from typing import Final

from orchestrator.control.state import NodeState
from orchestrator.domain.telemetry import Telemetry

CREEP: Final = 0.02
"""How fast an agent's clock may lose against ours before its reports look late."""
SAME_W: Final = 1.0


def lag_s(node: NodeState, telemetry: Telemetry, now_s: float) -> float:
    """Our clock less the agent's, by the quickest report of this incarnation.

    It may grow by CREEP, for clocks drift; reports that have waited longer than that are late.
    """
    seen_s = now_s - telemetry.stamp_s
    before = node.telemetry
    if before is None or node.lag_s is None or before.incarnation != telemetry.incarnation:
        return seen_s
    return min(seen_s, node.lag_s + CREEP * (telemetry.stamp_s - before.stamp_s))


def overdrawn(before: bool, telemetry: Telemetry) -> bool:
    """Whether the cards enforce more than the limit that the agent took, its writes returned.

    While a write is out nothing new is known.
    """
    if telemetry.pending_w is not None or telemetry.enforced_w is None:
        return before
    if telemetry.lease != "held" or telemetry.limit_w is None:
        return False
    return telemetry.enforced_w > telemetry.limit_w + SAME_W
