"""`ballast bench`: measurements that anyone can run again; each prints a table or JSON."""

from pathlib import Path
from typing import Annotated

import typer

commands = typer.Typer(help="Measure Ballast, side by side with others.", no_args_is_help=True)


@commands.command()
def models(
    data: Annotated[
        Path | None,
        typer.Option(help="Public CSV table of the ML.ENERGY benchmark v3; simulated without it."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the simulated profiles.", min=0)] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Judge fits on runs that they have not seen, by deployment: same host, and hosts held out."""
    from orchestrator.cli.guard import guarded, print_json

    def run() -> None:
        from orchestrator.bench.models.run import measure, plain, show

        found = measure(data, seed)
        if as_json:
            print_json(plain(found))
        else:
            show(found)

    guarded(run)


@commands.command()
def pals(
    seeds: Annotated[int, typer.Option(help="Runs of every case.", min=0, max=1000)] = 20,
    minutes: Annotated[float, typer.Option(help="Of each one-node run.", min=3, max=120)] = 4.5,
    moved: Annotated[
        bool, typer.Option(help="Also with every coefficient of the plant moved by +-20 %.")
    ] = True,
    sites: Annotated[bool, typer.Option(help="Also three nodes, and demand response.")] = True,
    only: Annotated[str, typer.Option(help="Only ids that contain this, or none.")] = "",
    jobs: Annotated[int, typer.Option(help="Processes; 0 for one a core.", min=0)] = 0,
    quick: Annotated[bool, typer.Option(help="Two seeds, nothing moved.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Run the paper's experiments on the SIMULATED plant, beside a clairvoyant oracle."""
    from orchestrator.cli.guard import guarded, print_json

    def run() -> None:
        import os

        from orchestrator.bench.pals.experiments import Plan, bench
        from orchestrator.bench.pals.report import show

        plan = Plan(
            seeds=2 if quick else seeds,
            seconds=60.0 * minutes,
            moved=moved and not quick,
            sites=sites,
            jobs=jobs or os.cpu_count() or 1,
            only=only,
        )
        found = bench(plan, lambda line: typer.echo(f"\r{line}    ", nl=False, err=True))
        typer.echo("", err=True)
        if as_json:
            print_json(found)
        else:
            show(found)

    guarded(run)


@commands.command()
def control(
    seed: Annotated[int, typer.Option(help="Of the plant and of the signal.", min=0)] = 1,
    minutes: Annotated[float, typer.Option(help="Of the two-second signal.", min=5, max=600)] = 40,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """How a SIMULATED site follows a step, a ramp, and a signal that moves every two seconds."""
    from orchestrator.cli.guard import guarded, print_json

    def run() -> None:
        from orchestrator.bench.control import bench, show

        found = bench(seed, 60.0 * minutes)
        if as_json:
            print_json(found)
        else:
            show(found)

    guarded(run)


@commands.command()
def allocation(
    sizes: Annotated[str, typer.Option(help="Numbers of GPUs.")] = "1000,12288,100000",
    limit_s: Annotated[float, typer.Option(help="Seconds that a reference may take.")] = 30.0,
    instances: Annotated[int, typer.Option(help="For the throughput gaps.", min=1)] = 100,
    seed: Annotated[int, typer.Option(help="Of the made-up facilities.", min=0)] = 1,
    quick: Annotated[bool, typer.Option(help="1,000 GPUs and ten instances.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Split power beside nvPAX by Clarabel and HiGHS, greedy, proportional and static shares."""
    from orchestrator.cli.guard import guarded, numbers, print_json

    def run() -> None:
        chosen = [1_000] if quick else numbers(sizes, "--sizes")
        from orchestrator.bench.allocation.report import show
        from orchestrator.bench.allocation.run import Plan, bench

        plan = Plan(chosen, (0, 100), min(instances, 10) if quick else instances, limit_s, seed)
        found = bench(plan, lambda line: typer.echo(line, err=True))
        if as_json:
            print_json(found)
        else:
            show(found)

    guarded(run)


@commands.command()
def failover(
    faults: Annotated[str, typer.Option(help="Names between commas; all without any.")] = "",
    database: Annotated[
        str | None, typer.Option(help="URL of an empty PostgreSQL database; SQLite without it.")
    ] = None,
    agents: Annotated[
        int, typer.Option(help="To time a cut to, on stand-in cards; 0 for no timing.", max=5000)
    ] = 500,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Real faults of real processes around a cut, on a SIMULATED plant; how long a cut takes."""
    from orchestrator.cli.guard import guarded, print_json

    def run() -> None:
        import logging

        from orchestrator.bench.failover.arrival import measure
        from orchestrator.bench.failover.report import show
        from orchestrator.bench.failover.run import bench, chosen
        from orchestrator.runtime.logs import configure_logs

        def say(line: str) -> None:
            typer.echo(line, err=True)

        configure_logs(logging.WARNING)
        names = [name for name in faults.split(",") if name]
        found = bench(chosen(names), database, say)
        found["arrivals"] = measure(agents, say) if agents > 0 else []
        if as_json:
            print_json(found)
        else:
            show(found)

    guarded(run)
