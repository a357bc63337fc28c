"""Whether the facility stays under its limits when every node falls to its fail-safe cap."""

from orchestrator.domain.errors import UnsafeChange
from orchestrator.domain.silence import Silence, reserves_w
from orchestrator.domain.topology import Limit, Topology


def unaffordable(topology: Topology) -> list[str]:
    """One sentence for every limit that the fail-safe caps and uncontrolled load exceed.

    Where a limit keeps a reserve for silent nodes, that has to fit as well.
    """
    reserved_w = _reserved_w(topology)
    found = []
    for limit in topology.limits:
        need_w = topology.fail_safe_under_w[limit.id]
        allowed_w = limit.limit_w
        if limit.parent is None:
            allowed_w = min(allowed_w, topology.firm_limit_w)
        if need_w > allowed_w:
            found.append(
                f"{limit.id}: fail-safe caps with overhead and uncontrolled load come to "
                f"{need_w:.0f} W, above {_words(limit, allowed_w)}"
            )
        elif need_w + reserved_w.get(limit.id, 0.0) > limit.limit_w:
            found.append(
                f"{limit.id}: the reserve for {limit.silent_nodes} silent nodes brings fail-safe "
                f"to {need_w + reserved_w[limit.id]:.0f} W, above {_words(limit, limit.limit_w)}"
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


def best_effort(topology: Topology, limit_id: str, ceiling_w: float) -> str:
    """Why a ceiling is only met as best effort, in words; empty when it is guaranteed.

    A limit that the tree does not have (any more) asks for nothing.
    """
    floor_w = topology.guaranteed_w.get(limit_id, 0.0)
    if ceiling_w >= floor_w:
        return ""
    return f"below {floor_w:.0f} W, the least that is guaranteed here: met as best effort"


def _reserved_w(topology: Topology) -> dict[str, float]:
    """What the declared reserves need while every node is at fail-safe."""
    silence = Silence(
        {limit.id: limit.silent_nodes for limit in topology.limits},
        {node.id: node.nameplate_w for node in topology.nodes if not node.boot_gated},
    )
    return reserves_w(topology, silence, {node.id: node.fail_safe_w for node in topology.nodes})


def _words(limit: Limit, allowed_w: float) -> str:
    derived = f" ({limit.derivation})" if limit.derivation and allowed_w == limit.limit_w else ""
    return f"{allowed_w:.0f} W{derived}"
