"""Which caps the guard writes, in which order, and whose hand it leaves alone."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from agents.core.effects import WriteCap, WriteResult
from agents.core.guard import Demand, Guard, observe, plan, settle
from agents.core.level import level
from orchestrator.domain.telemetry import CardReading


def card(uuid: str, enforced_w: float, low_w: float = 100.0, high_w: float = 700.0) -> CardReading:
    return CardReading(uuid, enforced_w, enforced_w, 0.0, low_w, high_w, high_w)


def see(guard: Guard, limits_w: Mapping[str, float]) -> Guard:
    return observe(guard, [card(uuid, limit_w) for uuid, limit_w in limits_w.items()])


def done(guard: Guard, writes: tuple[WriteCap, ...], error: str | None = None) -> Guard:
    return settle(guard, [WriteResult(write.uuid, write.limit_w, error) for write in writes])


def lease(ceiling_w: float, cap_w: float | None = None) -> Demand:
    return Demand(ceiling_w, cap_w, may_raise=True)


def test_a_lower_ceiling_is_shared_equally_at_once() -> None:
    guard = see(Guard(), {"a": 700.0, "b": 700.0})
    _, writes = plan(guard, lease(875.0))
    assert writes == (WriteCap("a", 437.5, raises=False), WriteCap("b", 437.5, raises=False))


def test_a_raise_waits_until_the_decrease_that_pays_for_it_is_read_back() -> None:
    guard = see(Guard(), {"a": 700.0, "b": 100.0})
    guard, writes = plan(guard, lease(800.0))
    assert writes == (WriteCap("a", 400.0, raises=False),)
    guard, writes = plan(done(guard, writes), lease(800.0))
    assert writes == ()
    _, writes = plan(see(guard, {"a": 400.0, "b": 100.0}), lease(800.0))
    assert writes == (WriteCap("b", 400.0, raises=True),)


def test_without_a_lease_nothing_rises() -> None:
    guard = see(Guard(), {"a": 200.0, "b": 600.0})
    _, writes = plan(guard, Demand(700.0, None, may_raise=False))
    assert writes == (WriteCap("b", 500.0, raises=False),)


def test_a_card_that_did_not_answer_stops_every_raise_but_no_decrease() -> None:
    guard = see(see(Guard(), {"a": 300.0, "b": 300.0}), {"a": 300.0})
    assert guard.enforced_w is None
    assert plan(guard, lease(1000.0))[1] == ()
    assert len(plan(guard, lease(400.0))[1]) == 2


def test_a_write_that_does_not_return_is_charged_at_the_higher_of_old_and_new() -> None:
    guard = see(Guard(), {"a": 300.0, "b": 300.0})
    guard, writes = plan(guard, lease(800.0))
    assert [write.limit_w for write in writes] == [400.0, 400.0]
    guard = see(done(guard, writes[:1]), {"a": 400.0, "b": 300.0})
    assert guard.pending
    assert guard.charge_w == 800.0
    guard, writes = plan(guard, lease(600.0))
    assert writes == (WriteCap("a", 200.0, raises=False),)


def test_a_write_that_was_never_read_back_stays_charged_under_a_newer_one() -> None:
    guard = see(Guard(), {"a": 300.0})
    guard, up = plan(guard, lease(500.0))
    guard, down = plan(done(guard, up), lease(200.0))
    guard = done(guard, down, "driver error")
    assert guard.charge_w == 500.0


def test_a_decrease_that_nobody_read_back_is_not_undone_without_a_lease() -> None:
    guard = see(Guard(), {"a": 400.0, "b": 400.0})
    guard, writes = plan(guard, lease(400.0))
    _, writes = plan(done(guard, writes), Demand(600.0, None, may_raise=False))
    assert writes == ()


def test_a_failed_write_is_tried_again() -> None:
    guard = see(Guard(), {"a": 700.0})
    guard, writes = plan(guard, lease(400.0))
    guard = see(done(guard, writes, "no permission"), {"a": 700.0})
    assert plan(guard, lease(400.0))[1] == writes


def test_a_cap_below_a_cards_range_is_clamped_counted_and_paid_for_by_the_others() -> None:
    guard = observe(Guard(), [card("a", 700.0, low_w=400.0), card("b", 700.0)])
    guard, writes = plan(guard, lease(600.0))
    assert {write.uuid: write.limit_w for write in writes} == {"a": 400.0, "b": 200.0}
    assert (guard.clamped_up, guard.clamped_down, guard.short_w) == (1, 0, 0.0)


def test_a_cap_above_a_cards_range_is_clamped_and_counted() -> None:
    guard = see(Guard(), {"a": 500.0})
    guard, writes = plan(guard, lease(2000.0))
    assert writes == (WriteCap("a", 700.0, raises=True),)
    assert (guard.clamped_up, guard.clamped_down) == (0, 1)


def test_a_ceiling_below_every_range_is_reported_as_short() -> None:
    guard, writes = plan(see(Guard(), {"a": 300.0, "b": 300.0}), lease(150.0))
    assert [write.limit_w for write in writes] == [100.0, 100.0]
    assert 49.0 < guard.short_w < 51.0


def settled(limits_w: Mapping[str, float], ceiling_w: float) -> Guard:
    guard, writes = plan(see(Guard(), limits_w), lease(ceiling_w))
    guard = see(done(guard, writes), {uuid: ceiling_w / len(limits_w) for uuid in limits_w})
    guard, writes = plan(guard, lease(ceiling_w))
    assert writes == ()
    return guard


def test_a_limit_that_another_hand_lowered_is_reported_and_kept() -> None:
    guard = see(settled({"a": 700.0, "b": 700.0}, 800.0), {"a": 250.0, "b": 400.0})
    assert guard.foreign == ("a",)
    guard, writes = plan(guard, lease(1000.0))
    assert writes == (WriteCap("b", 700.0, raises=True),)


def test_a_limit_that_another_hand_raised_is_left_alone_until_the_ceiling_changes() -> None:
    guard = see(settled({"a": 700.0, "b": 700.0}, 800.0), {"a": 600.0, "b": 400.0})
    assert guard.foreign == ("a",)
    guard, writes = plan(guard, lease(800.0))
    assert writes == (WriteCap("b", 200.0, raises=False),)
    guard = see(done(guard, writes), {"a": 600.0, "b": 200.0})
    guard, writes = plan(guard, lease(790.0))
    assert writes == (WriteCap("a", 395.0, raises=False),)


def test_without_a_lease_a_limit_that_another_hand_raised_comes_down_again() -> None:
    guard = see(settled({"a": 700.0, "b": 700.0}, 800.0), {"a": 600.0, "b": 400.0})
    guard, writes = plan(guard, Demand(800.0, None, may_raise=False))
    assert writes == (WriteCap("a", 400.0, raises=False),)
    guard = see(see(done(guard, writes), {"a": 400.0, "b": 400.0}), {"a": 600.0, "b": 400.0})
    assert plan(guard, Demand(800.0, None, may_raise=False))[1] == writes


def test_another_hand_before_the_first_setpoint_is_not_held_against_the_lease() -> None:
    guard = see(see(Guard(), {"a": 700.0}), {"a": 300.0})
    assert guard.foreign == ("a",)
    guard, writes = plan(guard, lease(500.0))
    assert (guard.foreign, writes) == ((), (WriteCap("a", 500.0, raises=True),))


def test_raises_that_return_without_effect_are_another_hands_cap_and_not_repeated_for_ever() -> (
    None
):
    guard, made = see(Guard(), {"a": 300.0}), 0
    for _ in range(10):
        guard, writes = plan(guard, lease(500.0))
        made += len(writes)
        guard = see(done(guard, writes), {"a": 300.0})
    assert guard.foreign == ("a",)
    assert made == 3


def test_a_driver_that_rounds_to_whole_watts_is_not_written_again_and_again() -> None:
    guard, writes = plan(see(Guard(), {"a": 700.0}), lease(437.5))
    guard = see(done(guard, writes), {"a": 437.0})
    assert plan(guard, lease(437.5))[1] == ()
    assert guard.foreign == ()


bounds = st.lists(st.tuples(st.floats(0, 700), st.floats(0, 700)), min_size=1, max_size=9)


@given(bounds, st.floats(0, 7000))
def test_levelled_caps_keep_their_bounds_fill_the_total_and_are_equal_between(
    pairs: list[tuple[float, float]], total_w: float
) -> None:
    lows, highs = [min(pair) for pair in pairs], [max(pair) for pair in pairs]
    caps = level(total_w, lows, highs)
    slack_w = 0.002 * len(caps)
    assert sum(caps) <= max(total_w, sum(lows)) + 1e-6
    assert sum(caps) >= min(max(total_w, sum(lows)), sum(highs)) - slack_w
    free = []
    for cap, low, high in zip(caps, lows, highs, strict=True):
        assert low <= cap <= high + 1e-6
        if low + 0.01 < cap < high - 0.01:
            free.append(cap)
    assert max(free, default=0.0) - min(free, default=0.0) <= 0.002
