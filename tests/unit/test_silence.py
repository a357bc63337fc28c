"""The reserve for silent nodes: what it costs, how it is released; nobody is cut for it."""

from dataclasses import replace

import pytest

from orchestrator.control.view import view
from orchestrator.domain.failsafe import unaffordable
from orchestrator.domain.rollout import Standing, raises
from orchestrator.domain.silence import (
    Silence,
    allowed_silent,
    reserves_w,
    silent_beyond,
)
from orchestrator.domain.topology import Topology
from orchestrator.messages import NodeDescribed, SignalReceived, StoreDecision
from tests.control_bench import SETTINGS, TICK_S, Bench, sends
from tests.site_samples import at, signal, two_racks
from tests.unit.test_control_step import described

FLOORS_W = dict.fromkeys("abcd", 1400.0)


def reserving(count: int, *, boot_gated: bool = False) -> Topology:
    """Two racks; the site keeps a reserve for so many silent nodes."""
    tree = two_racks(boot_gated=boot_gated)
    return replace(tree, limits=(replace(tree.limits[0], silent_nodes=count), *tree.limits[1:]))


def test_the_reserve_is_what_the_costliest_nodes_would_add() -> None:
    limits_w = {"a": 1000.0, "b": 900.0, "c": 1400.0, "d": 1200.0}
    kept = reserves_w(reserving(2), Silence({"site": 2}, FLOORS_W), limits_w)
    assert kept == {"site": pytest.approx(400 + 500)}


def test_every_silent_node_releases_its_share() -> None:
    tree = reserving(2)
    assert allowed_silent(tree, ()) == {"site": 2}
    assert allowed_silent(tree, ("a",)) == {"site": 1}
    assert allowed_silent(tree, ("a", "b", "c")) == {"site": 0}


def test_silence_beyond_what_is_reserved_is_counted_where_a_reserve_is_declared() -> None:
    tree = reserving(1)
    assert silent_beyond(tree, ("a",)) == {}
    assert silent_beyond(tree, ("a", "c", "d")) == {"site": 2}


def test_a_reserve_that_fail_safe_leaves_no_room_for_is_refused() -> None:
    tight = replace(reserving(1), limits=(
        replace(reserving(1).limits[0], limit_w=3300.0), *reserving(1).limits[1:]
    ))  # fmt: skip
    assert unaffordable(tight) == [
        "site: the reserve for 1 silent nodes brings fail-safe to 3800 W, above 3300 W"
    ]
    assert unaffordable(replace(tight, limits=two_racks(3300.0).limits)) == []


def test_a_node_takes_what_it_would_no_longer_add_when_silent() -> None:
    """Raising the one that the reserve stands for costs the limit nothing."""
    tree = reserving(1)
    charged_w = {"a": 1000.0, "b": 1300.0, "c": 1300.0, "d": 1300.0}
    full_w = sum(w + 100.0 for w in charged_w.values()) + 400.0
    rooms_w = {"site": full_w, "rack-1": 1e9, "rack-2": 1e9}
    wanted = {name: Standing(watts, 1400.0) for name, watts in charged_w.items()}
    moves = raises(tree, rooms_w, charged_w, wanted, silence=Silence({"site": 1}, FLOORS_W))
    assert [(move.node, move.limit_w) for move in moves] == [("a", 1300.0)]


def test_one_node_falls_silent_and_no_limit_is_passed() -> None:
    bench = Bench(topology=reserving(1))
    bench.settle()
    bench.step(SignalReceived(signal(value=5000.0, ends_s=900), stored=True))
    bench.run(10)
    bench.agents["a"].mute = True
    bench.run(SETTINGS.stale_s + TICK_S)
    assert (bench.status("a"), bench.charged_w("a")) == ("silent", 1400)
    assert exposure_w(bench) <= 5000
    assert view(bench.state, at(bench.now_s)).limits[0].silence_reserve_w == 0


def test_silence_beyond_the_reserve_shows() -> None:
    bench = Bench(topology=reserving(1))
    bench.settle()
    assert view(bench.state, at(bench.now_s)).limits[0].silent_beyond == 0
    bench.agents["a"].mute = bench.agents["b"].mute = True
    bench.run(SETTINGS.stale_s + TICK_S)
    assert view(bench.state, at(bench.now_s)).limits[0].silent_beyond == 1


def test_a_node_that_loses_its_boot_gate_grows_the_reserve_in_the_same_step() -> None:
    bench = Bench(topology=reserving(1, boot_gated=True))
    bench.run(1)
    bench.step(*(NodeDescribed(described(name)) for name in "abcd"))
    bench.settle()
    bench.step(SignalReceived(signal(value=5000.0, ends_s=900), stored=True))
    bench.run(10)
    free = replace(described("a"), boot_gated=False)
    effects = bench.step(NodeDescribed(free))
    assert any(isinstance(effect, StoreDecision) for effect in effects)
    assert sends(effects, "decrease")


def exposure_w(bench: Bench) -> float:
    return view(bench.state, at(bench.now_s)).exposure_w
