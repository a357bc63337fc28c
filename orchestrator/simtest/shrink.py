"""The shortest scenario that still fails: asks and faults are left out while it does."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from orchestrator.simtest.faults import Fault
from orchestrator.simtest.scenario import Ask, Scenario

Item = TypeVar("Item", Ask, Fault)
MOST_TRIES = 60


def shrink(scenario: Scenario, fails: Callable[[Scenario], bool]) -> Scenario:
    """A scenario that fails with as few faults and asks as was found within MOST_TRIES runs."""
    tries = 0

    def still(candidate: Scenario) -> bool:
        nonlocal tries
        tries += 1
        return tries <= MOST_TRIES and fails(candidate)

    faults = _fewest(scenario.faults, lambda kept: still(replace(scenario, faults=kept)))
    scenario = replace(scenario, faults=faults)
    asks = _fewest(scenario.asks, lambda kept: still(replace(scenario, asks=kept)))
    return replace(scenario, asks=asks)


def _fewest(items: Sequence[Item], fails: Callable[[tuple[Item, ...]], bool]) -> tuple[Item, ...]:
    """Leave out runs of items, long ones first, then single ones, as long as it fails."""
    kept, size = tuple(items), max(1, len(items) // 2)
    while kept and size:
        at = 0
        while at < len(kept):
            candidate = kept[:at] + kept[at + size :]
            if fails(candidate):
                kept = candidate
            else:
                at += size
        size //= 2
    return kept
