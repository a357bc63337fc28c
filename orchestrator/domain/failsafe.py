"""Whether the facility stays under its limits when every node falls to its fail-safe cap."""

from orchestrator.domain.errors import UnsafeChange
from orchestrator.domain.exposure import draws_under_w
from orchestrator.domain.topology import Topology


def unaffordable(topology: Topology) -> list[str]:
    """One sentence for every limit that the fail-safe caps and uncontrolled load exceed."""
    draws_w = draws_under_w(topology, {node.id: node.fail_safe_w for node in topology.nodes})
    found = []
    for limit in topology.limits:
        need_w = draws_w[limit.id] + topology.uncontrolled_under_w[limit.id]
        allowed_w = limit.limit_w
        if limit.parent is None:
            allowed_w = min(allowed_w, topology.firm_limit_w)
        if need_w > allowed_w:
            found.append(
                f"{limit.id}: fail-safe caps with overhead and uncontrolled load come to "
                f"{need_w:.0f} W, above {allowed_w:.0f} W"
            )
    return found


def check_affordable(topology: Topology) -> None:
    """Raise UnsafeChange when the fail-safe is not affordable at some limit."""
    problems = unaffordable(topology)
    if problems:
        raise UnsafeChange(
            "the fail-safe is not affordable: " + "; ".join(problems) + ". Lower the fail-safe "
            "caps, or raise the limit"
        )
