"""Charts of power over time: live ones that the browser keeps, and the plan of the day."""

import json
from collections.abc import Sequence
from typing import Any

from nicegui import ui

from dashboards.web.formats import epoch_ms, power_unit
from dashboards.web.records import EventView, HistoryPoint, Snapshot, TimelineInterval
from dashboards.web.theme import Theme

WINDOW_MINUTES = 15
WINDOW_MS = WINDOW_MINUTES * 60_000
Point = list[float | int | None]


class LiveChart:
    """A chart whose first moments come with the page; each later one is sent alone."""

    def __init__(self, options: dict[str, Any], name: str) -> None:
        self._chart = ui.echart(options).classes(f"chart {name}").props(f'data-testid="{name}"')

    def push(self, at_ms: int, values: Sequence[float | None], areas: list[Any]) -> None:
        """Add one moment; areas are shaded intervals behind the first line."""
        point = json.dumps([at_ms, *values])
        self._chart.client.run_javascript(
            f"ballast.push({self._chart.id}, {point}, {WINDOW_MS}, {json.dumps(areas)})"
        )


class PowerChart(LiveChart):
    """Ceiling, metered power and exposure of the last minutes, events shaded."""

    def __init__(self, theme: Theme, history: Sequence[HistoryPoint], snapshot: Snapshot) -> None:
        self._divisor, unit = power_unit(snapshot["ceiling_w"])
        rows = [(epoch_ms(p["at"]), *self._values(p)) for p in history]
        data = columns(rows, 3)
        options = frame(theme, unit)
        options["series"] = [
            line("Ceiling", theme.ceiling, data[0], step="end", width=2)
            | {"markArea": {"silent": True, "itemStyle": {"color": theme.event}, "data": []}},
            line("Exposure", theme.exposure, data[1], width=1, dashed=True),
            line("Metered", theme.metered, data[2], width=2, area=True),
        ]
        options["yAxis"]["scale"] = True
        options["yAxis"][":min"] = ROUND_FLOOR
        super().__init__(options, "chart-power")

    def update(self, snapshot: Snapshot) -> None:
        self.push(epoch_ms(snapshot["at"]), self._values(snapshot), event_areas(snapshot))

    def _values(self, moment: HistoryPoint | Snapshot) -> list[float | None]:
        return [
            scaled(value_w, self._divisor)
            for value_w in (moment["ceiling_w"], moment["exposure_w"], moment["metered_w"])
        ]


class ServiceChart(LiveChart):
    """Tokens per second and the 95th percentile of inter-token latency."""

    def __init__(self, theme: Theme, history: Sequence[HistoryPoint]) -> None:
        rows = [(epoch_ms(p["at"]), p["tok_s"], p["itl_p95_ms"]) for p in history]
        data = columns(rows, 2)
        options = frame(theme, "tok/s")
        right = dict(options["yAxis"]) | {"name": "ms", "position": "right", "scale": False}
        right |= {
            "splitLine": {"show": False},
            "nameTextStyle": {"color": theme.dim, "align": "left"},
        }
        options["yAxis"] = [options["yAxis"] | {"min": 0}, right | {"min": 0}]
        options["grid"]["right"] = 44
        options["legend"]["right"] = 44
        options["series"] = [
            line("Tokens/s", theme.tokens, data[0], width=2),
            line("p95 inter-token latency", theme.latency, data[1], width=1.5) | {"yAxisIndex": 1},
        ]
        super().__init__(options, "chart-service")

    def update(self, snapshot: Snapshot) -> None:
        values = [snapshot["tok_s"], snapshot["itl_p95_ms"]]
        self.push(epoch_ms(snapshot["at"]), values, [])


def timeline_options(
    theme: Theme, intervals: Sequence[TimelineInterval], limit_id: str
) -> dict[str, Any]:
    """The ceiling of one limit over the hours ahead, as steps."""
    bounds = [(i, i["limits"][limit_id]) for i in intervals if limit_id in i["limits"]]
    divisor, unit = power_unit(max((b["limit_w"] for _, b in bounds), default=0.0))
    data = [[epoch_ms(i["starts_at"]), b["limit_w"] / divisor, b["reason"]] for i, b in bounds]
    if bounds:
        interval, bound = bounds[-1]
        data.append([epoch_ms(interval["ends_at"]), bound["limit_w"] / divisor, bound["reason"]])
    options = frame(theme, unit)
    options["legend"]["show"] = False
    options["xAxis"]["axisLabel"] |= {"formatter": "{HH}:{mm}"}
    options["yAxis"]["min"] = 0
    options["tooltip"][":formatter"] = (
        f"p => p[0].axisValueLabel + '<br><b>' + p[0].value[1].toFixed(2) + ' {unit}</b><br>' "
        "+ echarts_text(p[0].value[2])"
    ).replace("echarts_text", ESCAPE)
    options["series"] = [line("Ceiling", theme.ceiling, data, step="end", width=2, area=True)]
    return options


def frame(theme: Theme, unit: str) -> dict[str, Any]:
    """Axes, legend and tooltip that every chart here has; no motion, no wide margins."""
    return {
        "animation": False,
        "textStyle": {"fontFamily": "inherit"},
        "grid": {"left": 54, "right": 14, "top": 30, "bottom": 22},
        "legend": {
            "right": 8,
            "top": 0,
            "itemWidth": 16,
            "itemHeight": 8,
            "icon": "rect",
            "textStyle": {"color": theme.dim, "fontSize": 11},
        },
        "tooltip": {
            "trigger": "axis",
            "backgroundColor": theme.panel,
            "borderColor": theme.line,
            "textStyle": {"color": theme.text, "fontSize": 12},
            ":valueFormatter": "v => v == null ? 'no reading' : v.toFixed(v < 100 ? 2 : 1)",
        },
        "xAxis": _axis(theme) | {"type": "time", "splitLine": {"show": False}},
        "yAxis": _axis(theme)
        | {
            "type": "value",
            "name": unit,
            "nameTextStyle": {"color": theme.dim, "align": "right", "padding": [0, 8, 0, 0]},
            "nameGap": 12,
            "splitNumber": 4,
            "axisLine": {"show": False},
            "splitLine": {"lineStyle": {"color": theme.line}},
        },
    }


def _axis(theme: Theme) -> dict[str, Any]:
    return {
        "axisLabel": {"color": theme.dim, "fontSize": 11},
        "axisLine": {"lineStyle": {"color": theme.line}},
        "axisTick": {"show": False},
    }


def line(
    name: str,
    colour: str,
    data: Sequence[Sequence[Any]],
    *,
    width: float,
    step: str | None = None,
    dashed: bool = False,
    area: bool = False,
) -> dict[str, Any]:
    """One series over time; gaps stay gaps."""
    series: dict[str, Any] = {
        "type": "line",
        "name": name,
        "data": data,
        "showSymbol": False,
        "connectNulls": False,
        "color": colour,
        "lineStyle": {"width": width, "type": "dashed" if dashed else "solid"},
        "emphasis": {"disabled": True},
    }
    if step:
        series["step"] = step
    if area:
        series["areaStyle"] = {"opacity": 0.10, "origin": "start"}
    return series


def columns(rows: Sequence[Sequence[Any]], count: int) -> list[list[Point]]:
    """Rows of a moment and its values as one list of points for each value."""
    return [[[row[0], row[1 + index]] for row in rows] for index in range(count)]


def scaled(value: float | None, divisor: float) -> float | None:
    """A value in the chart's unit; a gap stays a gap."""
    return None if value is None else round(value / divisor, 4)


def event_areas(snapshot: Snapshot) -> list[list[dict[str, int]]]:
    """The stretches of the window that events cover, up to now."""
    now_ms = epoch_ms(snapshot["at"])
    spans = (_span(event, now_ms) for event in snapshot["events"])
    return [
        [{"xAxis": start}, {"xAxis": end}]
        for start, end in spans
        if start < end and end > now_ms - WINDOW_MS
    ]


def _span(event: EventView, now_ms: int) -> tuple[int, int]:
    start_ms = max(epoch_ms(event["starts_at"]), now_ms - WINDOW_MS)
    end = event["ended_at"] or event["ends_at"]
    return start_ms, min(epoch_ms(end), now_ms) if end else now_ms


# The floor of the axis: a round number well under the lowest point, so that noise looks small.
ROUND_FLOOR = (
    "v => { const s = 10 ** Math.floor(Math.log10(v.max || 1)) / 2;"
    " return Math.max(0, Math.floor(0.85 * v.min / s) * s); }"
)
ESCAPE = (
    '(t => t.replace(/[&<>"]/g,'
    " c => ({'&': '&amp;', '<': '&lt;', '>': '&gt;', '\"': '&quot;'})[c]))"
)
