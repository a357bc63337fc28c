"""Lets every meter trim its limit: what decisions keep free beyond the declared bounds."""

from dataclasses import replace

from orchestrator.control.state import State
from orchestrator.domain.budget import available_w
from orchestrator.domain.moment import Moment
from orchestrator.domain.trim import Trim, TrimRules, integrate, modelled_w

SLOWER = 5
EVERY_S = 0.25


def trim_limits(state: State, now: Moment) -> None:
    """Take what the meters show now, and say so at the bounds that it moves."""
    for limit_id in state.meters.keys() & state.bounds.keys():
        after = _advanced(state, limit_id, now.monotonic_s)
        if after.quoted_w > 0:
            bound = state.bounds[limit_id]
            words = f"; the meter shows {after.quoted_w:.0f} W more than modelled, kept free"
            state.bounds[limit_id] = replace(bound, reason=bound.reason + words)


def trims_w(state: State) -> dict[str, float]:
    """Watts kept free beyond the declared bounds, by limit; those without any are left out."""
    return {
        limit_id: trim.quoted_w
        for limit_id, trim in sorted(state.trims.items())
        if trim.quoted_w > 0
    }


def rooms_w(state: State) -> dict[str, float]:
    """Watts that nodes may draw together under each limit now, the trims kept free."""
    ceilings_w = {limit_id: bound.limit_w for limit_id, bound in state.bounds.items()}
    return available_w(state.topology, ceilings_w, trims_w(state))


def _advanced(state: State, limit_id: str, now_s: float) -> Trim:
    """Meters are no faster than EVERY_S; steps between two readings are."""
    before = state.trims.setdefault(limit_id, Trim(now_s))
    if now_s - before.at_s < EVERY_S:
        return before
    limit_w = state.topology.limit_by_id[limit_id].limit_w
    excess_w = _excess_w(state, limit_id, now_s)
    state.trims[limit_id] = integrate(before, excess_w, limit_w, now_s, _rules(state))
    return state.trims[limit_id]


def _excess_w(state: State, limit_id: str, now_s: float) -> float | None:
    metered_w = state.metered_w(limit_id, now_s)
    if metered_w is None:
        return None
    nodes = state.topology.nodes_under[limit_id]
    reported_w = {node.id: _reported_w(state, node.id, now_s) for node in nodes}
    charged_w = {node.id: state.charged_w(node, now_s) for node in nodes}
    return metered_w - modelled_w(state.topology, limit_id, reported_w, charged_w)


def _reported_w(state: State, name: str, now_s: float) -> float | None:
    known = state.nodes[name]
    heard = known.telemetry is not None and state.heard(known, now_s)
    return known.telemetry.power_w if heard and known.telemetry else None


def _rules(state: State) -> TrimRules:
    """The trim loosens five times slower than the allocation moves."""
    every_s = state.settings.decide_every_s
    return TrimRules(confirm_s=every_s, loosen_every_s=SLOWER * every_s)
