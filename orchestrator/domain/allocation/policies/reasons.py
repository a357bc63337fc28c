"""Why each device got what it got, and what could not be met, in the words of an operator."""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import numpy as np
from numba import njit

from orchestrator.domain.allocation.policies.answer import Solved
from orchestrator.domain.allocation.policies.instance import Instance
from orchestrator.domain.allocation.policies.steps import Room
from orchestrator.domain.allocation.tree import Floats, Ints
from orchestrator.domain.allocation.words import watts

ROUNDING_W: Final = 1e-6
RELATIVE: Final = 1e-9
NAMED: Final = 10


def binding_words(instance: Instance, solved: Solved) -> list[str]:
    """One reason a device, in the order of the instance."""
    cause = _causes(instance, solved, _step_w(instance, solved))
    full = cache(lambda which: _held(instance, which))
    columns = zip(
        solved.running.tolist(), solved.watts.tolist(), instance.max_w.tolist(),
        solved.wanted_w.tolist(), solved.point.tolist(), _topmost(instance).tolist(),
        cause.tolist(), strict=True,
    )  # fmt: skip
    say = {"fair": _fair, "throughput": _throughput, "efficiency": _efficiency}[instance.policy]
    return [
        say(got_w, max_w, wanted_w, point, top, full(which)) if runs else _shed(full(which))
        for runs, got_w, max_w, wanted_w, point, top, which in columns
    ]


def unmet_words(instance: Instance, solved: Solved) -> Iterator[str]:
    """Devices shed, tenants short of their minimum, then requests, points and targets."""
    cause = _causes(instance, solved, _step_w(instance, solved))
    ids = [instance.device_ids[at] for at in instance.order.tolist()]
    for at in _sorted(instance, ~solved.running):
        yield (
            f"{ids[at]} is shed and gets 0 W (tier {instance.tier[at]}, priority "
            f"{instance.priority[at]}): no room for its minimum of {watts(instance.min_w[at])}: "
            f"{_full(instance, int(cause[at]))}"
        )
    yield from _short_tenants(instance, solved)
    yield from _POLICY_UNMET[instance.policy](instance, solved, cause, ids)


def tenants_short(instance: Instance, watts_by_device: Floats) -> Ints:
    """Rows whose minimum is not met, by more than rounding."""
    rows = instance.rows
    short = rows.least_w - rows.sums(watts_by_device)
    return np.flatnonzero(short > ROUNDING_W + RELATIVE * np.abs(rows.least_w) * 100)


def _fair(got_w: float, max_w: float, wanted_w: float, point: int, top: int, full: str) -> str:
    del point, top
    if got_w >= max_w - ROUNDING_W:
        return "its own maximum"
    return f"below its request: {full}" if got_w < wanted_w - ROUNDING_W else full


def _throughput(
    got_w: float, max_w: float, wanted_w: float, point: int, top: int, full: str
) -> str:
    del wanted_w
    if point < 0:
        return _no_point(top, full)
    if point < top:
        return full
    return "its own maximum" if got_w >= max_w - ROUNDING_W else "more watts would buy it no tokens"


def _efficiency(
    got_w: float, max_w: float, wanted_w: float, point: int, top: int, full: str
) -> str:
    del max_w
    if point < 0:
        return _no_point(top, full)
    if point == top and wanted_w == np.inf:
        return "the end of its frontier, below its target"
    if got_w > wanted_w + ROUNDING_W:
        return "the minimum of its tenant"
    return "its target" if got_w >= wanted_w - ROUNDING_W else f"below its target: {full}"


def _no_point(top: int, full: str) -> str:
    return f"its own minimum: {full if top >= 0 else 'it has no frontier within its range'}"


def _shed(full: str) -> str:
    return f"shed, no room for its minimum: {full}"


def _step_w(instance: Instance, solved: Solved) -> Floats:
    """The watts that each device lacks for the next thing it wants."""
    if instance.policy == "fair":
        step_w = np.full(len(solved.watts), ROUNDING_W)
    else:
        curves = instance.curves
        following = np.where(solved.point >= 0, solved.point + 1, curves.start[:-1])
        known = following < curves.start[1:]
        next_w = np.append(curves.watts, 0.0)[np.where(known, following, -1)]
        step_w = np.where(known, next_w - solved.watts, ROUNDING_W)
        if instance.policy == "efficiency":
            step_w = np.maximum(step_w, ROUNDING_W)
    return np.where(solved.running, step_w, instance.min_w)


def _topmost(instance: Instance) -> Ints:
    curves = instance.curves
    return np.where(np.diff(curves.start) > 0, curves.start[1:] - 1, -1)


def _causes(instance: Instance, solved: Solved, step_w: Floats) -> Ints:
    """By device, the first limit outwards, or row (after the places), without room for a step."""
    nest, rows = instance.nest, instance.rows
    at = np.repeat(np.arange(len(nest.parent)), np.diff(nest.own))
    spare = nest.room_w - nest.sums(solved.watts)
    spare -= np.where(np.isfinite(nest.room_w), RELATIVE * nest.room_w, 0.0)
    row_spare = rows.most_w - rows.sums(solved.watts)
    row_spare -= np.where(np.isfinite(rows.most_w), RELATIVE * rows.most_w, 0.0)
    left = Room(nest, rows, at, spare, row_spare)
    return np.asarray(_first_short(left, step_w), dtype=np.int64)


@njit(cache=True, nogil=True)
def _first_short(left: Any, step: Any) -> Any:
    places = len(left.place_w)
    found = np.full(len(step), -1, np.int64)
    for device in range(len(step)):
        place = left.at[device]
        while place >= 0 and left.place_w[place] >= step[device]:
            place = left.nest.parent[place]
        found[device] = place
        if place < 0:
            for entry in range(left.rows.of[device], left.rows.of[device + 1]):
                if left.row_w[left.rows.row[entry]] < step[device]:
                    found[device] = places + left.rows.row[entry]
                    break
    return found


def _held(instance: Instance, which: int) -> str:
    """What a limit or row that holds a device does, where points are chosen or watts."""
    if which < 0:
        return "the limits above it are full"
    fair = instance.policy == "fair"
    return f"{_named(instance, which)} {'is full' if fair else 'has no room for its next point'}"


def _full(instance: Instance, which: int) -> str:
    return f"{_named(instance, which)} is full" if which >= 0 else "the limits above it are full"


def _named(instance: Instance, which: int) -> str:
    places = len(instance.nest.parent)
    if which >= places:
        row = which - places
        return f"{_row_name(instance, row)} ({watts(instance.rows.most_w[row])})"
    limit = instance.nest.limit[which]
    name = "the budget" if limit < 0 else instance.limit_ids[limit]
    return f"{name} ({watts(instance.nest.room_w[which])})"


def _row_name(instance: Instance, row: int) -> str:
    name = int(instance.rows.name[row])
    return instance.limit_ids[name] if name >= 0 else f"tenant {instance.tenant_ids[-1 - name]}"


def _short_tenants(instance: Instance, solved: Solved) -> Iterator[str]:
    used_w = instance.rows.sums(solved.watts)
    for row in tenants_short(instance, solved.watts).tolist():
        yield (
            f"{_row_name(instance, row)} gets {watts(used_w[row])} of its minimum of "
            f"{watts(instance.rows.least_w[row])}: the limits, its devices' ranges and what others "
            "were given first leave no more"
        )


def _sorted(instance: Instance, chosen: Any) -> list[int]:
    at = np.flatnonzero(chosen)
    found: list[int] = at[np.argsort(instance.order[at])].tolist()
    return found


def _requests(instance: Instance, solved: Solved, cause: Ints, ids: list[str]) -> Iterator[str]:
    """One line a limit that keeps devices below their requests, the most watts first."""
    del ids
    lack_w = solved.wanted_w - solved.watts
    short = solved.running & instance.active & (lack_w > ROUNDING_W)
    missing: Counter[int] = Counter()
    count: Counter[int] = Counter(cause[short].tolist())
    for which, lacking_w in zip(cause[short].tolist(), lack_w[short].tolist(), strict=True):
        missing[which] += lacking_w
    for which, lacking_w in missing.most_common():
        number = count[which]
        who = "1 active device gets" if number == 1 else f"{number:,} active devices get"
        yield f"{who} {watts(lacking_w)} less than requested: {_full(instance, which)}"


def _pointless(instance: Instance, solved: Solved, cause: Ints, ids: list[str]) -> Iterator[str]:
    bare = _sorted(instance, solved.running & instance.active & (_topmost(instance) < 0))
    if bare:
        names = ", ".join(ids[at] for at in bare[:NAMED]) + (", ..." if len(bare) > NAMED else "")
        yield f"without a frontier nothing is known to buy tokens, they stay at min_w: {names}"
    for at in _sorted(instance, solved.running & (solved.point < 0) & (_topmost(instance) >= 0)):
        yield (
            f"{ids[at]} stays at its minimum of {watts(instance.min_w[at])}, where it makes "
            f"nothing: {_held(instance, int(cause[at]))}"
        )


def _targets(instance: Instance, solved: Solved, cause: Ints, ids: list[str]) -> Iterator[str]:
    made = np.where(solved.point >= 0, np.append(instance.curves.tok_s, 0.0)[solved.point], 0.0)
    target = np.nan_to_num(instance.target_tok_s)
    for at in _sorted(instance, solved.running & (made < target * (1 - RELATIVE))):
        out_of_reach = solved.point[at] == _topmost(instance)[at]
        why = "its frontier reaches no further" if out_of_reach else _held(instance, int(cause[at]))
        yield (
            f"{ids[at]} makes {made[at]:,.0f} of its target of {target[at]:,.0f} tok/s "
            f"(tier {instance.tier[at]}, priority {instance.priority[at]}): {why}"
        )


_POLICY_UNMET = {"fair": _requests, "throughput": _pointless, "efficiency": _targets}
