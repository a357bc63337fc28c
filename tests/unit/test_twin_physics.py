"""The physics of steps and watts, against what was measured and published."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.twin.catalogue import entries
from integrations.twin.coefficients import Coefficients
from integrations.twin.deployment import Deployment
from integrations.twin.fingerprint import twin_hash
from integrations.twin.gpus import GPUS, gpu_named
from integrations.twin.measured import ANCHORS
from integrations.twin.node import steady
from integrations.twin.physics import clock_under, power_w, slowdown, work
from integrations.twin.refit import residuals
from orchestrator.domain.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
ENTRIES = {f"{entry.gpu} {entry.model} x{entry.gpus}": entry for entry in entries()}
DENSE, EXPERTS = ENTRIES["H100 llama-3.1-70b x4"], ENTRIES["H100 qwen3-30b-a3b x2"]
A100_CAPS_W = (150.0, 200.0, 250.0, 300.0, 350.0, 400.0)
PALS_BATCHES = (1, 4, 8, 16, 32, 64)

named = st.sampled_from(sorted(ENTRIES))
share = st.floats(0.0, 1.0)


def held(c: Coefficients, batch: float, cap_w: float, most: float = 1.0) -> tuple[float, float]:
    """Power of a card and tokens a second of a replica that only decodes under a cap."""
    load = work(c, batch, 0.0)
    clock = clock_under(c, load, cap_w, most)
    slow = slowdown(c, load, clock)
    return power_w(c, load, clock, 1.0 / slow), 1000.0 * batch / (load.step_ms * slow)


@settings(deadline=None)
@given(name=named, batch=st.integers(1, 1024), prompt=st.integers(0, 8192), low=share, high=share)
def test_power_never_exceeds_the_cap_and_more_watts_never_cost_tokens(
    name: str, batch: int, prompt: int, low: float, high: float
) -> None:
    entry = ENTRIES[name]
    gpu, c = GPUS[entry.gpu], entry.coefficients
    low_w, high_w = (gpu.min_w + part * (gpu.max_w - gpu.min_w) for part in sorted((low, high)))
    load = work(c, float(batch), float(prompt))
    tight, loose = (clock_under(c, load, cap_w, 1.0) for cap_w in (low_w, high_w))
    assert 0.0 < tight <= loose <= 1.0
    slow, fast = slowdown(c, load, tight), slowdown(c, load, loose)
    assert slow >= fast >= 1.0 - 1e-12
    assert power_w(c, load, tight, 1.0 / slow) <= low_w + 1e-6
    assert power_w(c, load, tight, 1.0 / slow) <= power_w(c, load, loose, 1.0 / fast) + 1e-6


@settings(deadline=None)
@given(name=named, batch=st.integers(1, 1024))
def test_a_cap_above_the_draw_changes_nothing(name: str, batch: int) -> None:
    c = ENTRIES[name].coefficients
    load = work(c, float(batch), 0.0)
    assert clock_under(c, load, load.draw_w + 0.001, 1.0) == 1.0
    assert slowdown(c, load, 1.0) == pytest.approx(1.0)


@settings(deadline=None)
@given(name=named, batch=st.integers(1, 512), most=st.floats(0.2, 1.0))
def test_a_clock_lock_bounds_the_clock_and_a_cap_still_holds(
    name: str, batch: int, most: float
) -> None:
    entry = ENTRIES[name]
    load = work(entry.coefficients, float(batch), 0.0)
    assert clock_under(entry.coefficients, load, 1e6, most) == most
    least_w = GPUS[entry.gpu].min_w
    clock = clock_under(entry.coefficients, load, least_w, most)
    assert clock <= most
    speed = 1.0 / slowdown(entry.coefficients, load, clock)
    assert power_w(entry.coefficients, load, clock, speed) <= least_w


def test_the_clock_is_continuous_where_the_voltage_reaches_its_floor() -> None:
    load = work(DENSE.coefficients, 256.0, 0.0)
    clocks = [clock_under(DENSE.coefficients, load, float(w), 1.0) for w in range(200, 500)]
    steps = [after - before for before, after in itertools.pairwise(clocks)]
    assert min(steps) > 0.0
    assert max(steps) < 0.006


def test_prefill_takes_time_and_draws_more_than_decoding_a_few() -> None:
    c = DENSE.coefficients
    alone, mixed = work(c, 8.0, 0.0), work(c, 8.0, 2048.0)
    assert mixed.step_ms > 5.0 * alone.step_ms
    assert mixed.draw_w > 1.2 * alone.draw_w
    assert mixed.intensity > alone.intensity


def test_a_deep_cap_costs_mixture_of_experts_less_than_dense() -> None:
    def kept(name: str) -> float:
        entry = ENTRIES[name]
        batch = float(entry.max_batch)
        return held(entry.coefficients, batch, 300.0)[1] / held(entry.coefficients, batch, 700.0)[1]

    dense = [kept(name) for name in ("H100 llama-3.1-70b x4", "H100 qwen3-32b x2")]
    experts = [kept(name) for name in ("H100 qwen3-30b-a3b x2", "H100 llama-4-scout-17b-16e x8")]
    assert max(dense) < min(experts)


def test_locking_the_clock_of_a_small_batch_saves_a_third_for_under_one_percent() -> None:
    """Decode at small batch, as published (arXiv 2605.11999): the clock at 0.55."""
    free_w, free_tok_s = held(DENSE.coefficients, 4.0, 700.0)
    locked_w, locked_tok_s = held(DENSE.coefficients, 4.0, 700.0, 0.55)
    assert locked_tok_s > 0.99 * free_tok_s
    assert 0.60 < locked_w / free_w < 0.70


def pals_tok_j(model: str) -> dict[tuple[float, int], float]:
    node = Deployment("A100", model, 4)
    return {
        (cap_w, batch): steady(node, cap_w, batch, seconds=200.0).tok_j
        for cap_w in A100_CAPS_W
        for batch in PALS_BATCHES
    }


@pytest.mark.parametrize(
    ("model", "peak_w", "joint"),
    [
        ("qwen1.5-moe-a2.7b", 200.0, 1.13),
        ("olmoe-1b-7b", 200.0, 1.14),
        ("mixtral-8x7b", 400.0, 1.18),
    ],
)
def test_the_shapes_of_pals_come_out_on_a100(model: str, peak_w: float, joint: float) -> None:
    """Peak of tok/J over the cap at batch 64, gain of batch 64 over 1, joint over software only.

    Tolerances: the joint gain within 0.04, the rise from 150 W or the fall from 200 W strict.
    """
    tok_j = pals_tok_j(model)
    at_64 = [tok_j[cap_w, 64] for cap_w in A100_CAPS_W]
    assert A100_CAPS_W[at_64.index(max(at_64))] == peak_w
    assert 1.7 < tok_j[400.0, 64] / tok_j[400.0, 1] < 2.1
    software = max(tok_j[400.0, batch] for batch in PALS_BATCHES)
    assert max(tok_j.values()) / software == pytest.approx(joint, abs=0.04)


def test_on_a100_dense_peaks_at_a_higher_cap_than_mixture_of_experts() -> None:
    def peak_w(model: str) -> float:
        node = Deployment("A100", model, 4)
        return max(A100_CAPS_W, key=lambda cap_w: steady(node, cap_w, 64, seconds=200.0).tok_j)

    assert peak_w("llama-2-7b") > peak_w("olmoe-1b-7b")
    assert peak_w("mistral-7b") > peak_w("qwen1.5-moe-a2.7b")


def test_recorded_residuals_are_what_the_simulator_gets_wrong() -> None:
    """Recomputed for the runs whose figures are published; the others need the table."""
    for group in ANCHORS:
        entry = ENTRIES[f"{group.gpu} {group.model} x{group.gpus}"]
        found = residuals(entry, group.runs)
        assert found.keys() == entry.residuals.keys()
        for name, value in found.items():
            assert value == pytest.approx(entry.residuals[name], abs=0.004)


@pytest.mark.parametrize(
    ("model", "gpus", "batch", "card_w", "card_tok_s"),
    [
        ("llama-3.1-8b", 1, 8, 486, 1070),
        ("llama-3.1-8b", 1, 64, 610, 5147),
        ("llama-3.1-8b", 1, 256, 691, 9010),
        ("qwen3-30b-a3b", 2, 8, 342, 415),
        ("qwen3-30b-a3b", 2, 64, 447, 1645),
        ("qwen3-30b-a3b", 2, 256, 477, 3577),
        ("qwen3-32b", 2, 256, 589, 2578),
        ("llama-3.1-70b", 4, 256, 589, 1229),
        ("gpt-oss-120b", 2, 256, 619, 4111),
    ],
)
def test_measured_runs_are_met_within_ten_percent(
    model: str, gpus: int, batch: int, card_w: float, card_tok_s: float
) -> None:
    point = steady(Deployment("H100", model, gpus), 700.0, batch)
    assert point.power_w / gpus == pytest.approx(card_w, rel=0.10)
    assert point.tok_s / gpus == pytest.approx(card_tok_s, rel=0.10)
    assert point.itl_mean_ms < point.itl_p95_ms < point.itl_p99_ms


def test_measured_pairs_are_close_on_average() -> None:
    """What docs/twin.md promises of the table, over all pairs."""
    measured = [entry for entry in entries() if not entry.extrapolated]
    assert len(measured) >= 40
    assert {entry.gpu for entry in measured} == {"H100", "B200"}
    assert {entry.kind for entry in measured} == {"dense", "moe", "hybrid"}
    h100 = [entry.residuals for entry in measured if entry.gpu == "H100"]
    assert sum(r["power"] for r in h100) / len(h100) < 0.04
    assert sum(r["tok_s"] for r in h100) / len(h100) < 0.03


def test_a_faster_memory_helps_a_small_batch_and_not_a_large_one() -> None:
    def gain(batch: float) -> float:
        h100, h200 = (Deployment(gpu, "llama-3.1-70b", 4).coefficients for gpu in ("H100", "H200"))
        return held(h200, batch, 700.0)[1] / held(h100, batch, 700.0)[1]

    assert gain(4.0) > 1.3
    assert 1.0 < gain(512.0) < gain(4.0)


def test_the_documentation_names_the_frozen_twin() -> None:
    """Whoever changes the twin says so there, and judges every policy again."""
    assert f"**`{twin_hash()}`**" in (ROOT / "docs/twin.md").read_text(encoding="utf-8")


def test_an_unknown_card_lists_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="A100, H100, H200, B200"):
        gpu_named("H800")
