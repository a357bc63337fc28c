"""The tree of limits: who may draw what, how much of it is exposed, and how much is used."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from nicegui import events, ui

from dashboards.web import formats
from dashboards.web.records import LimitView, Snapshot

COLUMNS = [
    {"name": "id", "label": "Limit", "field": "id", "align": "left"},
    {"name": "bar", "label": "Share of the contract limit", "field": "id", "align": "left"},
    {"name": "metered", "label": "Metered", "field": "metered", "align": "right"},
    {"name": "exposure", "label": "Exposure", "field": "exposure", "align": "right"},
    {"name": "ceiling", "label": "Ceiling", "field": "ceiling", "align": "right"},
    {"name": "armed", "label": "Sending", "field": "armed", "align": "right"},
]
ID_CELL = """
<q-td :props="props" :style="{paddingLeft: 10 + 14 * props.row.depth + 'px'}">
  <span class="limit-id">{{ props.row.id }}</span> <span class="dim">{{ props.row.kind }}</span>
</q-td>
"""
BAR_CELL = """
<q-td :props="props">
  <div class="bar" role="img" :aria-label="props.row.words" :title="props.row.words">
    <div class="exposed" :style="{width: props.row.exposed + '%'}"></div>
    <div :class="{used: true, over: props.row.over}" :style="{width: props.row.used + '%'}"></div>
    <div class="mark" :style="{left: props.row.mark + '%'}"></div>
  </div>
</q-td>
"""
ARMED_CELL = """
<q-td :props="props">
  <button v-if="props.row.leaf && props.row.may_act" type="button"
          :class="props.row.armed ? 'pill on' : 'pill'"
          :data-testid="'arm-' + props.row.id"
          @click="$parent.$emit('arm', props.row.id, !props.row.armed)"
  >{{ props.row.armed ? 'armed' : 'arm' }}</button>
  <span v-else-if="props.row.leaf" class="dim">{{ props.row.armed ? 'armed' : 'shadow' }}</span>
</q-td>
"""
Arm = Callable[[str, bool], Awaitable[None]]


class LimitTree:
    """The limits as a table that keeps the order of the tree."""

    def __init__(self, *, may_act: bool, arm: Arm) -> None:
        self._may_act = may_act
        self._arm = arm
        self._table = ui.table(columns=COLUMNS, rows=[], row_key="id")
        self._table.classes("tight limits").props('dense flat data-testid="limits"')
        self._table.add_slot("body-cell-id", ID_CELL)
        self._table.add_slot("body-cell-bar", BAR_CELL)
        self._table.add_slot("body-cell-armed", ARMED_CELL)
        self._table.on("arm", self._on_arm)

    def show(self, snapshot: Snapshot) -> None:
        leaves = racks(snapshot)
        scale_w = snapshot["ceiling_w"]
        rows = [
            _row(limit, depth, scale_w) | {"leaf": limit["id"] in leaves, "may_act": self._may_act}
            for limit, depth in in_order(snapshot["limits"])
        ]
        if rows != self._table.rows:
            self._table.rows = rows

    async def _on_arm(self, event: events.GenericEventArguments) -> None:
        limit_id, armed = event.args
        await self._arm(str(limit_id), bool(armed))


def racks(snapshot: Snapshot) -> list[str]:
    """Ids of the limits that nodes hang on directly: these are armed one by one."""
    holding = {node["limit"] for node in snapshot["nodes"]}
    return [limit["id"] for limit in snapshot["limits"] if limit["id"] in holding]


def in_order(limits: Iterable[LimitView]) -> Iterator[tuple[LimitView, int]]:
    """Each limit after its parent, with its depth; the root has depth 0."""
    below: dict[str | None, list[LimitView]] = {}
    for limit in limits:
        below.setdefault(limit["parent"], []).append(limit)
    waiting = [(limit, 0) for limit in reversed(below.get(None, []))]
    while waiting:
        limit, depth = waiting.pop()
        yield limit, depth
        waiting.extend((child, depth + 1) for child in reversed(below.get(limit["id"], [])))


def _row(limit: LimitView, depth: int, scale_w: float) -> dict[str, Any]:
    whole_w = max(limit["contract_w"], limit["ceiling_w"]) or 1.0
    metered_w = limit["metered_w"]
    metered = formats.power(metered_w, 3, scale_w)
    exposure = formats.power(limit["exposure_w"], 3, scale_w)
    ceiling = formats.power(limit["ceiling_w"], 3, scale_w)
    return {
        "id": limit["id"],
        "kind": "" if limit["kind"] in limit["id"] else limit["kind"],
        "depth": depth,
        "used": _percent(metered_w or 0.0, whole_w),
        "exposed": _percent(limit["exposure_w"], whole_w),
        "mark": _percent(limit["ceiling_w"], whole_w),
        "over": metered_w is not None and metered_w > limit["ceiling_w"],
        "metered": metered,
        "exposure": exposure,
        "ceiling": ceiling,
        "armed": limit["armed"],
        "words": f"{limit['id']}: metered {metered}, exposure {exposure}, ceiling {ceiling} "
        f"({limit['reason']}), contract {formats.power(limit['contract_w'], 3, scale_w)}",
    }


def _percent(part_w: float, whole_w: float) -> float:
    return round(min(100.0, max(0.0, 100 * part_w / whole_w)), 1)
