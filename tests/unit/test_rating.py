"""Limits as electricians state them become watts, and what does not fit together is refused."""

from dataclasses import replace

import pytest

from orchestrator.domain.errors import InvalidTopology
from orchestrator.domain.failsafe import unaffordable
from orchestrator.domain.rating import Rated, Rating, rated
from orchestrator.domain.topology import Limit, Topology
from orchestrator.settings import LimitSettings
from tests.site_samples import two_racks

BREAKER = Rating(breaker_a=32.0, volts=400.0, phases=3, power_factor=0.95)


def test_plain_watts_are_taken_as_they_are() -> None:
    assert rated("a", Rating(limit_w=9000.0)) == Rated(9000.0, "")


def test_a_breaker_carries_80_percent_of_its_rating_for_a_continuous_load() -> None:
    found = rated("rack-1", BREAKER)
    assert found.limit_w == pytest.approx(3**0.5 * 400 * 32 * 0.95 * 0.8)
    assert found.derivation == (
        "sqrt(3) x 400 V x 32 A x power factor 0.95 x 80 % (continuous load)"
    )


def test_a_breaker_listed_for_100_percent_says_so() -> None:
    found = rated("rack-1", replace(BREAKER, continuous=False))
    assert found.limit_w == pytest.approx(3**0.5 * 400 * 32 * 0.95)
    assert "80 %" not in found.derivation


def test_a_single_phase_counts_the_volts_across_the_load() -> None:
    found = rated("l1", Rating(breaker_a=16.0, volts=230.0, phases=1, power_factor=1.0))
    assert found.limit_w == pytest.approx(230 * 16 * 0.8)


def test_apparent_power_is_derated_only_when_asked() -> None:
    ups = Rating(kva=100.0, power_factor=0.9)
    assert rated("ups", ups) == Rated(90_000.0, "100 kVA x power factor 0.9")
    assert rated("ups", replace(ups, continuous=True)).limit_w == pytest.approx(72_000)


@pytest.mark.parametrize(
    ("rating", "words"),
    [
        (Rating(), "exactly one of limit_w, breaker_a and kva, found none"),
        (Rating(limit_w=1.0, kva=1.0), "found limit_w and kva"),
        (Rating(breaker_a=16.0, phases=1), "breaker_a needs volts and power_factor"),
        (Rating(kva=16.0), "kva needs power_factor"),
        (Rating(limit_w=1.0, power_factor=0.9), "leave power_factor out; beside limit_w"),
        (Rating(limit_w=1.0, continuous=True), "leave continuous out; beside limit_w"),
        (Rating(kva=1.0, power_factor=0.9, volts=230.0), "leave volts out; beside kva"),
        (replace(BREAKER, phases=2), "phases must be 1 or 3, got 2"),
        (replace(BREAKER, power_factor=1.1), "power_factor must be above 0 and at most 1"),
        (replace(BREAKER, power_factor=float("nan")), "power_factor must be above 0"),
        (replace(BREAKER, breaker_a=0.0), "breaker_a must be above 0"),
        (replace(BREAKER, volts=float("inf")), "volts must be above 0 and finite"),
    ],
)
def test_a_bad_combination_is_one_line_that_names_the_limit(rating: Rating, words: str) -> None:
    with pytest.raises(InvalidTopology, match=words) as refused:
        rated("rack-1", rating)
    assert str(refused.value).startswith("limit rack-1: ")
    assert "\n" not in str(refused.value)


def test_the_derivation_goes_with_the_limit_and_into_errors() -> None:
    limit = LimitSettings(
        id="rack-1", kind="rack", parent="site", breaker_a=8, volts=208, phases=1, power_factor=1.0
    ).build()
    assert limit.limit_w == pytest.approx(8 * 208 * 0.8)
    tree = two_racks()
    (words,) = unaffordable(replace(tree, limits=(tree.limits[0], limit, tree.limits[2])))
    assert words.endswith("above 1331 W (208 V x 8 A x power factor 1 x 80 % (continuous load))")


def test_a_phase_is_part_of_another_limit() -> None:
    site = Limit("site", "facility", 9000.0)
    tree = Topology((site, Limit("l1", "phase", 3000.0, "site")), (), 1.0)
    assert tree.limit_by_id["l1"].kind == "phase"
    with pytest.raises(InvalidTopology, match="a phase needs a parent"):
        Topology((Limit("l1", "phase", 3000.0),), (), 1.0)
