"""The PID, and the choice of cap, clock and batch."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core import pid as pids
from agents.core.options import Choice, Order, Service
from agents.core.pid import Gains, Pid
from agents.core.tuning import Plant, Tuner, batch_of, tune
from orchestrator.domain.frontier import Candidate, Frontier
from orchestrator.domain.telemetry import EngineReading

GAINS = Gains(kp=0.5, ki=1.0, kd=0.1, filter_s=1.0, low=-1.0, high=1.0)
FULL = {16: (2600.0, 1000.0), 32: (3600.0, 1700.0), 64: (4600.0, 2600.0)}


def point(cap_w: float, batch: int) -> Candidate:
    """A node of eight cards that slows down as its caps bite."""
    draw_w, tok_s = FULL[batch]
    power_w = min(draw_w, 8 * cap_w)
    return Candidate(cap_w, batch, power_w, tok_s * (power_w / draw_w) ** 0.6)


FRONTIER = Frontier(
    "llama", "m1", 8, tuple(point(cap_w, b) for cap_w in (200.0, 300.0, 400.0, 600.0) for b in FULL)
)


def engine(running: int = 8, waiting: int = 0, batch_limit: int = 32) -> EngineReading:
    return EngineReading(running, waiting, batch_limit, 64, 0.0, None, None, None)


def plant(tok_s: float, waiting: int = 0, running: int = 64) -> Plant:
    return Plant(tok_s, 2400.0, 2400.0, engine(running, waiting, running))


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


def settled(wanted: Order, reading: Plant, seconds: float, tuner: Tuner | None = None) -> Tuner:
    """The tuner after so many seconds of the same order and the same readings."""
    tuner = tuner or Tuner()
    start_s = tuner.at_s
    for half in range(1, round(2 * seconds) + 1):
        tuner = tune(tuner, wanted, reading, start_s + half / 2)
    return tuner


def test_the_best_tokens_per_joule_among_those_that_meet_the_target() -> None:
    for target_tok_s, cap_w in ((1300.0, 200.0), (1700.0, 300.0), (2000.0, 400.0)):
        tuner = settled(order(4800.0, target_tok_s), plant(target_tok_s, waiting=20), 1.0)
        assert tuner.choice == Choice(cap_w, 64)


def test_a_host_that_draws_much_makes_faster_points_the_cheaper_ones() -> None:
    heavy = replace(order(4800.0, 1300.0), service=Service(host_w=20_000.0))
    assert settled(heavy, plant(1400.0, waiting=20), 1.0).choice == Choice(None, 64)


@pytest.mark.parametrize("target_tok_s", [None, 9999.0])
def test_without_a_reachable_target_the_whole_ceiling_is_used(target_tok_s: float | None) -> None:
    choice = settled(order(2900.0, target_tok_s), plant(2000.0, waiting=20), 1.0).choice
    assert choice == Choice(None, 64)


def test_without_a_target_the_whole_ceiling_stays_in_use_however_slow_it_proves() -> None:
    wanted = order(4800.0, None)
    tuner = settled(wanted, plant(2600.0, waiting=20), 1.0)
    assert tuner.choice == Choice(None, 64)
    slow = Plant(1500.0, 4600.0, 4800.0, engine(64, 20, 64))
    for _ in range(8):
        tuner = settled(wanted, slow, 10.0, tuner)
        assert tuner.choice.cap_w is None


def test_below_the_lowest_cap_the_largest_batch_of_the_lowest_serves() -> None:
    assert settled(order(800.0, 100.0), plant(100.0), 1.0).choice == Choice(None, 64)


def test_without_a_fitting_frontier_only_the_ceiling_counts() -> None:
    bare = replace(order(3000.0, 100.0), frontier=None)
    assert settled(bare, plant(100.0), 1.0).choice == Choice()
    assert settled(replace(order(3000.0, 100.0), cards=4), plant(100.0), 1.0).choice == Choice()


def test_a_new_ceiling_chooses_at_once() -> None:
    tuner = settled(order(4800.0, 1700.0), plant(1760.0, waiting=20), 20.0)
    assert tuner.choice == Choice(300.0, 64)
    tuner = tune(tuner, order(1700.0, 1700.0), plant(1760.0, waiting=20), 20.5)
    assert tuner.choice == Choice(None, 64)


def test_a_node_slower_than_its_model_moves_to_a_stronger_point_and_remembers() -> None:
    tuner, wanted = Tuner(), order(4800.0, 1700.0)
    for half in range(1, 120):
        cap_w = 600.0 if tuner.choice.cap_w is None else tuner.choice.cap_w
        truth = point(cap_w, tuner.choice.batch or 64)
        reading = Plant(0.92 * truth.tok_s, truth.power_w, 8 * cap_w, engine(truth.batch, 20, 64))
        tuner = tune(tuner, wanted, reading, half / 2)
    assert tuner.choice == Choice(400.0, 64)
    assert tuner.beliefs.of((300.0, None, 64)).tok == pytest.approx(0.92, abs=0.02)


def test_a_shortfall_without_waiting_requests_is_lack_of_demand() -> None:
    tuner = settled(order(4800.0, 1700.0), plant(500.0, running=10), 20.0)
    assert (tuner.pressure, tuner.choice.cap_w) == (0.0, 200.0)


def test_points_that_are_too_slow_for_the_latency_objective_are_left_alone() -> None:
    points = tuple(replace(p, itl_p99_ms=p.batch * 2.0) for p in FRONTIER.points)
    wanted = replace(
        order(4800.0, 2300.0),
        frontier=replace(FRONTIER, points=points),
        service=Service(itl_p99_ms=70.0),
    )
    assert settled(wanted, plant(1500.0, waiting=20, running=32), 5.0).choice.batch == 32


def test_a_batch_that_fills_calls_for_more_where_the_first_token_is_promised() -> None:
    wanted = replace(order(4800.0, 1200.0), service=Service(ttft_p99_ms=500.0))
    calm = settled(wanted, Plant(1100.0, 1600.0, 1600.0, engine(36, 0, 64)), 30.0)
    assert (calm.choice, calm.pressure) == (Choice(200.0, 64), 0.0)
    pressed = settled(wanted, Plant(1100.0, 1600.0, 1600.0, engine(64, 40, 64)), 3.0, calm)
    assert pressed.pressure > 0.2
    assert pressed.choice.cap_w != 200.0


def test_a_small_gain_is_not_worth_a_move() -> None:
    flat = tuple(Candidate(cap, 16, cap * 5.0, cap * 3.0) for cap in (200.0, 202.0))
    wanted = replace(order(1600.0, 500.0), frontier=replace(FRONTIER, points=flat))
    reading = Plant(600.0, 1000.0, 1600.0, engine(16, 20, 16))
    first = settled(wanted, reading, 1.0)
    assert first.choice.cap_w is None
    assert settled(wanted, reading, 60.0, first).choice == first.choice


def test_a_model_that_is_sent_again_forgets_nothing() -> None:
    tuner = settled(order(4800.0, 1700.0), plant(1600.0, waiting=20), 30.0)
    again = replace(FRONTIER, points=tuple(replace(point) for point in FRONTIER.points))
    moved = replace(order(4700.0, 1700.0), frontier=again)
    assert tune(tuner, moved, plant(1600.0, waiting=20), 30.5).beliefs == tuner.beliefs


def test_what_was_measured_across_a_silence_or_another_ceiling_is_not_believed() -> None:
    tuner = settled(order(4800.0, 1700.0), plant(1760.0, waiting=20), 12.0)
    assert tuner.block.seconds > 0
    late = tune(tuner, order(4800.0, 1700.0), plant(100.0, waiting=20), 40.0)
    assert (late.block.seconds, late.pressure) == (0.0, tuner.pressure)
    moved = tune(tuner, order(4000.0, 1700.0), plant(1760.0, waiting=20), 12.5)
    assert moved.block.seconds == 0.0


def test_a_ceiling_that_wanders_learns_at_the_measured_caps_alone() -> None:
    tuner = Tuner()
    for step in range(40):
        tuner = settled(order(3000.0 + step, None), plant(2000.0, waiting=20), 16.0, tuner)
    assert {cap_w for cap_w, _, _ in tuner.beliefs.cells} <= {200.0, 300.0, 400.0, 600.0}


def test_points_that_serve_nothing_are_left_out() -> None:
    empty = (Candidate(200.0, 8, 0.0, 0.0), Candidate(300.0, 8, 900.0, 0.0))
    wanted = replace(order(4800.0, 100.0), frontier=replace(FRONTIER, points=empty))
    assert settled(wanted, plant(100.0), 2.0).choice == Choice()


@given(st.floats(100.0, 6000.0), st.floats(100.0, 3000.0), st.floats(0.0, 4000.0))
def test_no_choice_ever_asks_for_more_than_the_ceiling(
    ceiling_w: float, target_tok_s: float, tok_s: float
) -> None:
    choice = settled(order(ceiling_w, target_tok_s), plant(tok_s, waiting=9), 5.0).choice
    assert choice.cap_w is None or choice.cap_w * 8 <= ceiling_w + 1e-3


def test_the_batch_goes_down_at_once_and_up_in_steps_when_the_caps_are_there() -> None:
    assert batch_of(engine(batch_limit=32), 16, reached=False) == 16
    assert batch_of(engine(batch_limit=32), 64, reached=False) is None
    assert batch_of(engine(batch_limit=32), 64, reached=True) == 36
    assert batch_of(engine(batch_limit=32), 999, reached=True) == 36
    assert batch_of(engine(batch_limit=62), 999, reached=True) == 64
    assert batch_of(engine(batch_limit=32), 32, reached=True) is None
    assert batch_of(None, 16, reached=True) is None
