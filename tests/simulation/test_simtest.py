"""The simulation breaks sites and finds nothing; with a bug planted it finds that."""

import json
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from typer.testing import CliRunner

from orchestrator.cli.app import app
from orchestrator.simtest.campaign import Campaign, SeedResult, run_seed
from orchestrator.simtest.faults import FAULTS
from orchestrator.simtest.network import Link, Network
from orchestrator.simtest.promises import PROMISES, Violation
from orchestrator.simtest.scenario import draw
from orchestrator.simtest.shrink import shrink
from orchestrator.simtest.world import World
from tests.simulation.bugs import BUGS, planted


@pytest.mark.parametrize("seed", range(1000, 1006))
def test_no_promise_is_broken(seed: int) -> None:
    assert run_seed(seed).violations == ()


@pytest.mark.parametrize("name", sorted(BUGS))
def test_a_deliberate_bug_is_caught_by_the_seed_on_record(name: str) -> None:
    with planted(name):
        assert run_seed(BUGS[name].seed).violations


def test_every_scenario_has_four_nodes_ten_minutes_two_asks_and_five_faults() -> None:
    kinds: Counter[str] = Counter()
    for seed in range(400):
        scenario = draw(seed)
        assert len(scenario.topology.nodes) >= 4
        assert scenario.seconds >= 600.0
        assert sum(ask.action != "cancel" for ask in scenario.asks) >= 2
        assert len(scenario.faults) >= 5
        kinds.update(fault.kind for fault in scenario.faults)
    assert set(kinds) == set(FAULTS)


def test_a_seed_replays_exactly() -> None:
    def told(seed: int) -> list[str]:
        world = World(replace(draw(seed), seconds=90.0), tracing=True)
        world.run()
        ends = [f"{host.plant.live.gpu_energy_j!r}" for host in world.hosts.values()]
        return [*world.trace, *ends]

    assert told(3) == told(3)
    assert told(3) != told(4)


def test_a_failure_is_shrunk_to_the_faults_that_it_needs() -> None:
    scenario = draw(5)
    needed = scenario.faults[2], scenario.faults[4]

    def fails(candidate: object) -> bool:
        return set(needed) <= set(candidate.faults)  # type: ignore[attr-defined]

    found = shrink(scenario, fails)
    assert found.faults == needed
    assert found.asks == ()


def test_a_cut_link_loses_messages_unless_sessions_are_kept() -> None:
    def arrivals(*, keeps: bool) -> list[object]:
        links = {"a": Link(cut=True), "b": Link()}
        network = Network(Random(1), links, keeps)
        network.send("b", "a", "hello", 0.0)
        links["a"].cut = False
        network.release(5.0)
        return [message for _, message in network.due(10.0)]

    assert arrivals(keeps=False) == []
    assert arrivals(keeps=True) == ["hello"]


def test_late_messages_overtake_each_other_and_none_is_lost() -> None:
    network = Network(Random(1), {"a": Link(delay_s=60.0), "b": Link()})
    for number in range(50):
        network.send("b", "a", number, 0.0)
    arrived = [message for _, message in network.due(100.0)]
    assert sorted(arrived) == list(range(50))
    assert arrived != list(range(50))


def test_a_campaign_counts_what_was_broken_and_what_was_injected() -> None:
    campaign = Campaign(seconds=2.0)
    broken = Violation(3, 10.0, "n1", "words")
    campaign.add(SeedResult(1, (), Counter(loss=2), 600.0))
    campaign.add(SeedResult(2, (broken,), Counter(loss=1), 300.0))
    found = campaign.document()
    assert (found["seeds"], found["violations"], found["failing_seeds"]) == (2, 1, [2])
    assert found["by_promise"][f"3 {PROMISES[3]}"] == 1
    assert found["faults_injected"]["loss"] == 3
    assert (found["simulated_node_hours"], found["seeds_per_s"]) == (1.0, 1.0)


def test_the_command_prints_json_and_fails_when_a_promise_is_broken() -> None:
    result = CliRunner().invoke(app, ["simtest", "--seeds", "1", "--first", "1000", "--json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert (found["seeds"], found["violations"], found["simulated"]) == (1, 0, True)
    name = "raise-before-commit"
    with planted(name):
        failed = CliRunner().invoke(app, ["simtest", "--seed", str(BUGS[name].seed)])
    assert failed.exit_code == 1


def test_a_trace_without_a_seed_is_one_line_and_status_2() -> None:
    refused = CliRunner().invoke(app, ["simtest", "--trace"])
    assert refused.exit_code == 2
    assert "give --seed" in refused.stderr
