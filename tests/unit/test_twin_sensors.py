"""What a controller reads of a simulated node, and the latency log that judges use."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.twin.latency import BIN_LOG, BINS, FIRST_MS, NO_LATENCIES, itl_quantile_ms
from integrations.twin.node import Deployment, SimNode, poisson, saturated

CHAT = Deployment("H100", "qwen3-30b-a3b", 4)


def busy(gpu: str = "H100", *, defects: bool = True) -> SimNode:
    deployment = Deployment(gpu, "qwen3-30b-a3b", 4)
    node = SimNode(deployment, saturated(deployment, 60.0, 1), seed=1, defects=defects)
    node.advance(20.03)
    return node


def test_a_perfect_sensor_tells_the_truth() -> None:
    node = busy(defects=False)
    cards = node.read_cards()
    assert sum(card.power_w for card in cards) == pytest.approx(node.gpu_power_w)
    assert sum(card.energy_j for card in cards) == pytest.approx(node.gpu_energy_j)


def test_a_real_sensor_is_late_after_a_cut_and_off_by_about_a_percent() -> None:
    node = busy()
    steady_w = node.gpu_power_w / 4
    node.set_cap_w(250.0)
    node.advance(20.73)
    assert node.gpu_power_w == pytest.approx(1000.0, rel=0.02)
    assert np.mean([card.power_w for card in node.read_cards()]) > 250.0 + 0.2 * (steady_w - 250.0)
    node.advance(23.03)
    shown = [card.power_w for card in node.read_cards()]
    assert shown == pytest.approx([250.0] * 4, rel=0.05)
    assert len(set(shown)) == 4


def test_reading_does_not_disturb_and_repeats() -> None:
    read, unread = busy(), busy()
    assert read.read_cards() == read.read_cards()
    assert read.read_engine() == read.read_engine()
    read.advance(30.0)
    unread.advance(30.0)
    assert read.gpu_energy_j == unread.gpu_energy_j
    assert read.read_cards() == unread.read_cards()


def test_a_quarter_of_the_time_is_seen_on_h100_and_all_of_it_on_b200() -> None:
    """A burst shorter than a tenth of a second can hide from the one and not from the other."""
    assert Deployment("H100", "qwen3-30b-a3b", 4).card.sampled == 0.25
    assert Deployment("B200", "qwen3-30b-a3b", 4).card.sampled == 1.0
    node = busy("B200")
    shown = sum(card.power_w for card in node.read_cards())
    assert shown == pytest.approx(node.gpu_power_w, rel=0.04)


def test_the_energy_counter_is_true_where_it_steps() -> None:
    node = busy()
    node.advance(25.0)
    counted = sum(card.energy_j for card in node.read_cards())
    assert counted == pytest.approx(node.gpu_energy_j, rel=1e-9)
    node.advance(25.09)
    assert sum(card.energy_j for card in node.read_cards()) == counted


def test_recent_latencies_follow_the_load_and_the_log_covers_everything() -> None:
    requests = poisson(CHAT, lambda t: 12_000.0 if t < 30.0 else 500.0, 60.0, 2)
    node = SimNode(CHAT, requests, seed=2)
    node.advance(30.0)
    loaded, before = node.read_engine(), node.latency()
    node.advance(60.0)
    quiet, log = node.read_engine(), node.latency()
    assert loaded.itl_mean_ms is not None
    assert quiet.itl_mean_ms is not None
    assert quiet.itl_mean_ms < 0.6 * loaded.itl_mean_ms
    window = log - before
    assert window.tokens + before.tokens == pytest.approx(log.tokens)
    assert window.ttft.size + before.ttft.size == log.ttft.size
    assert np.all(window.ttft_at_s >= 30.0)


def test_a_log_knows_the_share_above_an_objective() -> None:
    node = busy()
    log = node.latency()
    p95_ms = log.itl_ms(0.95)
    assert p95_ms is not None
    assert log.itl_over(p95_ms) == pytest.approx(0.05, abs=0.02)
    assert log.ttft_over(0.0) == 1.0
    assert NO_LATENCIES.itl_over(1.0) is None
    assert NO_LATENCIES.ttft_over(1.0) is None
    assert NO_LATENCIES.itl_ms(0.5) is None
    assert (log + log).itl_ms(0.95) == pytest.approx(p95_ms)
    assert log.times(3).tokens == pytest.approx(3.0 * log.tokens)


@settings(deadline=None)
@given(st.lists(st.floats(1.0, 50_000.0), min_size=1, max_size=60), st.floats(0.01, 1.0))
def test_a_quantile_of_the_histogram_is_within_one_percent(values: list[float], q: float) -> None:
    counts = np.zeros(BINS)
    for value in values:
        counts[int(np.log(value / FIRST_MS) / BIN_LOG)] += 1.0
    exact = float(np.quantile(values, q, method="inverted_cdf"))
    assert itl_quantile_ms(counts, q) == pytest.approx(exact, rel=0.011)
