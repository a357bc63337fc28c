"""Fits, scores, frontiers and plans as tables for people."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from orchestrator.domain.frontier import Frontier
from orchestrator.models.evaluate import Evaluation, Score
from orchestrator.models.fit import FittedModel
from orchestrator.models.points import FREE_MHZ


def print_table(table: Table) -> None:
    """On standard output; wide where nothing limits it."""
    console = Console()
    Console(width=None if console.is_terminal else 140).print(table)


def fits_table(models: Sequence[FittedModel]) -> Table:
    """One row a deployment and target: the chosen form, its error, its band, the valid range."""
    table = _table(
        "deployment",
        "version",
        "target",
        "form",
        "error",
        "band",
        "caps W",
        "batches",
        "clocks MHz",
    )
    for model in models:
        axes = model.axes
        ends = (_ends(axes.caps_w), _ends(axes.batches), _ends(axes.clocks_mhz))
        for target, fit in model.fits.items():
            first = target == "tok_s"
            name, version = (model.deployment, model.version) if first else ("", "")
            share = (f"{fit.mape:.1%}", f"±{fit.band:.1%}")
            table.add_row(name, version, target, fit.form, *share, *(ends if first else ()))
    return table


def scores_table(evaluation: Evaluation) -> Table:
    """One row a deployment, and the whole."""
    table = _table("deployment", "throughput", "power", "in the band", "rows", "outside the range")
    for name, score in evaluation.by_deployment.items():
        table.add_row(name, *_score(score))
    table.add_section()
    table.add_row("all", *_score(evaluation.overall))
    for name in evaluation.unknown:
        table.add_row(name, "not trained", "", "", "", "")
    return table


def frontier_table(frontier: Frontier) -> Table:
    """One row a point, with what the bands say."""
    table = _table("cap W", "batch", "clock MHz", "watts", "tok/s", "tok/J", "p99 ITL ms", "band")
    table.title = f"{frontier.deployment}, {frontier.cards} cards, model {frontier.model_version}"
    table.caption = "watts: all cards, without the host. tok/J: output tokens a joule of the cards."
    bands = f"tok/s {_percent(frontier.tok_s_band)}, W {_percent(frontier.power_band)}"
    for point in frontier.points:
        table.add_row(
            f"{point.cap_w:g}",
            str(point.batch),
            "free" if point.clock_mhz is None else f"{point.clock_mhz:g}",
            f"{point.power_w:,.0f}",
            f"{point.tok_s:,.0f}",
            f"{point.tok_s / point.power_w:.3f}",
            "" if point.itl_p99_ms is None else f"{point.itl_p99_ms:.1f}",
            bands,
        )
    return table


def plan_table(points: Sequence[Mapping[str, float | None]]) -> Table:
    """One row a point, in the order in which to measure."""
    table = _table("next", "cap W", "batch", "clock MHz")
    for index, point in enumerate(points, start=1):
        clock = point["clock_mhz"]
        free = "free" if clock is None else f"{clock:g}"
        table.add_row(str(index), f"{point['cap_w']:g}", f"{point['batch']:g}", free)
    return table


def _table(*columns: str) -> Table:
    table = Table()
    for column in columns:
        table.add_column(column)
    return table


def _ends(values: Sequence[float]) -> str:
    low, high = ("free" if value == FREE_MHZ else f"{value:g}" for value in (values[0], values[-1]))
    return low if low == high else f"{low} to {high}"


def _score(score: Score) -> tuple[str, ...]:
    shares = (score.throughput_mape, score.power_mape, score.coverage)
    return (*("" if s is None else f"{s:.1%}" for s in shares), str(score.rows), str(score.outside))


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"±{share:.1%}"
