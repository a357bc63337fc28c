"""The simulated serving engine: admission, draining, losses."""

import pytest

from integrations.twin.cards import GPUS
from integrations.twin.engine import PATIENCE_S, QUEUE_FACTOR, Engine
from integrations.twin.serving import MODELS, operate
from orchestrator.domain.errors import EngineError, InvalidInput

STEP_S = 0.05
FULL = [1.0] * 8


def engine() -> Engine:
    return Engine(GPUS["H100"], MODELS["llama-3.1-70b"], 8)


def run(target: Engine, start_s: float, seconds: float, lengths: list[float]) -> float:
    steps = round(seconds / STEP_S)
    for index in range(steps):
        target.step(start_s + index * STEP_S, lengths, FULL, STEP_S)
    return start_s + steps * STEP_S


def accounted(target: Engine) -> int:
    total = target.total
    return total.finished + total.dropped + target.running + target.waiting


def test_lowering_the_batch_drains_and_loses_nothing() -> None:
    target = engine()
    now_s = run(target, 0.0, 20.0, [300.0, 300.0])
    before = target.running
    target.set_batch_limit(before // 2)
    target.step(now_s, [], FULL, STEP_S)
    assert target.running > 0.9 * before
    now_s = run(target, now_s + STEP_S, 15.0, [300.0])
    assert target.running <= before // 2
    assert target.total.dropped == 0
    assert accounted(target) == target.total.requests
    run(target, now_s, 60.0, [])
    assert (target.running, target.waiting) == (0, 0)
    assert target.total.tokens == pytest.approx(300.0 * target.total.requests)


def test_a_saturated_engine_serves_what_the_steady_state_says() -> None:
    target = engine()
    now_s = run(target, 0.0, 20.0, [300.0] * 3)
    assert target.running > 0.98 * target.max_batch
    before = target.generation_tokens
    run(target, now_s, 10.0, [300.0] * 3)
    point = operate(GPUS["H100"], target.model, 8, 700, target.max_batch)
    assert (target.generation_tokens - before) / 10.0 == pytest.approx(point.tok_s, rel=0.02)
    latencies = target.latencies()
    assert latencies.itl_mean_ms == pytest.approx(point.itl_mean_ms, rel=0.02)
    assert latencies.itl_p95_ms == pytest.approx(point.itl_p95_ms, rel=0.02)
    assert latencies.itl_p99_ms == pytest.approx(point.itl_p99_ms, rel=0.02)


def test_waiting_shows_in_the_time_to_the_first_token() -> None:
    target = engine()
    now_s = run(target, 0.0, 3.0, [300.0])
    assert target.latencies().ttft_p95_ms == pytest.approx(target.model.prefill_ms)
    target.set_batch_limit(30)
    run(target, now_s, 15.0, [300.0])
    latencies = target.latencies()
    assert latencies.ttft_p95_ms is not None
    assert latencies.ttft_p95_ms > 5000.0


def test_requests_out_of_patience_are_dropped_and_counted() -> None:
    target = engine()
    target.set_batch_limit(1)
    run(target, 0.0, 2.0, [2000.0])
    assert target.total.dropped == 0
    run(target, PATIENCE_S, 3.0, [])
    assert target.total.dropped > 0
    assert target.total.tokens_dropped == 2000.0 * target.total.dropped
    assert accounted(target) == target.total.requests


def test_the_queue_is_bounded() -> None:
    target = engine()
    target.step(0.0, [100.0] * (10 * QUEUE_FACTOR * target.max_batch), FULL, STEP_S)
    assert target.running + target.waiting == QUEUE_FACTOR * target.max_batch
    assert accounted(target) == target.total.requests


def test_a_slow_card_slows_only_its_own_replica() -> None:
    target = engine()
    one_slow = [0.5, *FULL[1:]]
    paces = [
        target.model.steps_per_s(target.gpu, 128, clocks) for clocks in (FULL, one_slow, [0.5] * 8)
    ]
    assert paces[1] == pytest.approx((paces[0] + paces[2]) / 2)


def test_an_idle_engine_does_not_invent_latencies() -> None:
    assert engine().latencies().itl_p95_ms is None
    assert engine().latencies().ttft_p95_ms is None


@pytest.mark.parametrize("limit", [0, -1, 513])
def test_a_batch_limit_outside_the_range_is_refused(limit: int) -> None:
    target = engine()
    with pytest.raises(InvalidInput, match="1-512"):
        target.set_batch_limit(limit)
    assert target.batch_limit == 512


def test_a_stopped_engine_refuses_and_counts_what_it_lost() -> None:
    target = engine()
    run(target, 0.0, 2.0, [300.0])
    target.stop()
    target.step(2.0, [300.0], FULL, STEP_S)
    assert target.running == 0
    assert accounted(target) == target.total.requests
    with pytest.raises(EngineError, match="starting"):
        target.set_batch_limit(8)
