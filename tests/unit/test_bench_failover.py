"""What the benchmark of faults makes of samples, rises and arrivals."""

from itertools import pairwise

import pytest

from integrations.messaging.transport import MqttAddress
from orchestrator.bench.failover.arrival import arrival, frontier, topology
from orchestrator.bench.failover.cards import StandInCards
from orchestrator.bench.failover.fleet import Lowered
from orchestrator.bench.failover.judge import Cut, judge
from orchestrator.bench.failover.leases import LeaseLog, Report
from orchestrator.bench.failover.run import chosen
from orchestrator.bench.failover.truth import Rise
from orchestrator.demo.measure import Sample
from orchestrator.domain.errors import ConfigurationError, GpuError

CUT = Cut(at_s=10.0, before_w=1000.0, after_w=700.0, ramp_s=5.0)
TTL_S = 8.0


def samples(power_w: dict[float, float]) -> list[Sample]:
    return [Sample(at_s, watts) for at_s, watts in power_w.items()]


def test_the_old_limit_counts_until_the_ramp_is_over() -> None:
    found = judge(samples({9.0: 990.0, 12.0: 990.0, 14.0: 650.0, 16.0: 690.0}), CUT)
    assert (found.overshoot_w, found.over_s, found.complied_s) == (0.0, 0.0, 4.0)


def test_what_is_above_after_the_ramp_is_counted_until_it_is_gone() -> None:
    found = judge(samples({9.0: 900.0, 16.0: 800.0, 18.0: 750.0, 19.0: 690.0, 20.0: 690.0}), CUT)
    assert found.overshoot_w == 100.0
    assert found.over_s == 3.0
    assert found.over_ws == 250.0
    assert found.complied_s == 9.0


def test_a_site_that_is_above_at_the_end_has_never_complied() -> None:
    assert judge(samples({9.0: 900.0, 16.0: 800.0}), CUT).complied_s is None


def lease_log(*reports: Report) -> LeaseLog:
    log = LeaseLog("lab", MqttAddress(host="127.0.0.1", port=1, username="a", password="b"))
    log.reports += reports
    return log


def test_a_rise_needs_a_lease_that_allows_it() -> None:
    rise = Rise("a", 20.0, 500.0, 600.0)
    assert lease_log(Report("a", 20.3, 600.0)).unleased([rise], TTL_S) == []
    assert lease_log(Report("a", 20.3, 550.0)).unleased([rise], TTL_S) == [rise]
    assert lease_log(Report("a", 20.3, None)).unleased([rise], TTL_S) == [rise]
    assert lease_log(Report("b", 20.3, 600.0)).unleased([rise], TTL_S) == [rise]


def test_a_node_that_nobody_hears_may_hold_its_last_lease_for_one_ttl() -> None:
    rise = Rise("a", 20.0, 500.0, 600.0)
    assert lease_log(Report("a", 13.0, 600.0)).unleased([rise], TTL_S) == []
    assert lease_log(Report("a", 11.0, 600.0)).unleased([rise], TTL_S) == [rise]


def test_a_cut_has_arrived_at_an_agent_when_its_cards_first_come_down() -> None:
    lowered = [Lowered(f"n{i}", 100.0 + 0.1 * i) for i in range(20)] + [Lowered("n0", 104.0)]
    found = arrival(0.7, 99.9, 20, lowered)
    assert found.arrived == 20
    assert found.p95_s == pytest.approx(1.9)
    assert found.all_s == pytest.approx(2.0)
    assert arrival(0.7, 99.9, 21, lowered).all_s is None
    assert arrival(0.7, 99.9, 30, lowered).p95_s is None


def test_the_fleet_of_the_timing_is_one_that_a_cut_moves_as_a_whole() -> None:
    tree = topology([f"n{i}" for i in range(60)])
    assert len(tree.limits) == 4
    points = frontier().points
    gains = [b.tok_s - a.tok_s for a, b in pairwise(points)]
    assert gains == sorted(gains, reverse=True)


def test_stand_in_cards_keep_to_their_limit_and_count_energy() -> None:
    cards = StandInCards("a", 2, 0.0)
    cards.set_limit_w("a-0", 300.0, 10.0)
    first, second = cards.read(20.0)
    assert (first.enforced_w, first.power_w, first.energy_j) == (300.0, 300.0, 9500.0)
    assert (second.enforced_w, second.energy_j) == (700.0, 13_000.0)
    with pytest.raises(GpuError, match="outside"):
        cards.set_limit_w("a-0", 100.0, 20.0)


def test_an_unknown_fault_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match=r"unknown flood; known: none, kill-service"):
        chosen(["flood"])
