"""The meter's trim: fast up, slowly down, held and given back without a meter."""

from itertools import pairwise

import pytest

from orchestrator.domain.trim import Trim, TrimRules, integrate, modelled_w
from tests.site_samples import two_racks

RULES = TrimRules()
LIMIT_W = 10_000.0


def run(*stretches: tuple[float, float | None], begin: Trim | None = None) -> list[Trim]:
    """Every quarter of a second, for (seconds, excess) in order."""
    trim = begin or Trim(0.0)
    found = [trim]
    for seconds, excess_w in stretches:
        for _ in range(round(4 * seconds)):
            trim = integrate(trim, excess_w, LIMIT_W, trim.at_s + 0.25, RULES)
            found.append(trim)
    return found


def test_an_excess_is_corrected_in_full_within_two_decisions() -> None:
    trim = run((5.0, 400.0))[-1]
    assert (trim.kept_w, trim.quoted_w) == (400.0, 400.0)


def test_an_excess_shorter_than_a_decision_is_telemetry_that_lags() -> None:
    assert run((2.25, 400.0), (60.0, -10.0))[-1].kept_w == 0.0


def test_what_is_less_than_modelled_gives_nothing_away() -> None:
    assert {trim.quoted_w for trim in run((60.0, -800.0))} == {0.0}


def test_it_loosens_with_a_time_constant_of_a_minute() -> None:
    trim = run((5.0, 400.0), (2.5, 0.0), (60.0, 0.0))[-1]
    assert trim.kept_w == pytest.approx(400 / 2.718, rel=0.05)


def test_decisions_see_it_fall_no_more_often_than_every_five_of_theirs() -> None:
    quoted_w = [trim.quoted_w for trim in run((5.0, 400.0), (300.0, 0.0))]
    falls = [i for i, w in enumerate(quoted_w) if i and w < quoted_w[i - 1]]
    assert falls
    assert min((b - a) / 4 for a, b in pairwise(falls)) >= 12.5
    assert quoted_w[-1] == 0.0


def test_without_a_meter_it_stands_for_a_minute_and_is_given_back() -> None:
    held = run((5.0, 400.0), (60.0, None))
    assert held[-1].quoted_w == 400.0
    assert run((400.0, None), begin=held[-1])[-1].quoted_w == 0.0


def test_a_node_that_says_nothing_explains_all_that_it_is_charged_with() -> None:
    """100 W overhead and 200 W uncontrolled below the site; nobody reports but a."""
    charged_w = dict.fromkeys("abcd", 1000.0)
    reported_w = {"a": 700.0, "b": None, "c": None, "d": None}
    assert modelled_w(two_racks(), "site", reported_w, charged_w) == 800 + 3 * 1100 + 200
