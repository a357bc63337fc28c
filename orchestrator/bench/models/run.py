"""`ballast bench models`: how well fits predict runs that they have not seen."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from orchestrator.bench.models import measured
from orchestrator.bench.models.judge import Row
from orchestrator.bench.models.planner import Curve, error_curves
from orchestrator.models.fit import DEFAULT_RECIPE

PAPER: Final = {"throughput_mape": 0.068, "power_mape": 0.045}
"""Held-out errors that PALS reports (arXiv 2605.21427)."""
EACH_ALONE: Final = 50
"""Folds for a public sweep: more than it has batches, so that each is left out alone."""
GOAL: Final = {"throughput_mape": 0.05, "power_mape": 0.035}
"""On the same host, inside the profiled range."""


def measure(data: Path | None, seed: int) -> dict[str, Any]:
    """The whole document: of the public table where one is given, else of simulated profiles."""
    if data is not None:
        found = measured.measure(data, replace(DEFAULT_RECIPE, folds=EACH_ALONE))
    else:
        from orchestrator.bench.models import twin

        found = twin.measure(DEFAULT_RECIPE, seed)
        found["planner"] = error_curves(seed)
    _claim(found["overall"]["held_out_hosts"], found["floor"])
    met = {
        name: all(errors[key] is not None and errors[key] < goal for key, goal in GOAL.items())
        for name, errors in found["overall"].items()
        if name.startswith("same_host")
    }
    return {**found, "paper": PAPER, "goal": GOAL, "goal_met": met, "seed": seed}


def _claim(held_out: dict[str, Any], floor: Mapping[str, Any]) -> None:
    """What may be claimed of hosts that were not profiled: never less than hosts differ by."""
    for name in ("throughput", "power"):
        measured, least = held_out[f"{name}_mape"], floor[name]
        known = [value for value in (measured, least) if value is not None]
        held_out[f"{name}_claimed"] = max(known) if measured is not None else None


def plain(value: Any) -> Any:
    """The document as JSON has it; raw errors are left out."""
    if is_dataclass(value):
        return {
            field.name: plain(getattr(value, field.name)) for field in fields(value) if field.repr
        }
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def show(document: dict[str, Any]) -> None:
    """Tables for people."""
    console = Console()
    word = "SIMULATED" if document["simulated"] else "measured"
    hash_words = f", twin {document['twin']}" if "twin" in document else ""
    console.print(f"{document['source']} ({word}{hash_words})")
    console.print(_rows(document["rows"]))
    console.print(_overall(document))
    if "planner" in document:
        console.print(_planner(document["planner"]))


def _rows(rows: list[Row]) -> Table:
    table = Table("deployment", "host", "throughput", "by", "power", "by", "runs", "outside")
    for row in rows:
        table.add_row(
            row.deployment,
            row.host,
            f"{row.throughput_mape:.1%}",
            row.forms["tok_s"],
            f"{row.power_mape:.1%}",
            row.forms["power_w"],
            str(row.runs),
            str(row.outside),
        )
    return table


def _overall(document: dict[str, Any]) -> Table:
    table = Table("mean absolute error", "throughput", "power", "median deployment", "runs")
    for name, found in document["overall"].items():
        if found["runs"]:
            median = f"{found['throughput_mape_median']:.1%}, {found['power_mape_median']:.1%}"
            table.add_row(name.replace("_", " "), *_pair(found), median, str(found["runs"]))
        if "power_claimed" in found:
            claimed = {f"{key}_mape": found[f"{key}_claimed"] for key in ("throughput", "power")}
            table.add_row("  claimed, at least the floor", *_pair(claimed), "", "")
    table.add_section()
    floor = document["floor"]
    for name, found in (
        ("floor: between hosts", {f"{key}_mape": floor[key] for key in ("throughput", "power")}),
        ("goal, same host", document["goal"]),
        ("the paper, held out", document["paper"]),
    ):
        table.add_row(name, *_pair(found), "", "")
    return table


def _pair(found: dict[str, float | None]) -> tuple[str, str]:
    pair = [found["throughput_mape"], found["power_mape"]]
    first, second = ("unknown" if value is None else f"{value:.1%}" for value in pair)
    return first, second


def _planner(curves: list[Curve]) -> Table:
    table = Table("deployment", "points", "planned", "grid", "random")
    table.title = "error of throughput / power over the range, SIMULATED"
    by_key = {(c.deployment, c.points, c.method): c for c in curves}
    for deployment, points in sorted({(c.deployment, c.points) for c in curves}):
        cells = [by_key[deployment, points, m] for m in ("planned", "grid", "random")]
        words = [f"{c.throughput_mape:.1%} / {c.power_mape:.1%}" for c in cells]
        table.add_row(deployment, str(points), *words)
    return table
