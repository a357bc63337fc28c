"""The paper's table, ours beside it, for people."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

Row = dict[str, Any]
WIDTH = 130
PAPER = (
    "Paper (4 x A100, measured): batch only 1.14x, cap and batch 1.26x = 95 % of its oracle's "
    "headroom; three nodes: violations 18.7-35.2 % -> 3.2-5.3 %, efficiency +12.1 %; demand "
    "response: up to +22 % throughput."
)


def show(result: dict[str, Any], console: Console | None = None) -> None:
    """Print everything that was run."""
    console = console or Console()
    console.width = max(console.width, WIDTH)
    console.print(f"[bold]SIMULATED[/bold] on the twin {result['twin']}; {result['seeds']} seeds")
    console.print(PAPER)
    for title, key in (
        ("One node, nominal plant", "one_node"),
        (
            "One node, every coefficient of the plant moved by +-20 %, one at a time",
            "one_node_moved",
        ),
    ):
        if result.get(key):
            console.print(_one_node(title, result[key]))
    for title, key in (
        ("Three nodes under 4,800 W", "three_nodes"),
        ("One hour of demand response", "demand_response"),
    ):
        if result.get(key):
            console.print(_sites(title, result[key]))


def _one_node(title: str, rows: Sequence[Row]) -> Table:
    table = Table(title=f"{title} (simulated): tok/J over fixed cap and batch")
    for name in ("deployment", "load", "policy"):
        table.add_column(name)
    for name in ("runs", "gain", "95 % of runs", "of oracle", "short", "late ITL", "late TTFT"):
        table.add_column(name, justify="right")
    for row in rows:
        share = row["of_headroom"]
        table.add_row(
            row["deployment"],
            row["load"],
            row["policy"],
            str(row["runs"]),
            f"{row['gain']:.3f}x",
            f"{row['gain_low']:.3f}-{row['gain_high']:.3f}",
            "" if share is None else f"{share:.1%}",
            *(f"{row[name]:.1%}" for name in ("short", "late_itl", "late_ttft")),
        )
    return table


def _sites(title: str, rows: Sequence[Row]) -> Table:
    table = Table(title=f"{title} (simulated)")
    for name in ("site", "load", "policy"):
        table.add_column(name)
    for name in ("runs", "tok/J", "95 % of runs", "tok/s", "short", "late", "RMS", "RMS above"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["site"],
            row["load"],
            row["policy"],
            str(row["runs"]),
            f"{row['tok_j']:.4f}",
            f"{row['tok_j_low']:.4f}-{row['tok_j_high']:.4f}",
            f"{row['tok_s']:,.0f}",
            *(f"{row[name]:.1%}" for name in ("short", "late")),
            *(f"{row[name]:.2%}" if name in row else "" for name in ("rms", "rms_above")),
        )
    return table
