"""The simulated site as a whole: determinism, meters, reboots, the demo's numbers."""

import statistics
from dataclasses import replace
from itertools import pairwise

import pytest

from integrations.twin.catalogue import HOST_FACTOR, HOST_W
from integrations.twin.demo_site import demo_site
from integrations.twin.losses import Losses
from integrations.twin.plant import BOOT_S, Plant
from integrations.twin.site import TwinNode, TwinSite
from orchestrator.domain.errors import NotFound


def small_site(*, boot_gate: bool = False) -> TwinSite:
    nodes = tuple(
        TwinNode(f"node-{n}", 4, "H100", "llama-3.1-8b", 0.88, ("facility", f"rack-{n}"), boot_gate)
        for n in (1, 2)
    )
    return TwinSite(3, nodes, 500.0)


def cap_all(plant: Plant, limit_w: float) -> None:
    for node in plant.nodes.values():
        for card in node.cards:
            card.set_limit_w(limit_w)


def test_the_same_seed_and_writes_give_the_same_run_however_time_is_cut() -> None:
    fine, coarse = Plant(small_site()), Plant(small_site())
    for _ in range(333):
        fine.advance(0.03)
    coarse.advance(9.99)
    assert fine.time_s == coarse.time_s
    assert fine.tokens_total == coarse.tokens_total
    assert fine.site_power_w() == pytest.approx(coarse.site_power_w(), rel=1e-9)
    assert Plant(replace(small_site(), seed=4)).nodes["node-1"].demand.rate_tok_s(
        0.0
    ) != coarse.nodes["node-1"].demand.rate_tok_s(0.0)


def test_controllers_do_not_change_the_demand() -> None:
    free, held = Plant(small_site()), Plant(small_site())
    cap_all(held, 200.0)
    held.nodes["node-1"].engine.set_batch_limit(16)
    held.advance(2.0)
    held.reboot_host("node-2")
    held.advance(18.0)
    free.advance(20.0)
    for node_id, node in free.nodes.items():
        other = held.nodes[node_id]
        assert node.engine.total.requests == other.engine.total.requests > 0
        ours, theirs = (each.demand.arrivals(20.0, 0.05) for each in (node, other))
        assert ours.tolist() == theirs.tolist()
    assert held.tokens_total < free.tokens_total


def test_a_node_keeps_its_demand_when_others_join() -> None:
    alone = Plant(replace(small_site(), nodes=small_site().nodes[:1]))
    joined = Plant(small_site())
    alone.advance(5.0)
    joined.advance(5.0)
    assert alone.tokens_total == joined.nodes["node-1"].engine.total.tokens


def test_power_adds_up_over_hosts_and_limits() -> None:
    plant = Plant(small_site())
    plant.advance(10.0)
    node = plant.nodes["node-1"]
    cards_w = sum(card.power_w for card in node.cards)
    assert plant.power_w("rack-1") == pytest.approx(HOST_FACTOR * cards_w + HOST_W)
    assert plant.power_w("node-1") == plant.power_w("rack-1")
    racks_w = plant.power_w("rack-1") + plant.power_w("rack-2")
    assert plant.site_power_w() == plant.power_w("facility") == pytest.approx(racks_w + 500.0)
    with pytest.raises(NotFound, match="rack-9"):
        plant.power_w("rack-9")


def test_meters_see_fans_power_supplies_and_cooling() -> None:
    losses = Losses(fans=0.05, psu_efficiency=0.94, pue=1.2)
    bare, lossy = Plant(small_site()), Plant(replace(small_site(), losses=losses))
    for plant in (bare, lossy):
        plant.advance(5.0)
    rack_w = lossy.power_w("rack-1")
    assert rack_w == pytest.approx(bare.power_w("rack-1") * 1.05 / 0.94)
    racks_w = rack_w + lossy.power_w("rack-2")
    assert lossy.site_power_w() == pytest.approx(1.2 * racks_w + 500.0)
    assert lossy.meter("rack-1").power_w == pytest.approx(rack_w, rel=0.05)
    assert lossy.meter().power_w == pytest.approx(lossy.site_power_w(), rel=0.05)


def test_sensors_lag_and_counters_step_while_the_truth_moves() -> None:
    """A second's average of samples, off by about a percent; a counter true at its steps."""
    plant = Plant(small_site())
    plant.advance(20.0)
    node = plant.nodes["node-1"]
    cap_all(plant, 200.0)
    plant.advance(0.5)
    assert node.cards[0].power_w < 230.0
    assert node.sensed_w()[0] > 300.0
    assert node.sensed_w() == node.sensed_w()
    plant.advance(2.0)
    assert node.sensed_w() == pytest.approx([200.0] * 4, rel=0.06)
    assert len(set(node.sensed_w())) == 4
    counters = []
    for _ in range(8):
        plant.advance(0.05)
        counters.append(node.cards[0].counter_j)
    steps = [after - before for before, after in pairwise(counters)]
    assert steps.count(0.0) >= 3
    assert max(steps) == pytest.approx(20.0, rel=0.02)


def test_the_meter_shows_true_power_with_small_noise_four_times_a_second() -> None:
    plant = Plant(small_site())
    plant.advance(10.0)
    samples = []
    for _ in range(80):
        before_j = plant.meter().energy_j
        plant.advance(0.25)
        sample = plant.meter()
        samples.append(sample.power_w / ((sample.energy_j - before_j) / 0.25) - 1.0)
        plant.advance(0.0)
        assert plant.meter() == sample
    assert 0.001 < statistics.pstdev(samples) < 0.003
    assert max(map(abs, samples)) < 0.01
    assert plant.meter().limit_id == "facility"


def test_a_reboot_brings_back_the_default_limit_and_then_the_engine() -> None:
    plant = Plant(small_site())
    cap_all(plant, 300.0)
    plant.advance(10.0)
    plant.reboot_host("node-1")
    node = plant.nodes["node-1"]
    assert {card.enforced_w for card in node.cards} == {700.0}
    assert {card.counter_j for card in node.cards} == {0.0}
    assert not up(plant, "node-1")
    plant.advance(BOOT_S - 0.5)
    assert not up(plant, "node-1")
    assert plant.power_w("node-1") < 1000.0
    plant.advance(10.0)
    assert up(plant, "node-1")
    assert plant.power_w("node-1") > 4 * 600.0
    assert {card.enforced_w for card in plant.nodes["node-2"].cards} == {300.0}


def test_behind_a_boot_gate_nothing_runs_before_every_card_is_capped() -> None:
    plant = Plant(small_site(boot_gate=True))
    plant.reboot_host("node-1")
    node = plant.nodes["node-1"]
    plant.advance(BOOT_S + 10.0)
    for card in node.cards[:-1]:
        card.set_limit_w(300.0)
    plant.advance(1.0)
    assert not up(plant, "node-1")
    assert plant.power_w("node-1") == pytest.approx(HOST_FACTOR * 4 * 70.0 + HOST_W)
    node.cards[-1].set_limit_w(300.0)
    plant.advance(5.0)
    assert up(plant, "node-1")
    assert plant.power_w("node-1") <= HOST_FACTOR * 4 * 300.0 + HOST_W


def up(plant: Plant, node_id: str) -> bool:
    return plant.nodes[node_id].engine.healthy


def five_second_means(powers_w: list[float]) -> list[float]:
    return [statistics.mean(powers_w[i : i + 100]) for i in range(0, len(powers_w) - 99, 20)]


def powers_over(plant: Plant, seconds: float) -> list[float]:
    powers_w = []
    for _ in range(round(seconds / 0.05)):
        plant.advance(0.05)
        powers_w.append(plant.site_power_w())
    return powers_w


def test_the_demo_site_draws_high_and_steady_and_a_cut_is_met_in_a_second() -> None:
    """Its noise over five seconds is small enough to tell a rebound from it."""
    plant = Plant(demo_site(1))
    plant.advance(30.0)
    powers_w = powers_over(plant, 40.0)
    mean_w = statistics.mean(powers_w)
    assert statistics.pstdev(five_second_means(powers_w)) < 0.01 * mean_w
    assert all(
        node.power_w > 0.7 * (HOST_FACTOR * 5600.0 + 1000.0) for node in plant.nodes.values()
    )
    assert plant.tokens_dropped == 0.0
    cap_all(plant, 340.0)
    plant.advance(1.0)
    assert plant.site_power_w() < 0.7 * mean_w


def test_the_demo_site_is_twelve_nodes_in_three_racks_under_two_pdus() -> None:
    site = demo_site(1)
    assert [node.id for node in site.nodes] == [f"node-{n:02d}" for n in range(1, 13)]
    assert {node.gpus for node in site.nodes} == {8}
    plant = Plant(site)
    under_w = plant.power_w("rack-1") + plant.power_w("rack-2")
    assert plant.power_w("pdu-a") == pytest.approx(under_w)
    assert plant.power_w("pdu-b") == pytest.approx(plant.power_w("rack-3"))
