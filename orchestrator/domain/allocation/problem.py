"""An allocation problem and its answer: limits, devices, and watts for each device."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Final

from orchestrator.domain.errors import InvalidInput

MAX_DEVICES: Final = 1_000_000
MAX_CELLS: Final = 20_000_000
"""Devices times the longest frontier: what bounds the memory of a solve to a few GiB."""
ALLOWED_LOSS: Final = (0.0, 0.10, 0.25, 0.50)
"""The fraction of its highest throughput that a device of tier 0, 1, 2, 3 may lose."""


@dataclass(frozen=True, slots=True)
class LimitRow:
    """A ceiling in watts on all devices below it. limit_w may be 0, which leaves the minima."""

    id: str
    parent: str | None
    limit_w: float


@dataclass(frozen=True, slots=True)
class Device:
    """Something that draws between min_w and max_w: a node or a card.

    limits: the lowest limits it hangs on, one in a tree, two under A/B feeds.
    tier: flexibility 0..3. priority: within a tier the larger keeps its service floor longer.
    weight: what one of its tokens is worth. target_tok_s: used by policies that meet targets.
    points: (draw in watts, tok/s) by rising watts; without any the device is taken to buy
        tokens in proportion to watts, at the mean rate of the devices that have points.
    """

    id: str
    limits: tuple[str, ...]
    min_w: float
    max_w: float
    tier: int = 1
    priority: int = 0
    weight: float = 1.0
    target_tok_s: float | None = None
    points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """Limits and devices, checked. A child limit may exceed its parent's: it then never binds.

    Raises InvalidInput for duplicate or unknown ids, cycles, bad numbers, points that do not
    rise, and more than MAX_DEVICES devices. Minima above a limit are no error: see Result.unmet.
    """

    limits: tuple[LimitRow, ...]
    devices: tuple[Device, ...]

    def __post_init__(self) -> None:
        if len(self.devices) > MAX_DEVICES:
            raise InvalidInput(
                f"{len(self.devices):,} devices: at most {MAX_DEVICES:,}, split the facility"
            )
        longest = max((len(device.points) for device in self.devices), default=0)
        if len(self.devices) * longest > MAX_CELLS:
            raise InvalidInput(f"frontiers of {longest:,} points are too long: thin them out")
        check_unique("limit", (limit.id for limit in self.limits))
        check_unique("device", (device.id for device in self.devices))
        _check_limits(self.limits)
        known = {limit.id for limit in self.limits}
        for device in self.devices:
            _check_device(device, known)


@dataclass(frozen=True, slots=True)
class Result:
    """Watts for every device, and how good the split is. Ids in sorted order.

    allocations: watts. points: index of the last frontier point at or under the allocation,
        None where there is none.
    objective: weighted tok/s on the concave hulls of the points. upper_bound: no split that
        keeps the same service floors has more. gap: the relative distance between the two.
    prices: weighted tok/s that a limit's next watt is worth to those below that it holds back.
    binding: what held each device, in words. unmet: what could not be met and why, in words.
    """

    allocations: Mapping[str, float]
    points: Mapping[str, int | None]
    objective: float
    upper_bound: float
    gap: float
    prices: Mapping[str, float]
    binding: Mapping[str, str]
    unmet: tuple[str, ...]


def check_unique(what: str, ids: Iterable[str]) -> None:
    """Raise InvalidInput, with their names, for ids that are used twice."""
    twice = sorted(name for name, count in Counter(ids).items() if count > 1)
    if twice:
        raise InvalidInput(f"{what} ids are used twice: {', '.join(twice[:10])}")


def _check_limits(limits: tuple[LimitRow, ...]) -> None:
    parents = {limit.id: limit.parent for limit in limits}
    for limit in limits:
        if not (isfinite(limit.limit_w) and limit.limit_w >= 0):
            raise InvalidInput(
                f"limit {limit.id}: limit_w must be finite and not negative, got {limit.limit_w}"
            )
        if limit.parent is not None and limit.parent not in parents:
            raise InvalidInput(f"limit {limit.id}: unknown parent {limit.parent}")
    check_no_cycle(parents)


def check_no_cycle(parents: Mapping[str, str | None]) -> None:
    """Raise InvalidInput, with its names, for a limit that lies below itself."""
    cleared: set[str] = set()
    for start in parents:
        path: dict[str, None] = {}
        current: str | None = start
        while current is not None and current not in cleared:
            if current in path:
                raise InvalidInput(f"limits form a cycle: {' -> '.join([*path, current])}")
            path[current] = None
            current = parents[current]
        cleared.update(path)


def _check_device(device: Device, known: set[str]) -> None:
    unknown = [limit for limit in device.limits if limit not in known]
    if unknown or not device.limits:
        raise InvalidInput(
            f"device {device.id}: unknown limit {unknown[0]}"
            if unknown
            else f"device {device.id}: name at least one limit that it hangs on"
        )
    if not (isfinite(device.max_w) and 0 <= device.min_w <= device.max_w):
        raise InvalidInput(
            f"device {device.id}: needs 0 <= min_w <= max_w, got {device.min_w}, {device.max_w}"
        )
    if device.tier not in range(len(ALLOWED_LOSS)):
        raise InvalidInput(f"device {device.id}: tier must be 0, 1, 2 or 3, got {device.tier}")
    if abs(device.priority) >= 2**31:
        raise InvalidInput(f"device {device.id}: priority {device.priority} is out of range")
    if not (isfinite(device.weight) and device.weight > 0):
        raise InvalidInput(f"device {device.id}: weight must be above 0, got {device.weight}")
    target = device.target_tok_s
    if target is not None and not (isfinite(target) and target >= 0):
        raise InvalidInput(f"device {device.id}: target_tok_s must not be negative, got {target}")
    _check_points(device)


def _check_points(device: Device) -> None:
    for watts, tok_s in device.points:
        if not (isfinite(watts) and isfinite(tok_s) and watts > 0 and tok_s >= 0):
            raise InvalidInput(
                f"device {device.id}: point ({watts}, {tok_s}) needs watts above 0 and a "
                "throughput that is not negative"
            )
    for (left_w, left_tok_s), (right_w, right_tok_s) in pairwise(device.points):
        if right_w <= left_w:
            raise InvalidInput(f"device {device.id}: points must rise in watts at {right_w}")
        if right_tok_s < left_tok_s:
            raise InvalidInput(
                f"device {device.id}: throughput falls from {left_tok_s} to {right_tok_s} at "
                f"{right_w} W; keep only points that gain throughput"
            )
