"""Who is silent now, and what it would cost if others fell silent too."""

from orchestrator.control.state import State
from orchestrator.domain.silence import Silence, allowed_silent

SILENT = ("silent", "unknown")


def silent_nodes(state: State, now_s: float) -> frozenset[str]:
    """Nodes that are charged at their worst because nothing is heard of them."""
    return frozenset(n.id for n in state.topology.nodes if state.status(n, now_s) in SILENT)


def silence(state: State, now_s: float) -> Silence:
    """What may still fall silent, and what that would cost; empty where no limit asks for it."""
    if not any(limit.silent_nodes for limit in state.topology.limits):
        return Silence()
    silent = silent_nodes(state, now_s)
    floors_w = {
        node.id: state.silent_floor_w(node)
        for node in state.topology.nodes
        if node.id not in silent
    }
    return Silence(allowed_silent(state.topology, silent), floors_w)
