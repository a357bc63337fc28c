"""The life of an event: scheduled, active, recovering, completed; or cancelled on the way."""

from dataclasses import replace

import pytest

from orchestrator.domain.budget import GridPolicy
from orchestrator.domain.eventbook import EventBook
from orchestrator.domain.events import EventRecord
from orchestrator.domain.signals import Signal, SignalKey
from orchestrator.domain.timeline import bounds_at, in_force, signal_ceilings
from tests.site_samples import at, signal, two_racks

TREE = two_racks(60_000.0)
RECOVERY_S = 100.0


class Life:
    """An event book that is moved on in time, with the signals that it belongs to."""

    def __init__(self, *signals: Signal, metered_w: float | None = 50_000.0) -> None:
        self.book = EventBook(TREE, RECOVERY_S)
        self.signals: dict[SignalKey, Signal] = {}
        self.metered_w = metered_w
        for one in signals:
            self.hear(one)

    def hear(self, one: Signal) -> list[EventRecord]:
        self.signals[one.key] = one
        return self.book.open(one, one.issued_at)

    def until(self, now_s: float) -> list[EventRecord]:
        """Move to a time; returns the records that changed."""
        now = at(now_s).utc
        changed = self.book.start_due(self.signals.values(), now, lambda _: self.metered_w)
        ceilings = signal_ceilings(
            TREE, self.signals.values(), GridPolicy(), self.book.baselines_w()
        )
        changed += self.book.end_due(in_force(ceilings, now), self.signals, now)
        ended = [k for k, s in self.signals.items() if s.ends_at is not None and s.ends_at <= now]
        for key in ended:
            del self.signals[key]
        return changed

    def record(self, name: str = "one") -> EventRecord:
        return self.book.records[SignalKey("utility", name)]

    def recovery_w(self, now_s: float) -> float:
        return bounds_at(TREE, self.book.recovery_ceilings(), at(now_s).utc)["site"].limit_w


def statuses(records: list[EventRecord]) -> list[tuple[str, str]]:
    return [(record.key.id, record.status) for record in records]


def test_an_event_runs_from_scheduled_to_completed() -> None:
    life = Life(signal(starts_s=10, ends_s=60))
    assert life.record().status == "scheduled"
    assert life.until(9) == []
    assert statuses(life.until(10)) == [("one", "active")]
    assert statuses(life.until(60.2)) == [("one", "recovering")]
    assert life.record().ended_at == at(60).utc
    assert life.until(159) == []
    assert statuses(life.until(160)) == [("one", "completed")]
    assert life.book.records == {}


def test_prices_and_carbon_are_no_events() -> None:
    assert Life().hear(signal(kind="price", value=3.0)) == []


def test_a_replayed_signal_opens_no_second_event() -> None:
    life = Life(signal())
    life.until(1)
    assert life.hear(signal()) == []
    assert life.record().status == "active"


def test_the_baseline_is_frozen_at_the_start() -> None:
    life = Life(signal("cut", 0.3, kind="reduction", starts_s=10))
    life.until(10)
    life.metered_w = 35_000.0
    life.until(20)
    assert life.record("cut").baseline_w == 50_000
    assert life.record("cut").limit_w == pytest.approx(35_000)


def test_a_second_event_takes_over_the_first_ones_baseline() -> None:
    """Thirty per cent less, said twice, is not half."""
    life = Life(signal("cut", 0.3, kind="reduction"))
    life.until(1)
    life.metered_w = 35_000.0
    life.hear(signal("again", 0.3, kind="reduction", starts_s=20, ends_s=90, issued_s=20))
    life.until(20)
    assert life.record("again").baseline_w == 50_000
    assert life.record("again").limit_w == pytest.approx(35_000)


def test_a_recovery_that_is_over_passes_no_baseline_on() -> None:
    life = Life(signal("cut", 40_000.0))
    life.until(1)
    life.until(60)
    life.hear(signal("later", 40_000.0, starts_s=200, ends_s=300))
    life.metered_w = 45_000.0
    life.until(200)
    assert life.record("later").baseline_w == 45_000


def test_without_a_meter_an_event_has_no_baseline_and_no_recovery() -> None:
    life = Life(signal("cut", 0.3, kind="reduction"), metered_w=None)
    life.until(1)
    assert (life.record("cut").baseline_w, life.record("cut").limit_w) == (None, None)
    life.until(60)
    assert statuses(life.until(61)) == [("cut", "completed")]


def test_recovery_holds_the_baseline() -> None:
    life = Life(signal())
    life.until(1)
    life.until(60)
    assert [life.recovery_w(t) for t in (61, 159, 160)] == [50_000, 50_000, 60_000]


def test_a_baseline_of_zero_watts_is_a_baseline() -> None:
    life = Life(signal(), metered_w=0.0)
    life.until(1)
    life.until(60)
    assert life.recovery_w(61) == 0


def test_a_limit_of_zero_watts_is_an_event_that_is_not_guaranteed() -> None:
    life = Life(signal(value=0.0))
    life.until(1)
    assert (life.record().status, life.record().limit_w) == ("active", 0.0)
    assert not life.record().guaranteed
    assert statuses(life.until(60)) == [("one", "recovering")]


@pytest.mark.parametrize(("limit_w", "guaranteed"), [(3200.0, True), (3199.0, False)])
def test_a_limit_is_guaranteed_down_to_the_firm_limit(limit_w: float, guaranteed: bool) -> None:
    assert Life(signal(value=limit_w)).record().guaranteed is guaranteed


def test_a_cancelled_event_that_runs_leaves_its_recovery() -> None:
    life = Life(signal())
    life.until(1)
    assert statuses(life.book.cancel(signal().key, at(30).utc)) == [("one", "recovering")]
    assert life.recovery_w(31) == 50_000


def test_a_cancelled_event_that_has_not_begun_is_over() -> None:
    life = Life(signal(starts_s=10))
    assert statuses(life.book.cancel(signal().key, at(5).utc)) == [("one", "cancelled")]
    assert life.book.records == {}
    assert life.book.cancel(signal().key, at(6).utc) == []


def test_a_cancellation_after_the_end_neither_ends_the_recovery_nor_moves_the_end() -> None:
    life = Life(signal())
    life.until(1)
    life.until(60)
    assert life.book.cancel(signal().key, at(70).utc) == []
    assert life.record().ended_at == at(60).utc
    assert life.recovery_w(71) == 50_000


def test_a_newer_signal_of_the_same_source_replaces_an_event_until_it_ends() -> None:
    life = Life(signal("cut", 0.5, kind="reduction", ends_s=None))
    life.until(1)
    life.hear(signal("less", 0.1, kind="reduction", starts_s=10, ends_s=300, issued_s=10))
    assert statuses(life.until(10)) == [("less", "active"), ("cut", "recovering")]
    assert life.until(250) == []
    assert statuses(life.until(300)) == [("cut", "active"), ("less", "recovering")]
    assert life.record("cut").limit_w == 25_000


def test_an_event_restored_before_its_signal_goes_on() -> None:
    """The first step after a restart may come before the signals are read back."""
    life = Life(signal())
    life.until(1)
    life.signals.clear()
    assert life.until(2) == []
    life.hear(signal())
    assert life.until(3) == []
    assert life.record().status == "active"


def test_an_event_that_ended_while_nobody_looked_ended_when_it_was_planned_to() -> None:
    life = Life(signal())
    life.until(1)
    life.until(5000)
    assert life.until(5001)[0].ended_at == at(60).utc
    assert life.book.records == {}


def test_an_event_that_was_missed_altogether_is_completed_without_a_baseline() -> None:
    life = Life(signal(starts_s=10))
    life.signals.clear()
    (record,) = life.until(100)
    assert (record.status, record.baseline_w, record.ended_at) == ("completed", None, at(60).utc)


def test_events_of_other_limits_share_no_baseline() -> None:
    life = Life(signal("rack", 2000.0, limit_id="rack-1"))
    life.until(1)
    life.metered_w = 44_000.0
    life.hear(replace(signal("site", 40_000.0), starts_at=at(5).utc))
    life.until(5)
    assert life.record("site").baseline_w == 44_000
