"""The simulated serving node: what it conserves, what it repeats, what it refuses."""

import itertools
from typing import Any

import numpy as np
import pytest

from integrations.twin.node import (
    Deployment,
    Requests,
    SimNode,
    clocks_mhz,
    poisson,
    saturated,
    steady,
)
from orchestrator.domain.errors import ConfigurationError, InvalidInput

CHAT = Deployment("H100", "llama-3.1-70b", 8)


def loaded(share: float = 0.7, seconds: float = 60.0, seed: int = 3, **options: Any) -> SimNode:
    full = 8000.0
    return SimNode(CHAT, poisson(CHAT, share * full, seconds, seed), seed=seed, **options)


def test_every_token_that_was_asked_for_is_served_once() -> None:
    requests = poisson(CHAT, 3000.0, 20.0, 1)
    node = SimNode(CHAT, requests, seed=1)
    node.advance(200.0)
    assert node.finished == requests.arrival_s.size
    assert node.tokens == requests.output_total
    assert (node.running, node.waiting) == (0, 0)
    log = node.latency()
    assert log.ttft.size == requests.arrival_s.size
    assert log.tokens == requests.output_total - requests.arrival_s.size


def test_energy_is_the_integral_of_power() -> None:
    node = loaded()
    total_j = 0.0
    for index in range(1, 4001):
        node.advance(0.005 * index)
        total_j += 0.005 * node.gpu_power_w
    assert total_j == pytest.approx(node.gpu_energy_j, rel=0.003)
    c = node.coefficients
    wall_j = c.host_factor * node.gpu_energy_j + c.host_w * 20.0
    assert node.wall_energy_j == pytest.approx(wall_j)


def test_what_runs_is_the_rate_times_the_stay() -> None:
    """Little's law, over a long run at a steady load."""
    requests = poisson(CHAT, 4000.0, 400.0, 5)
    node = SimNode(CHAT, requests, seed=5)
    running = []
    for second in range(100, 400):
        node.advance(float(second))
        running.append(node.running)
    log = node.latency()
    mean_output = float(requests.output_tokens.mean())
    stay_s = 0.001 * (float(log.ttft.mean()) + (mean_output - 1.0) * (log.itl_mean_ms or 0.0))
    rate = requests.arrival_s.size / 400.0
    assert np.mean(running) == pytest.approx(rate * stay_s, rel=0.06)


def test_the_same_arguments_and_writes_give_the_same_run_however_time_is_cut() -> None:
    fine, coarse = loaded(), loaded()
    for index in range(1, 301):
        fine.advance(0.1 * index)
    coarse.advance(30.0)
    assert fine.tokens == coarse.tokens
    assert fine.gpu_energy_j == pytest.approx(coarse.gpu_energy_j, rel=1e-12)
    assert loaded(seed=4).latency().ttft.size == 0


def test_a_clone_goes_on_alike_and_apart() -> None:
    node = loaded()
    node.advance(10.0)
    other = node.clone()
    node.advance(20.0)
    other.advance(20.0)
    assert (other.tokens, other.gpu_energy_j) == (node.tokens, node.gpu_energy_j)
    assert other.read_cards() == node.read_cards()
    assert other.read_engine() == node.read_engine()
    other.set_cap_w(200.0)
    other.advance(30.0)
    node.advance(30.0)
    assert other.gpu_power_w < node.gpu_power_w


def test_power_is_under_a_new_cap_within_five_time_constants() -> None:
    node = SimNode(CHAT, saturated(CHAT, 60.0, 1), seed=1)
    node.advance(20.0)
    assert node.gpu_power_w > 8 * 450.0
    node.set_cap_w(300.0)
    node.advance(20.75)
    assert node.gpu_power_w < 8 * 300.0 * 1.01
    node.set_cap_w(200.0, card=0)
    node.advance(25.0)
    powers_w = [card.enforced_w for card in node.read_cards()]
    assert powers_w == [200.0, *[300.0] * 7]
    assert node.gpu_power_w < 7 * 300.0 + 200.0 + 1.0


def test_a_slow_card_slows_its_own_replica_only() -> None:
    counted = []
    for capped in ((), (0,), range(8)):
        node = SimNode(CHAT, saturated(CHAT, 60.0, 1), seed=1)
        for card in capped:
            node.set_cap_w(250.0, card=card)
        node.advance(40.0)
        counted.append(node.tokens)
    assert counted[1] == pytest.approx((counted[0] + counted[2]) / 2, rel=0.03)


def test_a_lower_batch_limit_drains_and_never_preempts() -> None:
    node = SimNode(CHAT, saturated(CHAT, 60.0, 1), seed=1)
    node.advance(20.0)
    node.set_batch_limit(100)
    before = node.running
    seen = [before]
    for step in range(1, 400):
        node.advance(20.0 + 0.1 * step)
        seen.append(node.running)
    assert all(after <= earlier for earlier, after in itertools.pairwise(seen))
    assert seen[1] > 100
    assert seen[-1] == 100


def test_a_clock_lock_holds_a_small_batch_at_full_speed_for_two_thirds_of_the_power() -> None:
    """The published fact: a third of decode energy for about one percent (arXiv 2605.11999)."""
    free = steady(CHAT, 700.0, 8)
    held = steady(CHAT, 700.0, 8, clock_mhz=0.55 * clocks_mhz("H100")[1])
    assert held.tok_s > 0.975 * free.tok_s
    assert held.power_w < 0.70 * free.power_w


def test_a_queue_of_nothing_leaves_the_cards_idle() -> None:
    nothing = Requests(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
    node = SimNode(CHAT, nothing, seed=1)
    node.advance(5.0)
    assert node.gpu_power_w == pytest.approx(8 * node.coefficients.idle_w)
    assert node.read_engine().itl_p99_ms is None
    assert node.read_engine().ttft_p99_ms is None


def test_what_lies_outside_the_range_is_refused_and_changes_nothing() -> None:
    node = loaded()
    with pytest.raises(InvalidInput, match="200-700"):
        node.set_cap_w(199.0)
    with pytest.raises(InvalidInput, match="cards 0-7"):
        node.set_cap_w(300.0, card=8)
    with pytest.raises(InvalidInput, match="MHz"):
        node.set_clock_mhz(5000.0)
    with pytest.raises(InvalidInput, match="1-512"):
        node.set_batch_limit(513)
    assert {card.enforced_w for card in node.read_cards()} == {700.0}
    assert node.read_engine().batch_limit == CHAT.max_batch


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="A100, H100, H200, B200"):
        Deployment("H800", "llama-3.1-8b", 8)
    with pytest.raises(ConfigurationError, match="llama-2-70b"):
        Deployment("H100", "gpt-5", 8)
    with pytest.raises(ConfigurationError, match="multiple"):
        Deployment("H100", "llama-3.1-70b", 6)


def test_what_no_measurement_covers_is_labelled() -> None:
    assert not CHAT.extrapolated
    assert Deployment("H200", "llama-2-70b", 8).extrapolated
    assert Deployment("A100", "mixtral-8x7b", 4).extrapolated


def test_a_perturbed_coefficient_changes_the_run_and_its_hash() -> None:
    c = CHAT.coefficients
    slower = c.perturbed("base_ms", 1.2)
    assert slower.base_ms == pytest.approx(1.2 * c.base_ms)
    assert slower.hash != c.hash
    assert steady(CHAT, 700.0, 8, coefficients=slower).tok_s < steady(CHAT, 700.0, 8).tok_s
    with pytest.raises(InvalidInput, match="base_ms"):
        c.perturbed("speed", 1.2)
