"""The tree of the small site, and what its nodes' models say."""

from orchestrator.domain.frontier import Candidate, Frontier
from orchestrator.domain.topology import Limit, Node, Topology


def _node(name: str, rack: str, deployment: str, fail_safe_w: float, boot_gated: bool) -> Node:
    return Node(
        id=name, limit=rack, deployment=deployment, cards=2, nameplate_w=1400.0, min_w=400.0,
        fail_safe_w=fail_safe_w, overhead_w=50.0, boot_gated=boot_gated,
    )  # fmt: skip


TOPOLOGY = Topology(
    limits=(
        Limit("site", "facility", 5000.0, uncontrolled_w=200.0, silent_nodes=1),
        Limit("rack-1", "rack", 2600.0, "site", silent_nodes=1),
        Limit("rack-2", "rack", 2900.0, "site", reserve_w=50.0),
    ),
    nodes=(
        _node("a", "rack-1", "dense", 600.0, boot_gated=False),
        _node("b", "rack-1", "moe", 500.0, boot_gated=True),
        _node("c", "rack-2", "dense", 600.0, boot_gated=True),
        _node("d", "rack-2", "bare", 700.0, boot_gated=False),
    ),
    firm_limit_w=3200.0,
)
FRONTIERS = {
    name: Frontier(name, "1", 2, tuple(Candidate(w, 8, w * 2, t * gain) for w, t in POINTS))
    for POINTS in [((200.0, 300.0), (350.0, 700.0), (500.0, 900.0), (700.0, 1000.0))]
    for name, gain in (("dense", 1.0), ("moe", 1.6))
}
