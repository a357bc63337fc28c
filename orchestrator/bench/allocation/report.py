"""The benchmark's result as tables."""

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.table import Table

WIDTH: Final = 150
COLUMNS: Final = (
    "GPUs", "tenants", "bottlenecks", "method", "ms", "of it phase I", "set-up", "parse", "hulls",
    "certificate", "gap", "to", "satisfied", "note",
)  # fmt: skip


def show(found: Mapping[str, Any]) -> None:
    """One table a policy, the gaps, the cold start and the machine."""
    console = Console(width=WIDTH)
    for policy in ("fair", "throughput"):
        console.print(_table(policy, [row for row in found["rows"] if row["policy"] == policy]))
    gaps = found["throughput_gaps"]
    console.print(
        f"throughput, {gaps['instances']} instances of {gaps['devices']:,} GPUs, below the bound: "
        f"{gaps['median']:.4%} (median), {gaps['p95']:.4%} (p95), {gaps['worst']:.4%} (worst)"
    )
    console.print(
        f"first answer of a fresh process: {found['cold_start_ms'] / 1e3:.1f} s with compiling, "
        f"{found['cached_start_ms'] / 1e3:.1f} s with compiled code at hand"
    )
    machine = ", ".join(f"{name} {value}" for name, value in found["machine"].items())
    console.print(f"one core used; {machine}; problems made up, seed {found['seed']}")


def _table(policy: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(title=f"{policy}: milliseconds from arrays to watts, warm medians")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name in {"method", "note", "to"} else "right")
    for row in rows:
        table.add_row(
            f"{row['devices']:,}", str(row["tenants"]), row["bottlenecks"], row["method"],
            *(_number(row[name]) for name in (
                "ms_median", "phase_one_ms", "setup_ms", "parse_ms", "hull_ms", "certificate_ms",
            )),
            "-" if row["objective_gap"] is None else f"{row['objective_gap']:.1e}",
            row["against"] or "-",
            "-" if row["satisfaction"] is None else f"{row['satisfaction']:.2%}",
            row["note"],
        )  # fmt: skip
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"
