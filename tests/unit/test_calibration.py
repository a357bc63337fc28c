"""What a node is off its model by is learned from evidence alone, slowly, and within bounds."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.calibration import (
    FURTHEST,
    MOST_MOVE,
    QUOTE_EVERY_S,
    Bias,
    Learning,
    corrected,
    learn,
    quoted,
)
from orchestrator.domain.frontier import Candidate, Frontier
from orchestrator.domain.surface import surface_of
from orchestrator.domain.telemetry import Telemetry
from tests.facility import telemetry

POINTS = tuple(
    Candidate(cap_w, batch, 2 * cap_w * 0.9, cap_w * batch / 10)
    for cap_w in (200.0, 400.0, 500.0)
    for batch in (8, 32)
)
MODEL = Frontier("chat", "chat-1", 2, POINTS, tok_s_band=0.05, power_band=0.03)
SURFACE = surface_of(POINTS)


def busy(tok: float = 1.0, power: float = 1.0, **changes: object) -> Telemetry:
    """A node held by its batch at 400 W a card, off its model by two factors."""
    said = telemetry(
        enforced_w=800.0, power_w=720.0 * power, tok_s=1280.0 * tok, running=32, waiting=40
    )
    return replace(said, **changes)  # type: ignore[arg-type]


def after(seconds: float, said: Telemetry, known: Learning | None = None) -> Learning:
    start_s = known.at_s if known else 0.0
    known = learn(known, said, MODEL, SURFACE, start_s)
    for second in range(1, int(seconds) + 1):
        known = learn(known, said, MODEL, SURFACE, start_s + second)
    return known


def test_a_steady_bias_is_found() -> None:
    bias = after(600, busy(tok=0.9, power=1.08)).bias
    assert bias.tok_s == pytest.approx(0.9, abs=0.03)
    assert bias.power == pytest.approx(1.08, abs=0.03)


def test_a_node_that_follows_its_model_has_no_bias() -> None:
    known = after(600, busy(tok=1.02, power=0.99))
    assert known.bias == Bias()
    assert quoted({"a": known, "b": None}) == {}


def test_a_new_behaviour_replaces_the_old_within_minutes() -> None:
    known = after(900, busy(tok=0.8), after(3600, busy(tok=1.1)))
    assert known.bias.tok_s == pytest.approx(0.8, abs=0.04)


@pytest.mark.parametrize(
    "idle",
    [
        {"waiting": 0},
        {"waiting": None},
        {"running": 20, "power_w": 600.0},
        {"settled_s": 1.0},
        {"pending_w": 900.0},
        {"enforced_w": None},
        {"enforced_w": 300.0},
        {"running": 33, "batch_limit": 33},
        {"tok_s": None},
        {"tok_s": 0.0},
        {"power_w": None},
        {"foreign": ("GPU-1",)},
        {"clock_mhz": 1200.0},
    ],
)
def test_a_report_that_is_no_evidence_teaches_nothing(idle: dict[str, object]) -> None:
    said = replace(busy(tok=0.7), **idle)  # type: ignore[arg-type]
    assert after(600, said).weight_s == 0.0


def test_a_node_held_by_its_cap_is_evidence_below_its_batch_limit() -> None:
    held = busy(power_w=790.0, tok_s=900.0, running=20, batch_limit=32)
    assert after(60, held).weight_s > 0


def test_a_new_model_is_learned_anew() -> None:
    known = after(600, busy(tok=0.8))
    fresh = learn(known, busy(), replace(MODEL, model_version="chat-2"), SURFACE, 601)
    assert (fresh.bias, fresh.weight_s, fresh.beyond_s) == (Bias(), 0.0, 0.0)


def test_drift_lasts_while_the_evidence_is_outside_the_band_and_ends_within_it() -> None:
    drifting = after(400, busy(tok=0.9))
    assert drifting.beyond_s > 300
    assert after(1200, busy(), drifting).beyond_s == 0.0
    assert after(400, busy(tok=1.03)).beyond_s == 0.0


def test_the_corrected_frontier_draws_no_more_than_its_caps() -> None:
    found = corrected(MODEL, Bias(0.5, 2.0))
    assert [p.tok_s for p in found.points] == [p.tok_s * 0.5 for p in POINTS]
    assert all(point.power_w <= found.limit_w(point) for point in found.points)
    assert corrected(MODEL, Bias()) is MODEL


reports = st.lists(
    st.tuples(
        st.floats(0.01, 100.0), st.floats(0.01, 100.0), st.floats(0.0, 60.0), st.integers(0, 80)
    ),
    max_size=60,
)


@given(reports)
def test_whatever_is_reported_the_bias_is_bounded_and_moves_seldom_and_little(
    said: list[tuple[float, float, float, int]],
) -> None:
    known, now_s, moved_s = Learning("chat-1", 0.0), 0.0, float("-inf")
    for tok, power, passed_s, waiting in said:
        now_s += passed_s
        before, known = (
            known,
            learn(known, busy(tok, power, waiting=waiting), MODEL, SURFACE, now_s),
        )
        for old, new in (
            (before.bias.tok_s, known.bias.tok_s),
            (before.bias.power, known.bias.power),
        ):
            assert 1 / FURTHEST <= new <= FURTHEST
            assert abs(new - old) <= MOST_MOVE + 0.011
        if known.bias != before.bias:
            assert now_s - moved_s >= QUOTE_EVERY_S
            moved_s = now_s
