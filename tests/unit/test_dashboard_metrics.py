"""The Grafana dashboard and the alert rules speak of metrics that the service really has."""

import json
import re
from pathlib import Path

import pytest

from orchestrator.api import metrics

FOLDER = Path(__file__).parents[2] / "dashboards"
RESERVED = {
    "ballast_control_age_seconds",
    "ballast_queue_length",
    "ballast_node_status",
    "ballast_breach_open",
}
COUNTERS = {"ballast_dropped_total", "ballast_decisions_total", "ballast_breaches_total"}
KNOWN = (
    RESERVED
    | COUNTERS
    | {f"ballast_limit_{name}" for name in metrics.LIMIT_GAUGES}
    | {f"ballast_node_{name}" for name in metrics.NODE_GAUGES}
    | {f"ballast_facility_{name}" for name in metrics.FACILITY_GAUGES}
)


def expressions(text: str) -> list[str]:
    return re.findall(r'(?:expr:|"expr":|"query":)\s*(.+)', text)


@pytest.mark.parametrize("file", ["grafana/ballast.json", "alerts/ballast.yaml"])
def test_every_metric_exists(file: str) -> None:
    asked = {
        name
        for expression in expressions((FOLDER / file).read_text(encoding="utf-8"))
        for name in re.findall(r"\bballast_\w+", expression)
    }
    assert len(asked) > 5
    assert asked <= KNOWN


def test_the_words_here_are_the_ones_in_the_collector() -> None:
    source = Path(metrics.__file__).read_text(encoding="utf-8")
    written = RESERVED | {name.removesuffix("_total") for name in COUNTERS}
    assert all(f'"{name}"' in source for name in written)


def test_panels_do_not_overlap() -> None:
    panels = json.loads((FOLDER / "grafana/ballast.json").read_text(encoding="utf-8"))["panels"]
    taken = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
