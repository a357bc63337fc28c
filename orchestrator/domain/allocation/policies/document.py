"""The problem file: JSON text to checked columns, one list or array a field, sorted by id.

docs/allocation.md describes every field. Nothing is guessed: an unknown key, a number that is
none, or an id that is used twice is refused by name.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, cast

import numpy as np

from orchestrator.domain.allocation.policies.instance import Bools, Policy
from orchestrator.domain.allocation.problem import ALLOWED_LOSS, MAX_DEVICES, check_unique
from orchestrator.domain.allocation.tree import Floats, Ints
from orchestrator.domain.errors import InvalidInput, TooLarge

MAX_BYTES: Final = 256 * 1024 * 1024
POLICIES: Final = ("fair", "throughput", "efficiency")
KEYS: Final = {
    "problem": {"policy", "budget_w", "limits", "devices", "tenants"},
    "limit": {"id", "parent", "limit_w"},
    "device": {
        "id", "limits", "min_w", "max_w", "request_w", "active", "priority", "tier", "weight",
        "target_tok_s", "frontier",
    },
    "tenant": {"id", "devices", "min_w", "max_w"},
}  # fmt: skip
Items = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Columns:
    """A problem file by column, devices, limits and tenants each in the order of their ids.

    hangs: (start, name) of each device's lowest limits. belongs: of each tenant's devices.
    points: (start, watts and tok/s) of each device's frontier. NaN where a field is absent.
    """

    policy: Policy
    budget_w: float
    limit_ids: tuple[str, ...]
    parent: tuple[str | None, ...]
    limit_w: Floats
    device_ids: tuple[str, ...]
    hangs: tuple[Ints, list[str]]
    min_w: Floats
    max_w: Floats
    request_w: Floats
    active: Bools
    priority: Ints
    tier: Ints
    weight: Floats
    target_tok_s: Floats
    points: tuple[Ints, Floats]
    tenant_ids: tuple[str, ...]
    belongs: tuple[Ints, list[str]]
    tenant_min_w: Floats
    tenant_max_w: Floats


def read_columns(raw: bytes) -> Columns:
    """The columns of a problem file. Raises InvalidInput, TooLarge above MAX_BYTES."""
    if len(raw) > MAX_BYTES:
        raise TooLarge(f"the problem has {len(raw):,} bytes: at most {MAX_BYTES:,}, split it")
    problem = _object(_decoded(raw), "problem")
    _check_keys([problem], "problem")
    devices = _items(problem, "devices", "device")
    if len(devices) > MAX_DEVICES:
        raise TooLarge(f"{len(devices):,} devices: at most {MAX_DEVICES:,}, split the facility")
    limits, tenants = _items(problem, "limits", "limit"), _items(problem, "tenants", "tenant")
    device, limit, tenant = (
        _Table("device", devices), _Table("limit", limits), _Table("tenant", tenants),
    )  # fmt: skip
    return Columns(
        policy=_policy(problem),
        budget_w=float(_Table("problem", [problem]).numbers("budget_w", np.inf)[0]),
        limit_ids=limit.ids,
        parent=limit.names("parent"),
        limit_w=limit.numbers("limit_w"),
        device_ids=device.ids,
        hangs=device.lists("limits"),
        min_w=device.numbers("min_w", 0.0),
        max_w=device.numbers("max_w", np.nan),
        request_w=device.numbers("request_w", np.nan),
        active=device.flags("active"),
        priority=device.integers("priority", 0, 2**31 - 1),
        tier=device.integers("tier", 1, len(ALLOWED_LOSS) - 1, least=0),
        weight=device.numbers("weight", 1.0),
        target_tok_s=device.numbers("target_tok_s", np.nan),
        points=device.pairs("frontier"),
        tenant_ids=tenant.ids,
        belongs=tenant.lists("devices"),
        tenant_min_w=tenant.numbers("min_w", 0.0),
        tenant_max_w=tenant.numbers("max_w", np.inf),
    )


def _decoded(raw: bytes) -> object:
    try:
        return cast("object", json.loads(raw, object_pairs_hook=_unique))
    except RecursionError as error:
        raise InvalidInput("the problem is nested too deeply to be a problem") from error
    except ValueError as error:
        raise InvalidInput(f"the problem is not JSON: {error}") from error


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise InvalidInput(f"the key {twice!r} stands twice in one object: leave one")
    return found


def _object(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInput(f"a {what} must be a JSON object, got {_shown(value)}")
    return value


def _check_keys(items: Items, what: str) -> None:
    unknown = set(chain.from_iterable(items)) - KEYS[what]
    if unknown:
        known = ", ".join(sorted(KEYS[what]))
        raise InvalidInput(f"{what}: unknown key {min(unknown)!r}; known: {known}")


def _items(problem: Mapping[str, Any], name: str, what: str) -> Items:
    """The objects of a list, sorted by id."""
    found = problem.get(name)
    items = [] if found is None else found
    if not isinstance(items, list):
        raise InvalidInput(f"{name} must be a list, got {_shown(items)}")
    for item in items:
        key = _object(item, what).get("id")
        if not isinstance(key, str) or not 0 < len(key) <= 255:
            raise InvalidInput(f"a {what} needs an id of 1 to 255 characters, got {_shown(key)}")
    _check_keys(items, what)
    check_unique(what, (item["id"] for item in items))
    return sorted(items, key=lambda item: str(item["id"]))


def _policy(problem: Mapping[str, Any]) -> Policy:
    policy = problem.get("policy")
    if policy not in POLICIES:
        raise InvalidInput(f"policy must be one of {', '.join(POLICIES)}, got {_shown(policy)}")
    return cast("Policy", policy)


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:40]}..."


@dataclass(frozen=True, slots=True)
class _Table:
    """Items of one kind; each method gives one checked column."""

    what: str
    items: Items

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(str(item["id"]) for item in self.items)

    def numbers(self, name: str, default: float | None = None) -> Floats:
        """Finite numbers that are not negative; the default where the field is absent or null."""
        values = self._column(name, default, (int, float), "a number")
        array = self._array(name, values)
        given = np.array([item.get(name) is not None for item in self.items], dtype=np.bool_)
        bad = given & ~(np.isfinite(array) & (array >= 0))
        if bad.any():
            at = int(np.argmax(bad))
            raise self._refused(at, name, "must be finite and not negative", values[at])
        return array

    def integers(self, name: str, default: int, most: int, least: int | None = None) -> Ints:
        """Whole numbers from least (-most without it) to most."""
        values = self._column(name, default, (int,), "a whole number")
        low = -most if least is None else least
        for at, value in enumerate(values):
            if not low <= value <= most:
                raise self._refused(at, name, f"must be from {low} to {most}", value)
        return np.array(values, dtype=np.int64)

    def flags(self, name: str) -> Bools:
        """Truth values, true where absent."""
        return np.array(self._column(name, True, (bool,), "true or false"), dtype=np.bool_)

    def names(self, name: str) -> tuple[str | None, ...]:
        """Ids, None where absent."""
        return tuple(self._column(name, None, (str, type(None)), "an id or null", optional=True))

    def lists(self, name: str) -> tuple[Ints, list[str]]:
        """(start, ids) of lists of ids."""
        lists = self._column(name, [], (list,), "a list of ids")
        flat = list(chain.from_iterable(lists))
        if not set(map(type, flat)) <= {str}:
            at = next(i for i, ids in enumerate(lists) if any(type(one) is not str for one in ids))
            raise self._refused(at, name, "must be a list of ids", lists[at])
        return _starts(map(len, lists)), flat

    def pairs(self, name: str) -> tuple[Ints, Floats]:
        """(start, pairs) of lists of [watts, tok/s]."""
        lists = self._column(name, [], (list,), "a list of [watts, tok/s]")
        flat = list(chain.from_iterable(lists))
        good = set(map(type, flat)) <= {list} and set(map(len, flat)) <= {2}
        numbers = list(chain.from_iterable(flat)) if good else [None]
        if not set(map(type, numbers)) <= {int, float}:
            at = next(i for i, points in enumerate(lists) if not all(map(_is_pair, points)))
            raise self._refused(at, name, "must be a list of [watts, tok/s]", lists[at])
        start = _starts(map(len, lists))
        pairs = self._array(name, numbers).reshape(-1, 2)
        bad = ~(np.isfinite(pairs) & (pairs >= 0)).all(axis=1)
        if bad.any():
            at = int(np.searchsorted(start, np.argmax(bad), side="right")) - 1
            raise self._refused(at, name, "must hold finite numbers, none negative", lists[at])
        return start, pairs

    def _array(self, name: str, values: list[Any]) -> Floats:
        try:
            return np.array(values, dtype=np.float64)
        except OverflowError as error:
            raise InvalidInput(f"{self.what}: {name} is larger than any number of use") from error

    def _column(
        self,
        name: str,
        default: object,
        kinds: tuple[type, ...],
        words: str,
        optional: bool = False,
    ) -> list[Any]:
        values = [item.get(name) for item in self.items]
        if default is not None or optional:
            values = [default if value is None else value for value in values]
        if not set(map(type, values)) <= set(kinds):
            at = next(i for i, value in enumerate(values) if type(value) not in kinds)
            raise self._refused(at, name, f"must be {words}", values[at])
        return values

    def _refused(self, at: int, name: str, rule: str, value: object) -> InvalidInput:
        owner = f"{self.what} {self.items[at]['id']}: " if self.what != "problem" else ""
        return InvalidInput(f"{owner}{name} {rule}, got {_shown(value)}")


def _is_pair(point: object) -> bool:
    return (
        isinstance(point, list)
        and len(point) == 2
        and all(type(number) in {int, float} for number in point)
    )


def _starts(counts: Iterable[int]) -> Ints:
    return np.cumsum([0, *counts], dtype=np.int64)
