"""`ballast twin`: the simulated plant."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.guard import guarded, print_json, read_text
from orchestrator.domain.errors import ConfigurationError, InvalidInput

if TYPE_CHECKING:
    from integrations.twin.curve import CurvePoint

commands = typer.Typer(help="The simulated plant: cards, engines and meters.", no_args_is_help=True)


@commands.command()
def serve(
    site: Annotated[
        Path | None, typer.Option(help="JSON description of the site; the demo's without it.")
    ] = None,
    port: Annotated[int, typer.Option(help="TCP port on 127.0.0.1; 0 picks one.")] = 0,
    seed: Annotated[int, typer.Option(help="Of the demo's site.")] = 1,
) -> None:
    """Run the SIMULATED plant until Ctrl-C; prints its port as JSON on the first line."""
    from integrations.twin.demo_site import demo_site
    from integrations.twin.process import serve as run
    from integrations.twin.site import load_site

    def go() -> None:
        plant = demo_site(seed) if site is None else load_site(read_text(site))
        run(plant, host="127.0.0.1", port=port, ready=_announce)

    guarded(go)


def _announce(port: int) -> None:
    typer.echo(json.dumps({"port": port, "simulated": True}))


@commands.command()
def curve(
    gpu: Annotated[str, typer.Option(help="Card type, such as H200.")],
    model: Annotated[str, typer.Option(help="Model, such as llama-2-70b.")],
    caps: Annotated[str, typer.Option(help="Power caps of each card in watts: 700,500,350.")],
    gpus: Annotated[int | None, typer.Option(help="Cards of the node; one replica's.")] = None,
    batch: Annotated[int | None, typer.Option(help="Requests at once; the most it runs.")] = None,
    clock: Annotated[float | None, typer.Option(help="Highest SM clock in MHz; free.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list, one object a cap.")] = False,
) -> None:
    """SIMULATED watts, tokens/s, tokens/J and latencies over power caps, the queue never empty."""

    def go() -> None:
        from integrations.twin.curve import curve as simulate

        points = simulate(gpu, model, _watts(caps), gpus=gpus, batch=batch, clock_mhz=clock)
        if as_json:
            print_json([asdict(point) for point in points])
        else:
            _show(points)

    guarded(go)


def _watts(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InvalidInput(f"--caps {text!r}: watts, separated by commas: 700,500,350") from error


def _show(points: "list[CurvePoint]") -> None:
    from rich.console import Console
    from rich.table import Table

    first = points[0]
    origin = "extrapolated" if first.extrapolated else "fitted to measured runs"
    table = Table(
        title=f"SIMULATED: {first.deployment}, batch {first.batch}, twin {first.twin}, {origin}",
        caption="GPU W: all cards. tok/J: output tokens a joule at the server's wall (wall W).",
    )
    columns = ("cap W", "GPU W", "wall W", "tok/s", "tok/J", "ITL mean ms", "ITL p99 ms")
    for column in columns:
        table.add_column(column, justify="right")
    for point in points:
        table.add_row(
            f"{point.cap_w:g}",
            f"{point.power_w:,.0f}",
            f"{point.wall_w:,.0f}",
            f"{point.tok_s:,.0f}",
            f"{point.tok_j:.3f}",
            f"{point.itl_mean_ms:.1f}",
            f"{point.itl_p99_ms:.1f}",
        )
    Console().print(table)


@commands.command()
def fit(
    table: Annotated[Path, typer.Argument(help="CSV table of the ML.ENERGY benchmark v3.")],
    out: Annotated[Path, typer.Option(help="Where to write the coefficients.")] = Path(
        "coefficients.json"
    ),
) -> None:
    """Fit the twin to measured runs and write its coefficients, with what they get wrong."""

    def go() -> None:
        from integrations.twin.refit import refit

        text = refit(table, typer.echo)
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"cannot write {out}: {error.strerror}") from error
        typer.echo(f"wrote {out}")

    guarded(go)
