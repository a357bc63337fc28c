"""The card and serving physics of the simulated plant."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.twin.cards import GPUS, POWER_TAU_S, Card, gpu_spec
from integrations.twin.serving import MODELS, model_spec, operate
from orchestrator.domain.errors import ConfigurationError, InvalidInput

H100 = GPUS["H100"]


@pytest.mark.parametrize(
    ("model", "gpus", "batch", "power_w", "tok_s"),
    [
        ("llama-3.1-8b", 1, 8, 486, 1070),
        ("llama-3.1-8b", 1, 64, 610, 5147),
        ("llama-3.1-8b", 1, 256, 691, 9010),
        ("llama-3.1-8b", 1, 512, 688, 9806),
        ("qwen3-30b-a3b", 2, 8, 342, 415),
        ("qwen3-30b-a3b", 2, 64, 447, 1645),
        ("qwen3-30b-a3b", 2, 256, 477, 3577),
        ("qwen3-30b-a3b", 2, 1024, 562, 6320),
        ("qwen3-32b", 2, 256, 589, 2578),
        ("llama-3.1-70b", 4, 256, 589, 1229),
        ("gpt-oss-120b", 2, 256, 619, 4111),
    ],
)
def test_measured_runs_are_met_within_ten_percent(
    model: str, gpus: int, batch: int, power_w: float, tok_s: float
) -> None:
    """Power and throughput per GPU at full clock lie near the public H100 measurements."""
    point = operate(H100, MODELS[model], gpus, H100.default_w, batch)
    assert point.power_w / gpus == pytest.approx(power_w, rel=0.10)
    assert point.tok_s / gpus == pytest.approx(tok_s, rel=0.10)


@pytest.mark.parametrize(("batch", "p99_ms"), [(8, 11), (64, 26), (256, 60), (512, 107)])
def test_tail_latency_grows_with_the_batch_as_measured(batch: int, p99_ms: float) -> None:
    point = operate(H100, MODELS["llama-3.1-8b"], 1, 700, batch)
    assert point.itl_p99_ms == pytest.approx(p99_ms, rel=0.15)
    assert point.itl_mean_ms < point.itl_p95_ms < point.itl_p99_ms


def test_a_cap_above_the_draw_changes_nothing() -> None:
    model = MODELS["qwen3-30b-a3b"]
    free = operate(H100, model, 8, 700, 64)
    assert free == operate(H100, model, 8, free.power_w / 8 + 1, 64)


@given(
    gpu=st.sampled_from(sorted(GPUS)),
    model=st.sampled_from(sorted(MODELS)),
    batch=st.integers(1, 1024),
    low=st.floats(0.0, 1.0),
    high=st.floats(0.0, 1.0),
)
def test_power_never_exceeds_the_cap_and_more_watts_never_cost_tokens(
    gpu: str, model: str, batch: int, low: float, high: float
) -> None:
    spec = GPUS[gpu]
    low_w, high_w = (
        spec.min_w + share * (spec.max_w - spec.min_w) for share in sorted((low, high))
    )
    tight = operate(spec, MODELS[model], 8, low_w, batch)
    loose = operate(spec, MODELS[model], 8, high_w, batch)
    assert tight.power_w <= 8 * low_w + 1e-6
    assert tight.power_w <= loose.power_w + 1e-6
    assert tight.tok_s <= loose.tok_s + 1e-6
    assert 0.0 < tight.clock <= loose.clock <= 1.0
    assert tight.itl_mean_ms >= loose.itl_mean_ms - 1e-9


def test_the_clock_is_continuous_where_the_voltage_reaches_its_floor() -> None:
    clocks = [H100.clock(690.0, cap_w) for cap_w in range(200, 690)]
    steps = [after - before for before, after in itertools.pairwise(clocks)]
    assert min(steps) > 0.0
    assert max(steps) < 0.005


def test_a_deep_cap_costs_mixture_of_experts_less_than_dense() -> None:
    def kept(name: str) -> float:
        model = MODELS[name]
        batch = model.max_batch * 8 // model.replica_gpus
        return operate(H100, model, 8, 300, batch).tok_s / operate(H100, model, 8, 700, batch).tok_s

    dense = [kept(name) for name, model in MODELS.items() if model.kind == "dense"]
    experts = [kept(name) for name, model in MODELS.items() if model.kind == "moe"]
    assert len(dense) >= 3
    assert len(experts) >= 3
    assert max(dense) < min(experts)


def test_a_small_batch_hardly_feels_a_lower_clock() -> None:
    model = MODELS["llama-3.1-70b"]
    free, capped = (operate(H100, model, 8, cap_w, 8) for cap_w in (700, 350))
    assert capped.clock < 0.95
    assert capped.tok_s > 0.97 * free.tok_s


def test_a_card_meets_a_new_cap_within_five_time_constants() -> None:
    card = Card(H100, "GPU-0", 0)
    for _ in range(40):
        card.step(680.0, 0.05)
    assert card.power_w == pytest.approx(680.0, abs=0.01)
    card.set_limit_w(300.0)
    for _ in range(round(5 * POWER_TAU_S / 0.05)):
        card.step(680.0, 0.05)
    assert card.power_w == pytest.approx(300.0, rel=0.01)


def test_the_energy_counter_is_the_integral_of_the_true_power() -> None:
    card = Card(H100, "GPU-0", 0)
    for _ in range(10):
        card.step(600.0, 0.05)
    exact_j = 600.0 * 0.5 + (70.0 - 600.0) * POWER_TAU_S * (1.0 - math.exp(-0.5 / POWER_TAU_S))
    assert card.energy_j == pytest.approx(exact_j)


def test_the_sensor_lags_because_it_averages_a_second() -> None:
    card = Card(H100, "GPU-0", 0)
    for _ in range(60):
        card.step(650.0, 0.05)
    card.set_limit_w(200.0)
    for _ in range(10):
        card.step(650.0, 0.05)
    assert card.power_w < 220.0
    assert card.sensor_w > 400.0
    for _ in range(20):
        card.step(650.0, 0.05)
    assert card.sensor_w == pytest.approx(200.0, rel=0.02)


@pytest.mark.parametrize("limit_w", [199.9, 700.1, -1.0, math.nan, math.inf])
def test_a_limit_outside_the_range_is_refused_and_changes_nothing(limit_w: float) -> None:
    card = Card(H100, "GPU-0", 0)
    with pytest.raises(InvalidInput, match="200-700"):
        card.set_limit_w(limit_w)
    assert card.enforced_w == H100.default_w


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="A100, H100, H200, B200"):
        gpu_spec("H800")
    with pytest.raises(ConfigurationError, match=r"llama-3\.1-8b"):
        model_spec("gpt-5")
