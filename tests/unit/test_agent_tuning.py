"""The PID, and the paper's choice of cap and batch."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core import pid as pids
from agents.core.pid import Gains, Pid
from agents.core.tuning import Choice, Order, Plant, Tuner, batch_of, choose, tune
from orchestrator.domain.frontier import Candidate, Frontier
from orchestrator.domain.telemetry import EngineReading

GAINS = Gains(kp=0.5, ki=1.0, kd=0.1, filter_s=1.0, low=-1.0, high=1.0)
FRONTIER = Frontier(
    "llama",
    "m1",
    8,
    (
        Candidate(200.0, 16, 1500.0, 900.0),
        Candidate(300.0, 16, 2000.0, 1500.0),
        Candidate(400.0, 32, 2900.0, 2000.0),
        Candidate(600.0, 64, 4600.0, 2400.0),
    ),
)


def engine(running: int = 8, waiting: int = 0, batch_limit: int = 32) -> EngineReading:
    return EngineReading(running, waiting, batch_limit, 64, 0.0, None, None, None)


def plant(tok_s: float, waiting: int = 0) -> Plant:
    return Plant(tok_s, 2990.0, 3000.0, engine(waiting=waiting))


def order(ceiling_w: float, target_tok_s: float | None = None) -> Order:
    return Order(ceiling_w, target_tok_s, FRONTIER, 8)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), max_size=50))
def test_the_output_and_the_integral_stay_within_bounds(steps: list[tuple[float, float]]) -> None:
    pid = Pid()
    for error, measured in steps:
        pid, output = pids.advance(pid, GAINS, error, measured, 0.5, integrate=True)
        assert -1.0 <= output <= 1.0
        assert -1.0 <= pid.integral <= 1.0


def test_a_saturated_output_leaves_its_bound_as_soon_as_the_error_turns() -> None:
    pid, output = Pid(), 0.0
    for _ in range(100):
        pid, output = pids.advance(pid, GAINS, 5.0, 0.0, 0.5, integrate=True)
    assert output == 1.0
    _, output = pids.advance(pid, GAINS, -1.0, 0.0, 0.5, integrate=True)
    assert output < 1.0


def test_the_integral_does_not_wind_up_behind_a_saturated_output() -> None:
    pid, _ = pids.advance(Pid(), GAINS, 5.0, 0.0, 0.5, integrate=True)
    assert pid.integral == 0.0


def test_the_integral_rests_unless_told_to_integrate() -> None:
    pid, _ = pids.advance(Pid(), GAINS, 1.0, 0.0, 0.5, integrate=False)
    assert pid.integral == 0.0


def test_a_new_target_does_not_kick_the_derivative() -> None:
    still = replace(GAINS, kp=0.0, ki=0.0)
    pid, _ = pids.advance(Pid(), still, 0.0, 1.0, 0.5, integrate=False)
    _, output = pids.advance(pid, still, 9.0, 1.0, 0.5, integrate=False)
    assert output == 0.0


def test_the_derivative_is_filtered_and_works_against_the_measurement() -> None:
    still = replace(GAINS, kp=0.0, ki=0.0)
    pid, _ = pids.advance(Pid(), still, 0.0, 1.0, 0.5, integrate=False)
    _, output = pids.advance(pid, still, 0.0, 2.0, 0.5, integrate=False)
    assert -0.1 * 2.0 < output < 0.0


def test_a_reset_goes_on_from_the_output_it_is_given() -> None:
    pid = pids.reset(Pid(0.9, 5.0, 3.0), GAINS, error=0.2, output=0.4)
    _, output = pids.advance(pid, GAINS, 0.2, 7.0, 1e-9, integrate=True)
    assert output == pytest.approx(0.4)


def test_the_best_tokens_per_joule_among_those_that_meet_the_target() -> None:
    assert choose(order(4800.0, 1400.0)) == Choice(300.0, 16)
    assert choose(order(4800.0, 1600.0)) == Choice(400.0, 32)


def test_a_model_that_promises_too_much_is_corrected_by_its_bias() -> None:
    assert choose(order(4800.0, 1400.0), bias=0.2) == Choice(400.0, 32)


@pytest.mark.parametrize("target_tok_s", [None, 9999.0])
def test_without_a_reachable_target_the_whole_ceiling_is_used(target_tok_s: float | None) -> None:
    assert choose(order(3456.7, target_tok_s)) == Choice(None, 32)


def test_below_the_lowest_candidate_the_smallest_batch_point_serves() -> None:
    assert choose(order(800.0, 100.0)) == Choice(None, 16)


def test_without_a_fitting_frontier_only_the_ceiling_counts() -> None:
    assert choose(replace(order(3000.0, 100.0), frontier=None)) == Choice()
    assert choose(replace(order(3000.0, 100.0), cards=4)) == Choice()


def test_a_new_ceiling_chooses_at_once_and_a_small_error_never() -> None:
    tuner = tune(Tuner(), order(4800.0, 1400.0), plant(1400.0), 0.0)
    for half in range(1, 40):
        tuner = tune(tuner, order(4800.0, 1400.0), plant(1350.0, waiting=3), half / 2)
    assert tuner.choice.cap_w == 300.0
    tuner = tune(tuner, order(2000.0, 1400.0), plant(1350.0, waiting=3), 20.0)
    assert tuner.choice == Choice(None, 16)


def test_a_lasting_shortfall_while_requests_wait_moves_to_a_stronger_point() -> None:
    tuner, moved_s = Tuner(), None
    for half in range(40):
        tuner = tune(tuner, order(4800.0, 1400.0), plant(1150.0, waiting=3), half / 2)
        if tuner.choice.cap_w == 400.0 and moved_s is None:
            moved_s = half / 2
    assert moved_s is not None
    assert moved_s >= 2.0


def test_a_shortfall_without_waiting_requests_is_lack_of_demand() -> None:
    tuner = Tuner()
    for half in range(40):
        tuner = tune(tuner, order(4800.0, 1400.0), plant(500.0), half / 2)
    assert (tuner.choice.cap_w, tuner.bias) == (300.0, 0.0)


def test_the_batch_goes_down_at_once_and_up_only_when_the_caps_are_there() -> None:
    assert batch_of(engine(batch_limit=32), 16, reached=False) == 16
    assert batch_of(engine(batch_limit=32), 64, reached=False) is None
    assert batch_of(engine(batch_limit=32), 64, reached=True) == 64
    assert batch_of(engine(batch_limit=32), 999, reached=True) == 64
    assert batch_of(engine(batch_limit=32), 32, reached=True) is None
    assert batch_of(None, 16, reached=True) is None
