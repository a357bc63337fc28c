"""Gives nodes back: their cards may return to their limits from before Ballast, on a grant.

A node to be given back is locked out and so charged at nameplate for ever after. The release goes
out like a raise: only if the nameplate fits under every limit now, only after the ledger holds it,
fenced and leased. It is dropped when the agent has followed it, the lockout ends, or time is up.
"""

from dataclasses import replace

from orchestrator.control.state import Release, State
from orchestrator.control.trimming import rooms_w
from orchestrator.domain.exposure import Hold, draws_under_w, with_hold, with_sent, without_hold
from orchestrator.domain.moment import Moment
from orchestrator.domain.rollout import EPSILON_W
from orchestrator.domain.setpoint import Fence, Setpoint
from orchestrator.domain.topology import Node
from orchestrator.messages import (
    CommitGrants,
    Effect,
    GrantCommitted,
    GrantFailed,
    Input,
    ReleaseRequested,
    SendSetpoint,
    TakenOver,
)
from orchestrator.ports import Grant

KEPT_S = 60.0


def hear(state: State, item: Input, now: Moment) -> None:
    """Take what concerns releases from an input."""
    match item:
        case ReleaseRequested(node) if node in state.nodes:
            state.releases[node] = Release(now.monotonic_s + KEPT_S)
        case GrantCommitted(node, fence) if _asked(state, node, fence):
            state.releases[node] = replace(state.releases[node], committed=True)
        case GrantFailed(node, fence) if _asked(state, node, fence):
            known = state.nodes[node]
            known.exposure = without_hold(known.exposure, fence)
            state.releases[node] = Release(state.releases[node].until_s)
        case TakenOver():
            for node, release in state.releases.items():
                state.releases[node] = Release(release.until_s)
        case _:
            pass


def proceed(state: State, now: Moment) -> list[Effect]:
    """The next move of every release: nothing, a grant to commit, or the setpoint."""
    found: list[Effect] = []
    for name, release in list(state.releases.items()):
        if _over(state, name, release, now.monotonic_s):
            del state.releases[name]
        elif _may_go(state, state.topology.node_by_id[name], now.monotonic_s):
            found += _move(state, state.topology.node_by_id[name], release, now.monotonic_s)
    return found


def _move(state: State, node: Node, release: Release, now_s: float) -> list[Effect]:
    if release.grant is None:
        return [_ask(state, node, release)]
    waited = now_s - release.sent_s > state.settings.resend_after_s
    return [_send(state, node, release, now_s)] if release.committed and waited else []


def _asked(state: State, name: str, fence: Fence) -> bool:
    release = state.releases.get(name)
    return release is not None and release.grant is not None and release.grant.fence == fence


def _over(state: State, name: str, release: Release, now_s: float) -> bool:
    telemetry = state.nodes[name].telemetry
    followed = release.sent is not None and telemetry and telemetry.fence >= release.sent
    return bool(followed) or now_s >= release.until_s or name not in state.locked


def _may_go(state: State, node: Node, now_s: float) -> bool:
    """Whether we lead, the node is heard of, and it fits at nameplate under every limit."""
    known = state.nodes[node.id]
    if state.superseded or now_s < state.raises_from_s:
        return False
    if known.telemetry is None or not state.heard(known, now_s):
        return False
    charged_w = {n.id: state.charged_w(n, now_s) for n in state.topology.nodes}
    draws_w = draws_under_w(state.topology, charged_w)
    free_w, path = rooms_w(state), state.topology.path_of[node.id]
    return all(draws_w[limit_id] <= free_w[limit_id] + EPSILON_W for limit_id in path)


def _ask(state: State, node: Node, release: Release) -> Effect:
    known = state.nodes[node.id]
    grant = Grant(node.id, node.nameplate_w, state.next_fence())
    known.exposure = with_hold(known.exposure, Hold(grant.fence, grant.limit_w, None))
    known.ledger_w = max(known.ledger_w or 0.0, grant.limit_w)
    state.releases[node.id] = replace(release, grant=grant)
    return CommitGrants((grant,))


def _send(state: State, node: Node, release: Release, now_s: float) -> Effect:
    known = state.nodes[node.id]
    if known.telemetry is None:
        raise ValueError(f"{node.id} has never reported; nothing can be addressed to it")
    setpoint = Setpoint(
        node=node.id,
        limit_w=node.nameplate_w,
        target_tok_s=None,
        ttl_s=state.settings.ttl_s,
        fence=state.next_fence(),
        incarnation=known.telemetry.incarnation,
        stamp_s=known.telemetry.stamp_s,
        decision_id=state.decision.id if state.decision else "",
        release=True,
    )
    hold = Hold(setpoint.fence, setpoint.limit_w, setpoint.incarnation)
    known.exposure = with_sent(known.exposure, hold)
    known.sent, known.sent_s = setpoint, now_s
    state.releases[node.id] = replace(release, sent=setpoint.fence, sent_s=now_s)
    return SendSetpoint(setpoint, "raise")
