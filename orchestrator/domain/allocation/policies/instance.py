"""An allocation problem as arrays, devices in tree order, so that every limit is a range."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from orchestrator.domain.allocation.policies import sums
from orchestrator.domain.allocation.tree import Floats, Ints

Bools = NDArray[np.bool_]
Policy = Literal["fair", "throughput", "efficiency"]


class Nest(NamedTuple):
    """The limits that nest, each before those inside it. Place 0 is the budget, over everything.

    parent: place of the limit around, -1 for the budget. last: last place inside. own: devices
    own[v] to own[v + 1] hang directly on v, and own[v] to own[last[v] + 1] are all below it.
    room_w: watts, infinite without a budget. limit: index into the ids, -1 for the budget.
    """

    parent: Ints
    last: Ints
    own: Ints
    room_w: Floats
    limit: Ints

    def sums(self, amount: Floats) -> Floats:
        """The sum below every place of an amount by device."""
        return np.asarray(sums.place_sums(self, amount), dtype=np.float64)


class Rows(NamedTuple):
    """Sums of devices that cut across the nest: tenants, and limits that do not nest.

    Row k sums the devices device[start[k]:start[k + 1]] and keeps it from least_w to most_w;
    row[of[i]:of[i + 1]] are the rows of device i. name: limit index, or -1 - tenant index.
    """

    start: Ints
    device: Ints
    of: Ints
    row: Ints
    least_w: Floats
    most_w: Floats
    name: Ints

    def sums(self, amount: Floats) -> Floats:
        """The sum of every row of an amount by device."""
        return np.asarray(sums.row_sums(self, amount), dtype=np.float64)

    def over(self, price: Floats) -> Floats:
        """By device, the sum of the prices of its rows."""
        return np.asarray(sums.over(self, price), dtype=np.float64)


def among(nest: Nest, rows: Rows, chosen: Bools) -> tuple[Nest, Rows, Ints]:
    """The same limits and rows over some of the devices, and which these are."""
    own, device = sums.narrow(nest.own, chosen)
    if len(rows.name):
        shape = sums.narrow_rows(rows, chosen, device)
    else:
        shape = (rows.start, rows.device, rows.of[: len(device) + 1], rows.row)
    start, member, of, row = shape
    fewer = Rows(start, member, of, row, rows.least_w, rows.most_w, rows.name)
    return nest._replace(own=own), fewer, device


class Curves(NamedTuple):
    """Frontiers: points start[i] to start[i + 1] of device i, by rising watts and throughput.

    entry: the point's place in the device's own frontier. Points that no device can hold, or
    that buy nothing over a cheaper one, are left out; watts are never below min_w.
    """

    start: Ints
    watts: Floats
    tok_s: Floats
    entry: Ints


@dataclass(frozen=True, slots=True)
class Instance:
    """What a policy solves. Arrays by device are in the order of the nest.

    order: index of each device in the sorted ids. request_w is within min_w and max_w.
    target_tok_s: NaN where there is none. has_frontier: by sorted id. notes: what is odd but no
    error, in words.
    """

    policy: Policy
    device_ids: tuple[str, ...]
    limit_ids: tuple[str, ...]
    tenant_ids: tuple[str, ...]
    limit_w: Floats
    order: Ints
    nest: Nest
    rows: Rows
    min_w: Floats
    max_w: Floats
    request_w: Floats
    active: Bools
    priority: Ints
    tier: Ints
    weight: Floats
    target_tok_s: Floats
    has_frontier: Bools
    curves: Curves
    notes: tuple[str, ...]
