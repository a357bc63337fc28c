"""Made-up facilities of five levels: facility, halls, racks, servers and their eight GPUs."""

import json
from dataclasses import dataclass
from typing import Final

import numpy as np

from orchestrator.domain.allocation.policies.document import Columns
from orchestrator.domain.allocation.policies.instance import Policy
from orchestrator.domain.allocation.tree import Floats, Ints

LEVELS: Final = 5
FANS: Final = {1_000: (5, 5, 5, 8), 12_288: (4, 48, 8, 8), 100_000: (10, 125, 10, 8)}
"""Halls, racks a hall, servers a rack and GPUs a server, by number of GPUs."""
OVERSUBSCRIPTION: Final = 0.85
MIN_W: Final = 200.0
MAX_W: Final = 700.0
POINTS: Final = 12
SHARE_ACTIVE: Final = 0.9


@dataclass(frozen=True, slots=True)
class Shape:
    """One case of the benchmark.

    uneven: limits are 0.70 to 1 times the sum of their children's instead of 0.85 times, and
    racks differ in load.
    """

    devices: int
    tenants: int
    uneven: bool

    @property
    def bottlenecks(self) -> str:
        """In words."""
        return "uneven" if self.uneven else "even"


def columns(shape: Shape, policy: Policy, seed: int) -> Columns:
    """A problem as if it had been read from a file; frontiers only where the policy uses them."""
    rng = np.random.default_rng(seed)
    names, parent, leaf = _tree(FANS[shape.devices])
    count = shape.devices
    limit_w = _limits(parent, leaf, shape, rng)
    request_w = _requests(leaf, shape, rng)
    active = rng.random(count) < SHARE_ACTIVE
    belongs, least_w, most_w = _tenants(shape, np.where(active, request_w, MIN_W), limit_w[0], rng)
    points = _frontiers(count, rng) if policy != "fair" else np.zeros((count, 0, 2))
    ids = tuple(f"gpu-{at:06}" for at in range(count))
    return Columns(
        policy=policy,
        budget_w=np.inf,
        limit_ids=names,
        parent=tuple(None if at < 0 else names[at] for at in parent.tolist()),
        limit_w=limit_w,
        device_ids=ids,
        hangs=(np.arange(count + 1), [names[at] for at in leaf.tolist()]),
        min_w=np.full(count, MIN_W),
        max_w=np.full(count, MAX_W),
        request_w=request_w,
        active=active,
        priority=np.zeros(count, dtype=np.int64),
        tier=np.ones(count, dtype=np.int64),
        weight=np.ones(count),
        target_tok_s=np.full(count, np.nan),
        points=(np.arange(count + 1) * points.shape[1], points.reshape(-1, 2)),
        tenant_ids=tuple(f"tenant-{at:03}" for at in range(shape.tenants)),
        belongs=_members(belongs, ids, shape.tenants),
        tenant_min_w=least_w,
        tenant_max_w=most_w,
    )  # fmt: skip


def document(found: Columns) -> bytes:
    """The problem file of these columns."""
    start, points = found.points
    own, names = found.belongs
    devices = [
        {
            "id": found.device_ids[at], "limits": [found.hangs[1][at]], "min_w": MIN_W,
            "max_w": MAX_W, "request_w": float(found.request_w[at]),
            "active": bool(found.active[at]),
            "frontier": points[start[at] : start[at + 1]].tolist(),
        }
        for at in range(len(found.device_ids))
    ]  # fmt: skip
    limits = [
        {"id": name, "parent": parent, "limit_w": watts}
        for name, parent, watts in zip(
            found.limit_ids, found.parent, found.limit_w.tolist(), strict=True
        )
    ]
    tenants = [
        {"id": name, "devices": names[own[at] : own[at + 1]], "min_w": low, "max_w": high}
        for at, (name, low, high) in enumerate(
            zip(found.tenant_ids, found.tenant_min_w, found.tenant_max_w, strict=True)
        )
    ]
    problem = {"policy": found.policy, "limits": limits, "devices": devices, "tenants": tenants}
    return json.dumps(problem).encode()


def _tree(fan: tuple[int, ...]) -> tuple[tuple[str, ...], Ints, Ints]:
    """(names, parents, server of each GPU), limits in the order of their names."""
    rows: list[tuple[str, str | None]] = [("f", None)]
    level = ["f"]
    for width in fan[:-1]:
        level = [f"{name}-{at:03}" for name in level for at in range(width)]
        rows += [(name, name.rpartition("-")[0]) for name in level]
    rows.sort()
    index = {name: at for at, (name, _) in enumerate(rows)}
    parent = np.array([-1 if above is None else index[above] for _, above in rows])
    leaf = np.repeat(np.array([index[name] for name in level]), fan[-1])
    return tuple(name for name, _ in rows), parent, leaf


def _limits(parent: Ints, leaf: Ints, shape: Shape, rng: np.random.Generator) -> Floats:
    """From the servers up; in sorted names a parent comes before its children."""
    below_w = np.bincount(leaf, np.full(len(leaf), MAX_W), len(parent))
    factor = np.full(len(parent), OVERSUBSCRIPTION)
    if shape.uneven:
        factor = rng.uniform(0.70, 1.0, len(parent))
    limit_w = np.zeros(len(parent))
    for at in range(len(parent) - 1, -1, -1):
        limit_w[at] = factor[at] * below_w[at]
        if parent[at] >= 0:
            below_w[parent[at]] += limit_w[at]
    return limit_w


def _requests(leaf: Ints, shape: Shape, rng: np.random.Generator) -> Floats:
    count = len(leaf)
    rack = np.arange(count) // (FANS[shape.devices][2] * FANS[shape.devices][3])
    mean_w = rng.uniform(250.0, 550.0, int(rack[-1]) + 1)[rack] if shape.uneven else 420.0
    return np.clip(rng.normal(mean_w, 100.0, count), MIN_W, MAX_W)


def _tenants(
    shape: Shape, wanted_w: Floats, facility_w: float, rng: np.random.Generator
) -> tuple[Ints, Floats, Floats]:
    """Owner of each GPU, drawn server by server, and what each tenant must and may draw."""
    servers = rng.integers(0, max(shape.tenants, 1), shape.devices // 8)
    owner = np.repeat(servers, 8)
    least_w = np.bincount(owner, np.full(shape.devices, MIN_W), shape.tenants)
    scale = min(1.0, facility_w / float(wanted_w.sum()))
    share_w = np.bincount(owner, wanted_w, shape.tenants) * scale - least_w
    most_w = least_w + np.maximum(share_w, 0.0) * rng.uniform(0.7, 1.2, max(shape.tenants, 1))
    if not shape.tenants:
        return owner, np.zeros(0), np.zeros(0)
    return owner, least_w + 0.2 * (most_w - least_w), most_w


def _members(owner: Ints, ids: tuple[str, ...], tenants: int) -> tuple[Ints, list[str]]:
    if not tenants:
        return np.zeros(1, dtype=np.int64), []
    counts = np.bincount(owner, minlength=tenants)
    names = [ids[at] for at in np.argsort(owner, kind="stable").tolist()]
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), names


def _frontiers(count: int, rng: np.random.Generator) -> Floats:
    """Twelve points each: tok/s about a power of the watts, with noise that bends the curve."""
    watts = np.linspace(MIN_W, MAX_W, POINTS)
    bend = rng.uniform(0.3, 0.9, (count, 1))
    top = rng.uniform(500.0, 3000.0, (count, 1))
    noise = 1.0 + rng.normal(0.0, 0.01, (count, POINTS))
    tok_s = np.maximum.accumulate(top * (watts / MAX_W) ** bend * noise, axis=1)
    return np.stack([np.broadcast_to(watts, tok_s.shape), tok_s], axis=2)
