"""The promises of control, against real agents in a world that loses, delays, crashes and kills."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.sim_node import SimNode
from tests.property.sim_site import (
    BLIND_S,
    EPSILON_W,
    SETTINGS,
    TICK_S,
    Site,
    Weather,
    exposures_w,
)
from tests.property.sim_tree import TOPOLOGY

LIMITS = ("site", "rack-1", "rack-2")
LOWEST_W = {"site": 2100.0, "rack-1": 950.0, "rack-2": 1000.0}

events = st.tuples(
    st.sampled_from(
        ("ask", "ask", "emergency", "cancel", "kill", "start", "reboot", "freeze", "crash", "rival",
         "retire", "ledger fails", "ledger heals", "lock out", "release", "give back", "offline",
         "wait", "wait")
    ),
    st.integers(0, 3),
    st.floats(0.0, 1.0),
    st.integers(0, 6),
)  # fmt: skip


weathers = st.builds(
    Weather,
    seed=st.integers(0, 2**32),
    loss=st.sampled_from((0.0, 0.1, 0.4)),
    double=st.sampled_from((0.0, 0.2)),
    setpoint_delay_s=st.sampled_from((0.0, 1.0, 10.0)),
    slow_ledger=st.sampled_from((0.0, 0.5, 0.9)),
)


def happen(site: Site, event: tuple[str, int, float, int]) -> None:
    what, index, size, ticks = event
    if what == "ask":
        limit_id = LIMITS[index % 3]
        highest_w = TOPOLOGY.limit_by_id[limit_id].limit_w
        limit_w = LOWEST_W[limit_id] + size * (highest_w - LOWEST_W[limit_id])
        site.ask(limit_id, limit_w, for_s=2.0 + 4 * ticks)
    elif what == "emergency":
        site.ask("site", None, for_s=2.0 + 4 * ticks)
    elif what == "cancel":
        site.cancel(index)
    to_a_node(site, what, list(site.nodes.values())[index], size)
    to_the_centre(site, what, index)
    for _ in range(ticks):
        site.tick()
    if not site.brains:
        site.start_brain()


def to_a_node(site: Site, what: str, sim: SimNode, size: float) -> None:
    match what:
        case "kill":
            sim.kill()
        case "start" if sim.agent is None and site.now_s >= sim.boot_s + BLIND_S:
            sim.start()
        case "reboot":
            sim.reboot(site.now_s, BLIND_S)
        case "freeze":
            sim.frozen_until_s = site.now_s + 5 * size
        case "offline":
            site.say_offline(sim.node.id)
        case _:
            pass


def to_the_centre(site: Site, what: str, index: int) -> None:
    match what:
        case "crash":
            site.crash_after = index * 2
        case "rival" if len(site.brains) < 2:
            site.start_brain()
        case "retire" if len(site.brains) > 1:
            del site.brains[index % 2]
        case "lock out":
            site.lock_out(site.locked | {list(site.nodes)[index]})
        case "give back":
            site.give_back(list(site.nodes)[index])
        case "release":
            site.lock_out(frozenset())
        case "ledger fails":
            site.ledger.failing = True
        case "ledger heals":
            site.ledger.failing = False
        case _:
            pass


def heal(site: Site) -> None:
    """Everything works again, one leader is left, and nothing more is asked."""
    site.network.loss = site.network.double = site.slow_ledger = site.setpoint_delay_s = 0.0
    site.ledger.failing = False
    site.lock_out(frozenset())
    site.crash_after = None
    del site.brains[1:]
    for sim in site.nodes.values():
        if sim.agent is None:
            for _ in range(int(BLIND_S / TICK_S)):
                site.tick()
            sim.start()


@settings(max_examples=80)
@given(weathers, st.lists(events, min_size=1, max_size=25))
def test_promises_hold_whatever_happens(
    weather: Weather, story: list[tuple[str, int, float, int]]
) -> None:
    """Site.check and its kin hold after every event; afterwards everybody follows again."""
    site = Site(weather)
    for _ in range(int(SETTINGS.ttl_s / TICK_S) + 6):
        site.tick()
    for event in story:
        happen(site, event)
    heal(site)
    for _ in range(int((3 * SETTINGS.ttl_s + 30.0) / TICK_S)):
        site.tick()
    state = site.brains[0].state
    assert state.decision is not None
    targets_w = {target.node: target.limit_w for target in state.decision.outcome.targets}
    for name, sim in site.nodes.items():
        assert sim.agent is not None
        assert sim.agent.sheds.slot.cap_w is None, f"{name} is still shed"
        assert state.status(sim.node, site.now_s) == "following", name
        assert abs(sim.true_w - targets_w[name]) < 1.0, f"{name} is not where it was sent"
    for limit_id, exposed_w in exposures_w(state, site.now_s).items():
        assert exposed_w <= state.bounds[limit_id].limit_w + EPSILON_W
