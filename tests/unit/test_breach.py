"""The life of a breach: when it opens, worsens, and is resolved."""

from dataclasses import replace

import pytest

from orchestrator.domain.breach import Breach, BreachBook, Evidence
from tests.site_samples import at

KEPT = Evidence("site", 1000.0, 900.0, 900.0, "contract limit")


def book_after(*seen: tuple[float, Evidence]) -> BreachBook:
    found = BreachBook()
    for second, evidence in seen:
        found.update(evidence, at(second))
    return found


def metered(watts: float | None, exposed_w: float = 900.0) -> Evidence:
    return replace(KEPT, metered_w=watts, exposed_w=exposed_w)


def lasting(evidence: Evidence, since_s: int, until_s: int) -> list[tuple[float, Evidence]]:
    """The same every second, both ends included."""
    return [(float(second), evidence) for second in range(since_s, until_s + 1)]


def only(book: BreachBook) -> Breach:
    (found,) = book.standing()
    return found


def test_two_seconds_above_a_limit_are_no_breach() -> None:
    assert book_after(*lasting(metered(1010.0), 0, 2)).standing() == ()


def test_a_breach_opens_as_a_warning_after_two_seconds() -> None:
    breach = only(book_after(*lasting(metered(1010.0), 0, 3)))
    assert (breach.status, breach.started_at, breach.warning_at) == (
        "warning", at(0).utc, at(3).utc,
    )  # fmt: skip
    assert (breach.worst_w, breach.excess_ws) == (10.0, 30.0)
    assert breach.measured


def test_two_short_excesses_do_not_add_up() -> None:
    up, down = metered(1010.0), metered(990.0)
    seen = [(float(t), up if t % 3 else down) for t in range(30)]
    assert book_after(*seen).standing() == ()


@pytest.mark.parametrize(
    ("watts", "until_s", "status"),
    [(1030.0, 4, "critical"), (1010.0, 10, "warning"), (1010.0, 11, "critical"),
     (1010.0, 30, "critical"), (1010.0, 31, "escalated"), (1500.0, 31, "escalated")],
)  # fmt: skip
def test_severity_comes_from_how_much_and_how_long(watts: float, until_s: int, status: str) -> None:
    assert only(book_after(*lasting(metered(watts), 0, until_s))).status == status


def test_exposures_above_a_limit_that_its_meter_keeps_stay_a_warning() -> None:
    breach = only(book_after(*lasting(metered(900.0, exposed_w=1500.0), 0, 60)))
    assert (breach.status, breach.measured, breach.worst_w) == ("warning", False, 500.0)


def test_without_a_meter_exposures_count_for_severity() -> None:
    assert only(book_after(*lasting(metered(None, 1500.0), 0, 31))).status == "escalated"


def test_nothing_armed_nothing_exposed() -> None:
    unarmed = replace(KEPT, exposed_w=None, metered_w=None)
    assert book_after(*lasting(unarmed, 0, 60)).standing() == ()


def test_ten_seconds_under_the_limit_resolve_it() -> None:
    book = book_after(*lasting(metered(1010.0), 0, 4), *lasting(metered(990.0), 5, 14))
    assert only(book).status == "warning"
    record = book.update(metered(990.0), at(15))
    assert record is not None
    assert (record.status, record.resolved_at, record.excess_ws) == ("resolved", at(15).utc, 50.0)
    assert book.standing() == ()


def test_an_excess_starts_the_ten_seconds_anew() -> None:
    up, down = metered(1010.0), metered(990.0)
    seen = [*lasting(up, 0, 4), *lasting(down, 5, 13), (14.0, up), *lasting(down, 15, 24)]
    assert only(book_after(*seen)).status == "warning"


def test_a_meter_that_dies_leaves_its_breach_open_and_says_so() -> None:
    seen = [*lasting(metered(1010.0), 0, 12), *lasting(metered(None), 13, 300)]
    breach = only(book_after(*seen))
    assert (breach.status, breach.known) == ("critical", False)
    assert breach.excess_ws == 120.0


def test_a_meter_that_comes_back_resolves_it_after_ten_seconds_of_its_own() -> None:
    seen = [*lasting(metered(1010.0), 0, 4), *lasting(metered(None), 5, 60)]
    seen += lasting(metered(900.0), 61, 70)
    assert only(book_after(*seen)).known
    assert book_after(*seen, (71.0, metered(900.0))).standing() == ()


def test_once_the_meter_shows_it_only_the_meter_counts() -> None:
    seen = [*lasting(metered(900.0, 1500.0), 0, 5), *lasting(metered(1010.0, 1500.0), 6, 8)]
    breach = only(book_after(*seen))
    assert (breach.measured, breach.worst_w, breach.excess_ws) == (True, 10.0, 20.0)


def test_a_restart_goes_on_with_an_escalated_breach() -> None:
    left = only(book_after(*lasting(metered(1010.0), 0, 31)))
    book = BreachBook()
    book.restore([left], at(100))
    assert book.escalated() == {"site"}
    assert book.update(metered(1010.0), at(101)) is None
    assert only(book).status == "escalated"


def test_records_are_made_when_something_changes_and_every_ten_seconds() -> None:
    book = BreachBook()
    records = [book.update(metered(1010.0), at(t)) for t in range(32)]
    stored = [(t, r.status) for t, r in enumerate(records) if r is not None]
    assert stored == [(3, "warning"), (11, "critical"), (21, "critical"), (31, "escalated")]
