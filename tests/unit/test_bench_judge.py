"""What counts as short of the target, and what a run is worth."""

import numpy as np
import pytest

from integrations.twin.latency import BINS, LatencyLog
from integrations.twin.node import Deployment
from orchestrator.bench.pals.judge import judge
from orchestrator.bench.plant.node_run import Run
from orchestrator.bench.plant.objectives import Objectives
from orchestrator.bench.plant.schedule import Schedule, Stretch, in_turn, offered

ASKED = Schedule((Stretch(0.0, 1e6, 100.0),), 60.0)
ROOMY = Objectives(1e9, None)


def run(tok_s: list[float], waiting: int) -> Run:
    """One value of throughput for each window of ten seconds, at 50 W."""
    halves = [tok / 2.0 for tok in tok_s for _ in range(20)]
    return Run(ASKED, halves, [25.0] * len(halves), [waiting] * len(halves), [])


def test_tokens_per_joule_are_all_tokens_over_all_joules() -> None:
    verdict = judge(run([100.0, 50.0], 5), ROOMY)
    assert (verdict.tok_j, verdict.tok_s, verdict.wall_w) == (1.5, 75.0, 50.0)


def test_a_window_is_short_two_percent_below_its_target() -> None:
    assert judge(run([100.0, 98.5, 97.5, 50.0], 5), ROOMY).short == 0.5


def test_nothing_is_short_while_nobody_waits() -> None:
    assert judge(run([100.0, 10.0], 0), ROOMY).short == 0.0


def firsts(times_ms: list[float]) -> LatencyLog:
    """A log of first tokens and of nothing else."""
    at_s = np.arange(float(len(times_ms)))
    return LatencyLog(np.zeros(BINS), 0.0, at_s, np.array(times_ms, dtype=np.float64))


def test_a_late_window_is_one_whose_99th_percentile_is_above_the_objective() -> None:
    found = run([100.0] * 6, 0)
    found.logs = [firsts([]), firsts([10.0] * 50), firsts([10.0] * 50 + [3000.0] * 50)]
    assert judge(found, Objectives(1e9, 2000.0)).late_ttft == 0.5
    assert judge(found, Objectives(1e9, None)).late_ttft == 0.0


def test_stretches_follow_each_other_and_the_last_holds() -> None:
    schedule = in_turn((0.9, 0.6), 1000.0, 5000.0, 100.0)
    assert [schedule.at(s).target_tok_s for s in (0.0, 49.9, 50.0, 200.0)] == [900, 900, 600, 600]
    assert [(start, end) for _, start, end in schedule.spans()] == [(0.0, 50.0), (50.0, 100.0)]


def test_poisson_arrivals_ask_for_the_target() -> None:
    deployment = Deployment("A100", "gpt2", 4)
    schedule = in_turn((1.0,), 300.0, 1e6, 2000.0)
    requests = offered(deployment, "poisson", schedule, 3)
    assert requests.output_total / 2060.0 == pytest.approx(300.0, rel=0.1)
