"""Fail-safe caps, overhead and uncontrolled load fit under every limit, and the firm one."""

from dataclasses import replace

import pytest

from orchestrator.control.view import view
from orchestrator.domain.budget import GridPolicy
from orchestrator.domain.errors import UnsafeChange
from orchestrator.domain.eventbook import EventBook
from orchestrator.domain.failsafe import best_effort, check_affordable, unaffordable
from orchestrator.domain.timeline import Ceiling, bounds_at, signal_ceilings
from orchestrator.messages import SignalCancelled, SignalReceived
from tests.control_bench import SETTINGS, Bench, sends
from tests.site_samples import at, signal, two_racks

NEED_W = 4 * 700.0 + 200.0


def test_a_site_that_can_afford_silence() -> None:
    tree = replace(two_racks(), firm_limit_w=NEED_W)
    assert unaffordable(tree) == []
    check_affordable(tree)


def test_the_firm_limit_counts_even_below_the_contract() -> None:
    tree = replace(two_racks(), firm_limit_w=NEED_W - 1)
    assert unaffordable(tree) == [
        "site: fail-safe caps with overhead and uncontrolled load come to 3000 W, above 2999 W"
    ]
    with pytest.raises(UnsafeChange, match="Lower the fail-safe caps"):
        check_affordable(tree)


def test_a_rack_counts_by_itself() -> None:
    tree = two_racks()
    rack = replace(tree.limits[1], limit_w=1449.0)
    problems = unaffordable(replace(tree, limits=(tree.limits[0], rack, tree.limits[2])))
    assert [words.split(":")[0] for words in problems] == ["rack-1"]


def test_a_ceiling_that_fail_safe_caps_exceed_is_best_effort_and_says_so() -> None:
    tree = two_racks()
    cut = ceiling_at("rack-1", 1449.0)
    bound = bounds_at(tree, [cut], at(1).utc)["rack-1"]
    assert bound.limit_w == 1449
    assert bound.reason == (
        "limit utility/one; below 1450 W, the least that is guaranteed here: met as best effort"
    )
    met = bounds_at(tree, [replace(cut, limit_w=1450.0)], at(1).utc)["rack-1"]
    assert met.reason == "limit utility/one"


def test_the_facility_guarantees_nothing_below_its_firm_limit() -> None:
    assert best_effort(two_racks(), "site", 3199.0).startswith("below 3200 W")
    assert best_effort(two_racks(), "site", 3200.0) == ""


@pytest.mark.parametrize(("limit_w", "guaranteed"), [(1450.0, True), (1449.0, False)])
def test_the_event_record_of_a_rack_says_whether_it_is_guaranteed(
    limit_w: float, guaranteed: bool
) -> None:
    book = EventBook(two_racks(), 300.0)
    (record,) = book.open(signal(value=limit_w, limit_id="rack-1"), at(0).utc)
    assert record.guaranteed is guaranteed


def test_a_site_that_cannot_afford_silence_tightens_only_and_says_so() -> None:
    bench = Bench()
    bench.state.hold_raises(["site: too little"])
    bench.run(2)
    bench.step(SignalReceived(signal(value=4000.0), stored=True))
    bench.step(SignalCancelled(signal().key))
    bench.run(3 * SETTINGS.ttl_s)
    assert sends(bench.effects, "decrease")
    assert sends(bench.effects, "raise") == []
    assert view(bench.state, at(bench.now_s)).tighten_only == ("site: too little",)


def test_an_affordable_site_holds_no_raises_back() -> None:
    bench = Bench()
    bench.state.hold_raises([])
    bench.settle()
    assert sends(bench.effects, "raise")


def ceiling_at(limit_id: str, limit_w: float) -> Ceiling:
    (found,) = signal_ceilings(
        two_racks(), [signal(value=limit_w, limit_id=limit_id)], GridPolicy(), {}
    )
    return found
