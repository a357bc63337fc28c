"""The simulated serving engine of a site: admission, draining, losses."""

import numpy as np
import pytest

from integrations.twin.demand import LONGEST
from integrations.twin.deployment import Deployment
from integrations.twin.engine import PATIENCE_S, QUEUE_FACTOR, Engine, queue_room
from integrations.twin.machine import Machine
from integrations.twin.node import steady
from integrations.twin.state import REQUEST, Records
from orchestrator.domain.errors import EngineError, InvalidInput

STEP_S = 0.05
CHAT = Deployment("H100", "llama-3.1-70b", 8)


def engine() -> Engine:
    room = queue_room(CHAT.max_batch)
    return Engine(Machine(CHAT, room, longest=LONGEST, first_tokens=1000, seed=1))


def requests(now_s: float, count: int, output: int = 300) -> Records:
    made = np.zeros(count, REQUEST)
    made["arrival_s"], made["prompt"], made["output"] = now_s, 200, output
    return made


def run(target: Engine, seconds: float, per_step: int, output: int = 300) -> None:
    for _ in range(round(seconds / STEP_S)):
        now_s = target.machine.time_s
        target.offer(requests(now_s, per_step, output))
        target.machine.advance(now_s + STEP_S)


def accounted(target: Engine) -> int:
    total = target.total
    return total.finished + total.dropped + target.running + target.waiting


def test_lowering_the_batch_drains_and_loses_nothing() -> None:
    target = engine()
    run(target, 20.0, 2)
    before = target.running
    target.set_batch_limit(before // 2)
    run(target, STEP_S, 0)
    assert target.running > 0.8 * before
    run(target, 15.0, 1)
    assert target.running <= before // 2
    assert target.total.dropped == 0
    assert accounted(target) == target.total.requests
    run(target, 120.0, 0)
    assert (target.running, target.waiting) == (0, 0)
    assert target.total.tokens == 300.0 * target.total.requests


def test_a_saturated_engine_serves_what_the_steady_state_says() -> None:
    target = engine()
    random = np.random.default_rng(1)
    before = 0.0
    for step in range(1000):
        arriving = requests(target.machine.time_s, 3)
        arriving["prompt"], arriving["output"] = CHAT.workload.draw(3, random)
        target.offer(arriving)
        target.machine.advance((step + 1) * STEP_S)
        if step == 500:
            before = target.generation_tokens
    point = steady(CHAT, 700.0, CHAT.max_batch)
    assert target.running > 0.95 * target.max_batch
    made = target.generation_tokens - before
    assert made / (499 * STEP_S) == pytest.approx(point.tok_s, rel=0.06)
    assert target.latencies().itl_mean_ms == pytest.approx(point.itl_mean_ms, rel=0.10)


def test_waiting_shows_in_the_time_to_the_first_token() -> None:
    target = engine()
    run(target, 3.0, 1)
    ttft_ms = target.latencies().ttft_p95_ms
    assert ttft_ms is not None
    assert ttft_ms < 200.0
    target.set_batch_limit(30)
    run(target, 15.0, 1)
    ttft_ms = target.latencies().ttft_p95_ms
    assert ttft_ms is not None
    assert ttft_ms > 5000.0


def test_requests_out_of_patience_are_dropped_and_counted() -> None:
    target = engine()
    target.set_batch_limit(1)
    run(target, 2.0, 1, 2000)
    assert target.total.dropped == 0
    run(target, PATIENCE_S + 1.0, 0)
    assert target.total.dropped > 0
    assert target.total.tokens_dropped == 2000.0 * target.total.dropped
    assert accounted(target) == target.total.requests


def test_the_queue_is_bounded() -> None:
    target = engine()
    target.offer(requests(0.0, 10 * QUEUE_FACTOR * target.max_batch))
    assert target.waiting == QUEUE_FACTOR * target.max_batch
    assert accounted(target) == target.total.requests
    for _ in range(3):
        run(target, 5.0, 40)
        assert target.waiting <= QUEUE_FACTOR * target.max_batch
        assert accounted(target) == target.total.requests


def test_an_idle_engine_does_not_invent_latencies() -> None:
    latencies = engine().latencies()
    assert latencies.itl_p95_ms is None
    assert latencies.itl_p99_ms is None
    assert latencies.ttft_p99_ms is None


@pytest.mark.parametrize("limit", [0, -1, 513])
def test_a_batch_limit_outside_the_range_is_refused(limit: int) -> None:
    target = engine()
    with pytest.raises(InvalidInput, match="1-512"):
        target.set_batch_limit(limit)
    assert target.batch_limit == 512


def test_a_stopped_engine_refuses_and_counts_what_it_lost() -> None:
    target = engine()
    run(target, 2.0, 1)
    owed = 300.0 * target.total.requests - target.total.tokens
    target.stop()
    assert target.total.tokens_dropped == owed
    target.offer(requests(2.0, 1))
    assert (target.running, target.waiting) == (0, 0)
    assert accounted(target) == target.total.requests
    with pytest.raises(EngineError, match="starting"):
        target.set_batch_limit(8)
    target.start()
    assert target.generation_tokens == 0.0
    run(target, 2.0, 1)
    assert target.generation_tokens > 0.0
    assert accounted(target) == target.total.requests
