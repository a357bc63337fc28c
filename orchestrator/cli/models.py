"""`ballast models`: from profile samples to what a watt buys."""

from dataclasses import asdict
from math import isfinite, nan
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli.guard import guarded, print_json
from orchestrator.domain.errors import ConfigurationError

commands = typer.Typer(help="Fit and judge power-performance models.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="The service's TOML file: use its database.")
]


@commands.command()
def fit(
    profile: Annotated[Path, typer.Argument(help="CSV file; docs/profiles.md has the columns.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for one JSON file a deployment: recipe and points.")
    ] = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Fit every deployment of a profile; the form is chosen by cross-validation.

    With --config the models are stored and made active. A service that runs hears of them when it
    starts next; POST the profile to /api/v1/models to tell it at once.
    """

    def run() -> None:
        from orchestrator.cli.model_tables import fits_table, print_table
        from orchestrator.models.export import fit_document, write_fits
        from orchestrator.models.fit import fit as fit_one
        from orchestrator.models.samples import read_profile

        samples = read_profile(profile)
        models = [fit_one(samples, name) for name in samples.deployments()]
        if out is not None:
            write_fits(models, out)
        if config is not None:
            _store(config, samples.csv())
        if as_json:
            print_json([fit_document(model) for model in models])
        else:
            print_table(fits_table(models))

    guarded(run)


@commands.command()
def evaluate(
    train: Annotated[Path, typer.Option(help="Profile to fit.")],
    test: Annotated[Path, typer.Option(help="Profile to predict; may be short.")],
    as_json: Json = False,
) -> None:
    """Fit one profile and predict the runs of another; errors are fractions.

    Rows outside the valid range are counted and not judged.
    """

    def run() -> None:
        from orchestrator.cli.model_tables import print_table, scores_table
        from orchestrator.models.evaluate import evaluate as judge
        from orchestrator.models.samples import read_profile

        found = judge(read_profile(train), read_profile(test, partial=True))
        if as_json:
            print_json({**asdict(found.overall), **asdict(found)})
        else:
            print_table(scores_table(found))

    guarded(run)


@commands.command()
def frontier(
    deployment: Annotated[str, typer.Argument(help="As the profile names it.")],
    profile: Annotated[Path | None, typer.Option(help="Fit this profile.")] = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Show what a watt buys on a deployment: from a profile, or from the active model."""

    def run() -> None:
        from orchestrator.cli.model_tables import frontier_table, print_table
        from orchestrator.models.export import frontier_document

        if (profile is None) == (config is None):
            raise ConfigurationError("give either --profile PROFILE.csv or --config FILE")
        found = _fitted(profile, deployment) if profile else _active(config, deployment)
        if as_json:
            print_json(frontier_document(found))
        else:
            print_table(frontier_table(found))

    guarded(run)


@commands.command()
def plan(
    points: Annotated[int, typer.Option(help="How many points to propose.", min=1, max=500)] = 12,
    profile: Annotated[Path | None, typer.Option(help="Runs so far, of one deployment.")] = None,
    caps: Annotated[
        str | None, typer.Option(help="LOW,HIGH in watts per card, such as 200,700.")
    ] = None,
    batches: Annotated[
        str | None, typer.Option(help="LOW,HIGH of the node, such as 16,512.")
    ] = None,
    clocks: Annotated[
        str | None, typer.Option(help="Clock locks in MHz beside free clocks, such as 1200,1500.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Propose which operating points to profile next, so that few suffice.

    Without a profile it begins one: give --caps and --batches.
    """

    def run() -> None:
        from orchestrator.cli.model_tables import plan_table, print_table
        from orchestrator.models.export import planned_points

        found = planned_points(
            points, profile, _ends(caps, "--caps"), _ends(batches, "--batches"), _numbers(clocks)
        )
        if as_json:
            print_json({"points": found})
        else:
            print_table(plan_table(found))

    guarded(run)


@commands.command("import")
def import_table(
    table: Annotated[Path, typer.Argument(help="CSV table of the ML.ENERGY benchmark v3.")],
    out: Annotated[Path, typer.Option(help="The profile to write.")],
) -> None:
    """Turn the ML.ENERGY benchmark's public table into a profile, valid at the default caps."""

    def run() -> None:
        from orchestrator.models.mlenergy import long_enough, read_mlenergy
        from orchestrator.models.samples import read_profile

        if out.resolve() == table.resolve():
            raise ConfigurationError(f"--out would overwrite {table}: give another file")
        rows = read_mlenergy(table)
        kept = long_enough(rows)
        samples = read_profile(kept.to_csv(index=False))
        _write(out, samples.csv())
        short = rows["deployment"].nunique() - len(samples.deployments())
        typer.echo(
            f"{len(kept)} runs of {len(samples.deployments())} deployments written to {out}; "
            f"{short} deployments with too few batches left out"
        )

    guarded(run)


def _fitted(profile: Path, deployment: str) -> Any:
    from orchestrator.models.fit import fit as fit_one
    from orchestrator.models.frontier import frontier as frontier_of
    from orchestrator.models.samples import read_profile

    return frontier_of(fit_one(read_profile(profile), deployment))


def _active(config: Path | None, deployment: str) -> Any:
    from orchestrator.app.offline import active_frontier
    from orchestrator.settings import load_settings

    return active_frontier(load_settings(config or Path()), deployment)


def _store(config: Path, csv: str) -> None:
    from orchestrator.app.offline import store_profile
    from orchestrator.runtime.logs import configure_logs
    from orchestrator.settings import load_settings

    configure_logs()
    versions = store_profile(load_settings(config), csv)
    typer.echo(f"stored and active: {', '.join(versions)}", err=True)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error


def _numbers(text: str | None) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        found = (nan,)
    if not all(isfinite(number) and number > 0 for number in found):
        raise ConfigurationError(f"numbers above 0 with commas between are due, not {text!r}")
    return found


def _ends(text: str | None, option: str) -> tuple[float, float] | None:
    numbers = _numbers(text)
    if not numbers:
        return None
    if len(numbers) != 2 or numbers[0] > numbers[1]:
        raise ConfigurationError(f"{option} takes LOW,HIGH, the lower first, got {text!r}")
    return numbers[0], numbers[1]
