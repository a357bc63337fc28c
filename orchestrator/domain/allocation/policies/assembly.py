"""From the columns of a problem file to the arrays that the policies solve."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numba import njit

from orchestrator.domain.allocation.hulls import SLIVER_W
from orchestrator.domain.allocation.policies.document import Columns, read_columns
from orchestrator.domain.allocation.policies.instance import Curves, Instance
from orchestrator.domain.allocation.policies.nesting import members, nest, rows
from orchestrator.domain.allocation.problem import check_no_cycle
from orchestrator.domain.allocation.tree import Floats, Ints
from orchestrator.domain.errors import InvalidInput

MAX_ROWS: Final = 1_000
"""Tenants and limits that do not nest: their curvature is a dense matrix of this size."""
BUDGET: Final = "budget_w"
SHOWN: Final = 20


def read_instance(raw: bytes) -> Instance:
    """The arrays of a problem file. Raises InvalidInput with what to change."""
    return assemble(read_columns(raw))


def assemble(columns: Columns) -> Instance:
    """Arrays in the order of the nest, every reference resolved. Raises InvalidInput."""
    columns = _with_defaults(columns)
    parent = _parents(columns)
    start, lowest = _resolved(columns.hangs, columns.limit_ids, "device", columns.device_ids)
    starts, below = members(parent, start, lowest)
    count = len(columns.device_ids)
    found, order, crossing = nest(parent, starts, below, count, columns.limit_w, columns.budget_w)
    place = np.empty(count, dtype=np.int64)
    place[order] = np.arange(count)
    curves, bent = _curves(columns, order)
    return Instance(
        policy=columns.policy,
        device_ids=columns.device_ids,
        limit_ids=columns.limit_ids,
        tenant_ids=columns.tenant_ids,
        limit_w=columns.limit_w,
        order=order,
        nest=found,
        rows=_rows(columns, crossing, starts, below, place),
        min_w=columns.min_w[order],
        max_w=columns.max_w[order],
        request_w=np.clip(columns.request_w, columns.min_w, columns.max_w)[order],
        active=columns.active[order],
        priority=columns.priority[order],
        tier=columns.tier[order],
        weight=columns.weight[order],
        target_tok_s=columns.target_tok_s[order],
        has_frontier=np.diff(columns.points[0]) > 0,
        curves=curves,
        notes=(*_limit_notes(columns, parent), *_frontier_notes(columns, bent)),
    )  # fmt: skip


def _with_defaults(columns: Columns) -> Columns:
    """max_w is the last point's watts and request_w is max_w where the file has none."""
    start, points = columns.points
    highest = np.full(len(start) - 1, np.nan)
    np.fmax.at(highest, np.repeat(np.arange(len(highest)), np.diff(start)), points[:, 0])
    max_w = np.where(np.isnan(columns.max_w), np.maximum(highest, columns.min_w), columns.max_w)
    _check(columns, np.isnan(max_w), "needs max_w or a frontier")
    _check(columns, columns.min_w > max_w, "needs min_w <= max_w")
    _check(columns, columns.weight <= 0, "weight must be above 0")
    bad = columns.tenant_min_w > columns.tenant_max_w
    if bad.any():
        raise InvalidInput(f"tenant {columns.tenant_ids[np.argmax(bad)]}: needs min_w <= max_w")
    request_w = np.where(np.isnan(columns.request_w), max_w, columns.request_w)
    return replace(columns, max_w=max_w, request_w=request_w)


def _check(columns: Columns, bad: Any, rule: str) -> None:
    if bad.any():
        raise InvalidInput(f"device {columns.device_ids[int(np.argmax(bad))]}: {rule}")


def _parents(columns: Columns) -> Ints:
    if BUDGET in columns.limit_ids:
        raise InvalidInput(f"limit {BUDGET}: this id stands for the budget, use another")
    index = {name: at for at, name in enumerate(columns.limit_ids)}
    for name, above in zip(columns.limit_ids, columns.parent, strict=True):
        if above is not None and above not in index:
            raise InvalidInput(f"limit {name}: unknown parent {above}")
    check_no_cycle(dict(zip(columns.limit_ids, columns.parent, strict=True)))
    found = [-1 if above is None else index[above] for above in columns.parent]
    return np.array(found, dtype=np.int64)


def _resolved(
    named: tuple[Ints, list[str]], known: tuple[str, ...], what: str, owners: tuple[str, ...]
) -> tuple[Ints, Ints]:
    """(start, indices) of named things. Raises InvalidInput for a name that nothing has."""
    start, names = named
    index = {name: at for at, name in enumerate(known)}
    found = np.array([index.get(name, -1) for name in names], dtype=np.int64)
    if (found < 0).any():
        at = int(np.argmax(found < 0))
        owner = owners[int(np.searchsorted(start, at, side="right")) - 1]
        thing = "limit" if what == "device" else "device"
        raise InvalidInput(f"{what} {owner}: unknown {thing} {names[at]}")
    return start, found


def _rows(columns: Columns, crossing: Ints, starts: Ints, below: Ints, place: Ints) -> Any:
    """Limits that do not nest, then tenants that can bind, each as the devices it sums."""
    sets = [place[below[starts[limit] : starts[limit + 1]]] for limit in crossing]
    least, most = [0.0] * len(sets), list(columns.limit_w[crossing])
    names = list(crossing)
    start, device = _resolved(columns.belongs, columns.device_ids, "tenant", columns.tenant_ids)
    for tenant in range(len(columns.tenant_ids)):
        own = np.unique(device[start[tenant] : start[tenant + 1]])
        low, high = columns.tenant_min_w[tenant], columns.tenant_max_w[tenant]
        if low > 0 or high < columns.max_w[own].sum():
            sets.append(place[own])
            least.append(low)
            most.append(high)
            names.append(-1 - tenant)
    if len(sets) > MAX_ROWS:
        raise InvalidInput(
            f"{len(sets):,} tenants and limits that cut across the others: at most {MAX_ROWS:,}"
        )
    starting = np.cumsum([0, *map(len, sets)], dtype=np.int64)
    sorted_sets = [np.sort(one) for one in sets]
    flat = np.concatenate(sorted_sets) if sets else np.zeros(0, dtype=np.int64)
    return rows(
        starting, flat, len(place), np.array(least, dtype=np.float64),
        np.array(most, dtype=np.float64), np.array(names, dtype=np.int64),
    )  # fmt: skip


def _curves(columns: Columns, order: Ints) -> tuple[Curves, Any]:
    """Points in the order of the nest, and by device whether some were out of order."""
    start, points = columns.points
    counts = np.diff(start)
    owner = np.repeat(np.arange(len(counts)), counts)
    watts, tok_s = np.maximum(points[:, 0], columns.min_w[owner]), points[:, 1]
    index = np.arange(len(owner)) - start[owner]
    rising = np.diff(points[:, 0]) > 0
    growing = np.diff(tok_s) >= 0
    bad = (np.diff(owner) == 0) & ~(rising & growing)
    bent = np.zeros(len(counts), dtype=np.bool_)
    bent[owner[1:][bad]] = True
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    sequence = np.lexsort((index, -tok_s, watts, place[owner]))
    allowed = points[:, 0] <= columns.max_w[owner] * (1 + 1e-12)
    sequence = sequence[allowed[sequence]]
    kept, kept_w = _gains(place[owner[sequence]], watts[sequence], tok_s[sequence])
    kept = sequence[kept]
    starts = np.searchsorted(place[owner[kept]], np.arange(len(order) + 1)).astype(np.int64)
    return Curves(starts, kept_w, tok_s[kept], index[kept]), bent


@njit(cache=True, nogil=True)
def _gains(device: Any, watts: Any, tok_s: Any) -> Any:
    """(points, watts) that make more tokens than all cheaper ones of the device, the first too.

    Of points within a microwatt the best stands for all, at the watts of the cheapest.
    """
    kept = np.empty(len(device), np.int64)
    kept_w = np.empty(len(device))
    count = 0
    for point in range(len(device)):
        new = count == 0 or device[kept[count - 1]] != device[point]
        if not new and tok_s[point] <= tok_s[kept[count - 1]]:
            continue
        if new or watts[point] > kept_w[count - 1] + SLIVER_W:
            kept_w[count] = watts[point]
            count += 1
        kept[count - 1] = point
    return kept[:count], kept_w[:count]


def _limit_notes(columns: Columns, parent: Ints) -> Iterator[str]:
    watts: Floats = np.append(columns.limit_w, np.inf)
    over = np.flatnonzero(columns.limit_w > watts[parent])
    for at in over[:SHOWN]:
        yield (
            f"limit {columns.limit_ids[at]} never binds: its {watts[at]:,.0f} W are more than "
            f"the {watts[parent[at]]:,.0f} W of {columns.parent[at]}"
        )
    if len(over) > SHOWN:
        yield f"and {len(over) - SHOWN:,} more limits above their parent's never bind"


def _frontier_notes(columns: Columns, bent: Any) -> Iterator[str]:
    found = np.flatnonzero(bent)
    if len(found):
        names = ", ".join(columns.device_ids[at] for at in found[:SHOWN])
        more = f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
        yield (
            f"frontiers that do not rise in watts and tok/s were sorted, and points that buy "
            f"nothing left out: {names}{more}"
        )
