"""Builds the operators' snapshot from the control state."""

from orchestrator.control.shedding import sheddable
from orchestrator.control.silence import SILENT, silence
from orchestrator.control.state import State
from orchestrator.control.steering import present_w
from orchestrator.domain.calibration import Bias
from orchestrator.domain.decision import Target
from orchestrator.domain.exposure import draws_under_w
from orchestrator.domain.moment import Moment
from orchestrator.domain.silence import reserves_w, silent_beyond
from orchestrator.domain.topology import Node
from orchestrator.snapshot import LimitView, NodeView, Snapshot


def view(state: State, now: Moment) -> Snapshot:
    """Everything operators may see of this moment."""
    decided = state.decision.outcome.targets if state.decision else ()
    targets = {target.node: target for target in decided}
    nodes = tuple(_node(state, node, targets.get(node.id), now) for node in state.topology.nodes)
    limits = _limits(state, nodes, now)
    root = next(limit for limit in limits if limit.parent is None)
    return Snapshot(
        at=now.utc,
        site=state.settings.site,
        mode=_mode(state),
        simulated=state.settings.simulated,
        epoch=state.epoch,
        raises_held_s=max(0.0, state.raises_from_s - now.monotonic_s),
        ceiling_w=root.ceiling_w,
        exposure_w=root.exposure_w,
        metered_w=root.metered_w,
        tok_s=sum(node.tok_s or 0.0 for node in nodes),
        itl_p95_ms=_weighted_itl_ms(nodes),
        decision_id=state.decision.id if state.decision else None,
        decisions=state.decisions,
        limits=limits,
        nodes=nodes,
        events=tuple(state.events.records.values()),
        next_change_at=state.next_change_at,
        tighten_only=state.tighten_only,
        breaches=state.breaches.standing(),
        breaches_opened=state.breaches.opened,
    )


def _mode(state: State) -> str:
    armed = [state.is_armed(node) for node in state.topology.nodes]
    if not any(armed):
        return "shadow"
    return "armed" if all(armed) else "partly armed"


def _limits(state: State, nodes: tuple[NodeView, ...], now: Moment) -> tuple[LimitView, ...]:
    charged_w = {node.id: node.charged_w for node in nodes}
    draws_w = draws_under_w(state.topology, charged_w)
    kept_w = reserves_w(state.topology, silence(state, now.monotonic_s), charged_w)
    beyond = silent_beyond(state.topology, (n.id for n in nodes if n.status in SILENT))
    return tuple(
        LimitView(
            id=limit.id,
            kind=limit.kind,
            parent=limit.parent,
            contract_w=limit.limit_w,
            ceiling_w=state.bounds[limit.id].limit_w,
            reason=state.bounds[limit.id].reason,
            exposure_w=draws_w[limit.id] + state.topology.uncontrolled_under_w[limit.id],
            metered_w=state.metered_w(limit.id, now.monotonic_s),
            armed=all(state.is_armed(node) for node in state.topology.nodes_under[limit.id]),
            derivation=limit.derivation,
            silence_reserve_w=kept_w.get(limit.id, 0.0),
            silent_beyond=beyond.get(limit.id, 0),
        )
        for limit in state.topology.limits
    )


def _node(state: State, node: Node, target: Target | None, now: Moment) -> NodeView:
    known = state.nodes[node.id]
    telemetry = known.telemetry
    status = state.status(node, now.monotonic_s)
    silent = telemetry is None or status == "silent"
    fresh = None if silent else telemetry
    learned = known.learning
    bias = learned.bias if learned else Bias()
    return NodeView(
        id=node.id,
        limit=node.limit,
        path=state.topology.path_of[node.id],
        deployment=node.deployment,
        tier=node.tier,
        status=status,
        limit_w=present_w(state, known, now.monotonic_s) if known.sent else None,
        charged_w=state.charged_w(node, now.monotonic_s),
        target_w=target.limit_w if target else None,
        enforced_w=fresh.enforced_w if fresh else None,
        power_w=fresh.power_w if fresh else None,
        tok_s=fresh.tok_s if fresh else None,
        itl_p95_ms=fresh.itl_p95_ms if fresh else None,
        ttft_p95_ms=fresh.ttft_p95_ms if fresh else None,
        running=fresh.running if fresh else None,
        waiting=fresh.waiting if fresh else None,
        batch_limit=fresh.batch_limit if fresh else None,
        lease=telemetry.lease if telemetry else "none",
        reason=target.reason if target else "no decision yet",
        age_s=known.age_s(now.monotonic_s) if telemetry else None,
        tok_s_bias=bias.tok_s,
        power_bias=bias.power,
        drift_s=learned.beyond_s if learned else 0.0,
        agent_version=known.description.agent_version if known.description else None,
        cut_only=state.cut_only(node) or "",
        sheddable=sheddable(state, node, now.monotonic_s),
        shed_level=fresh.shed_level if fresh else None,
    )


def _weighted_itl_ms(nodes: tuple[NodeView, ...]) -> float | None:
    pairs = [(n.itl_p95_ms, n.tok_s) for n in nodes if n.itl_p95_ms is not None and n.tok_s]
    total = sum(tok_s for _, tok_s in pairs)
    return sum(itl * tok_s for itl, tok_s in pairs) / total if total else None
