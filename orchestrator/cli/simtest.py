"""`ballast simtest`: a simulated site, broken in every way, and whether the promises hold."""

import os
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from orchestrator.cli.guard import guarded, print_json
from orchestrator.domain.errors import ConfigurationError


def simtest(
    seeds: Annotated[int, typer.Option(help="How many seeds to run.", min=1)] = 100,
    first: Annotated[int, typer.Option(help="The first of them.", min=0)] = 0,
    seed: Annotated[int | None, typer.Option(help="Run this seed alone.", min=0)] = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="With --seed: shrink a failure and tell what happened.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(help="Processes; all cores without it.", min=1, max=256)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Run the real control step and agents against the simulated plant on a virtual clock.

    Every seed is a site of four nodes for ten simulated minutes with grid events and faults; the
    promises are checked against the plant's true power every 100 simulated ms. Status 1 if a
    promise was broken.
    """

    def run() -> None:
        if trace and seed is None:
            raise ConfigurationError("--trace tells one seed: give --seed K")
        if trace and seed is not None:
            raise typer.Exit(_tell(seed))
        from orchestrator.simtest.campaign import run_seeds

        count, begin = (1, seed) if seed is not None else (seeds, first)
        workers = 1 if count == 1 else (jobs or os.cpu_count() or 1)
        tell = _silence if as_json else _progress(count)
        found = run_seeds(begin, count, workers, tell).document()
        if as_json:
            print_json(found)
        else:
            _print(found)
        raise typer.Exit(1 if found["violations"] else 0)

    guarded(run)


def _progress(count: int) -> Callable[[int], None]:
    def tell(done: int) -> None:
        if done % 10 == 0 or done == count:
            typer.echo(f"\r{done} of {count} seeds", err=True, nl=done == count)

    return tell


def _silence(_done: int) -> None:
    """Nobody watches."""


def _tell(seed: int) -> int:
    from orchestrator.simtest.campaign import replay, shortest

    world = replay(seed)
    if world.found:
        scenario, world = shortest(seed)
        typer.echo(f"seed {seed}, left to what it needs to fail (simulated):")
        asked = [ask.text() for ask in scenario.asks]
        for line in sorted(asked + [fault.text() for fault in scenario.faults]):
            typer.echo(f"  {line}")
    for line in world.trace:
        typer.echo(line)
    for violation in world.found:
        typer.echo(violation.text())
    typer.echo("no promise was broken" if not world.found else "", nl=not world.found)
    return 1 if world.found else 0


def _print(found: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{found['seeds']} seeds, simulated: {found['violations']} violations")
    table.add_column("fault")
    table.add_column("class, and the bound of the excess")
    table.add_column("injected", justify="right")
    from orchestrator.simtest.faults import FAULTS

    for kind, count in found["faults_injected"].items():
        known = FAULTS[kind]
        held = f"{known.kind}: {known.bound}" if known.bound else known.kind
        table.add_row(known.words, held, f"{count:,}")
    Console().print(table)
    for promise, count in found["by_promise"].items():
        typer.echo(f"promise {promise}: {count} broken")
    typer.echo(
        f"{found['seeds_per_s']} seeds/s, {found['simulated_node_hours']} simulated node-hours, "
        f"{found['node_hours_per_s']} a second"
    )
    if found["failing_seeds"]:
        typer.echo(f"failing seeds: {found['failing_seeds']}; see one with --seed K --trace")
