"""The benchmark's result as tables."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

WIDTH: Final = 120
COLUMNS: Final = ("overshoot", "over", "excess", "complied", "unleased rises")


def show(found: Mapping[str, Any]) -> None:
    """One table of faults, one of cuts to many agents."""
    console = Console()
    console.width = max(console.width, WIDTH)
    console.print(_faults(found))
    if found["arrivals"]:
        console.print(_arrivals(found["arrivals"]))


def _faults(found: Mapping[str, Any]) -> Table:
    table = Table(
        title=f"SIMULATED on the twin {found['twin']}: {found['nodes']} nodes, real processes, "
        f"a cut from {found['limit_w'] / 1e3:.1f} to {found['cut_w'] / 1e3:.1f} kW"
    )
    table.add_column("fault")
    for name in COLUMNS:
        table.add_column(name, justify="right")
    table.add_column("")
    for row in found["rows"]:
        table.add_row(row["fault"], *_figures(row), row["note"] or row["says"])
    table.caption = (
        "overshoot, over, excess: true power above the limit in force; after a cut the old one "
        f"counts for {found['ramp_s']:.0f} s. complied: from the cut until power stays under it."
    )
    return table


def _arrivals(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="a cut to agents on stand-in cards: from the operator's word to the write")
    table.add_column("by")
    for name in ("agents", "cut to", "arrived", "95 %", "100 %"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["by"],
            f"{row['agents']:,}",
            f"{row['to']:.0%}",
            f"{row['arrived']:,}",
            *("-" if row[name] is None else f"{row[name]:.2f} s" for name in ("p95_s", "all_s")),
        )
    return table


def _figures(row: Mapping[str, Any]) -> tuple[str, ...]:
    if row["overshoot_w"] is None:
        return ("",) * len(COLUMNS)
    complied_s = row["complied_s"]
    return (
        f"{row['overshoot_w']:,.0f} W",
        f"{row['over_s']:.1f} s",
        f"{row['over_ws']:,.0f} Ws",
        "never" if complied_s is None else f"{complied_s:.1f} s",
        str(row["unleased_rises"]),
    )
