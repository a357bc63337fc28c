"""An agent whose version is unknown here is charged and may be cut, and is never raised."""

from dataclasses import replace
from importlib.metadata import version

import pytest

from orchestrator.control.view import view
from orchestrator.domain.agent_versions import SUPPORTED, objection
from orchestrator.messages import CommitGrants, NodeDescribed, SignalCancelled, SignalReceived
from orchestrator.snapshot import NodeView
from tests.control_bench import SETTINGS, TICK_S, Bench, describe, sends
from tests.site_samples import at, signal


def test_the_range_is_that_of_this_release() -> None:
    assert version("ballast-power").startswith("{}.{}.".format(*SUPPORTED))


@pytest.mark.parametrize("known", ["0.1.0", "0.1", "0.1.7", "0.0.3", "0.1.0rc1", "0.1.0+local"])
def test_this_minor_and_older_ones_are_known(known: str) -> None:
    assert objection(known) is None


@pytest.mark.parametrize("unknown", ["9.9", "0.2.0", "1.0.0", "1", "unknown", "", "0.x", "0.1 9"])
def test_everything_else_may_only_be_cut(unknown: str) -> None:
    assert objection(unknown) == f"agent {unknown} is unknown here: cut only"


def test_an_agent_that_has_not_said_its_version_may_only_be_cut() -> None:
    assert objection(None) == "the agent has not said its version: cut only"


@pytest.fixture
def bench() -> Bench:
    """Four nodes at 1000 W that could all be raised; the agent of a is of another age."""
    found = Bench()
    found.step(NodeDescribed(describe(found.state.topology.node_by_id["a"], "9.9.0")))
    return found


def shown(bench: Bench, name: str) -> NodeView:
    return next(n for n in view(bench.state, at(bench.now_s)).nodes if n.id == name)


def test_it_stays_where_it_is_while_the_others_rise(bench: Bench) -> None:
    bench.settle()
    assert {s.node for s in sends(bench.effects, "raise")} == set("bcd")
    assert bench.agents["a"].enforced_w == 1000
    assert bench.charged_w("a") == 1000


def test_the_watts_that_it_may_not_have_go_to_the_others(bench: Bench) -> None:
    plain = Bench()
    plain.settle()
    bench.settle()
    assert bench.agents["b"].enforced_w > plain.agents["b"].enforced_w


def test_the_reason_is_shown(bench: Bench) -> None:
    bench.settle()
    node = shown(bench, "a")
    assert (node.agent_version, node.cut_only) == ("9.9.0", "agent 9.9.0 is unknown here: cut only")
    assert node.reason.endswith("agent 9.9.0 is unknown here: cut only")
    assert shown(bench, "b").cut_only == ""


def test_it_is_cut_at_once_and_not_raised_again(bench: Bench) -> None:
    bench.settle()
    cut = sends(bench.step(SignalReceived(signal(value=3000.0), stored=False)), "decrease")
    assert "a" in {s.node for s in cut}
    bench.run(5)
    low_w = bench.agents["a"].enforced_w
    bench.step(SignalCancelled(signal().key))
    bench.run(3 * SETTINGS.ttl_s)
    assert bench.agents["a"].enforced_w == low_w == bench.charged_w("a") < 1000


def test_a_raise_that_waits_for_the_ledger_is_dropped_when_the_agent_turns_out_unknown() -> None:
    bench = Bench()
    bench.commits = False
    bench.run(SETTINGS.ttl_s + TICK_S)
    answers = list(bench.waiting)
    granted = {g.node for e in bench.effects if isinstance(e, CommitGrants) for g in e.grants}
    assert "a" in granted
    bench.step(NodeDescribed(describe(bench.state.topology.node_by_id["a"], "0.2.0")))
    assert "a" not in {s.node for s in sends(bench.step(*answers), "raise")}


def test_an_agent_that_was_updated_is_raised(bench: Bench) -> None:
    bench.settle()
    bench.step(NodeDescribed(describe(bench.state.topology.node_by_id["a"])))
    bench.settle()
    assert bench.agents["a"].enforced_w > 1000


def test_a_node_that_never_described_itself_is_not_raised() -> None:
    bench = Bench()
    node = bench.state.nodes["a"]
    bench.state.nodes["a"] = replace(node, description=None)
    bench.settle()
    assert "a" not in {s.node for s in sends(bench.effects, "raise")}
