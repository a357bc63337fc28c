"""Fail-safe caps, overhead and uncontrolled load fit under every limit, and the firm one."""

from dataclasses import replace

import pytest

from orchestrator.domain.errors import UnsafeChange
from orchestrator.domain.failsafe import check_affordable, unaffordable
from tests.site_samples import two_racks

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
