"""Whether a node may be given back, by the latest snapshot; control checks again as it sends."""

from orchestrator.domain.errors import Conflict, UnsafeChange
from orchestrator.domain.topology import Node
from orchestrator.snapshot import LimitView, Snapshot

HEARD_OF = ("following", "fail-safe", "shadow", "locked", "foreign")
MAX_AGE_S = 5.0


def check_release(snapshot: Snapshot, node: Node) -> None:
    """Raise Conflict for a silent node, UnsafeChange for one that does not fit at nameplate."""
    found = next((view for view in snapshot.nodes if view.id == node.id), None)
    age_s = None if found is None else found.age_s
    if found is None or found.status not in HEARD_OF or age_s is None or age_s > MAX_AGE_S:
        raise Conflict(f"{node.id} is not heard of: nothing can be granted to it. Try again later")
    added_w = node.draw_w(node.nameplate_w) - node.draw_w(found.charged_w)
    full = [_words(limit, added_w) for limit in snapshot.limits if limit.id in found.path]
    problems = [words for words in full if words]
    if problems:
        raise UnsafeChange(
            f"{node.id} does not fit at nameplate: {'; '.join(problems)}. Lock it out first, "
            "so that the others make room"
        )


def _words(limit: LimitView, added_w: float) -> str:
    need_w = limit.exposure_w + added_w
    if need_w <= limit.ceiling_w:
        return ""
    return f"{limit.id} would come to {need_w:.0f} W of {limit.ceiling_w:.0f} W"
