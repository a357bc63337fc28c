"""The command line of the service. Errors are one line on standard error, exit status 1 or 2."""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import bench, models, twin
from orchestrator.cli import simtest as simulation
from orchestrator.cli.guard import DEFAULT_CONFIG, Config, guarded, run_app
from orchestrator.domain.errors import ConfigurationError

app = typer.Typer(
    name="ballast",
    help="Bend a datacenter's GPU power with the grid, without breaking its promises.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(twin.commands, name="twin")
app.add_typer(models.commands, name="models")
app.add_typer(bench.commands, name="bench")
app.command()(simulation.simtest)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ballast {version('ballast-power')}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print and exit."),
    ] = False,
) -> None:
    """Bend a datacenter's GPU power with the grid, without breaking its promises."""


@app.command()
def serve(config: Config = DEFAULT_CONFIG) -> None:
    """Run the service: control loop, HTTP API, dashboard and, unless told otherwise, the broker.

    The database is brought up to date first. SIGTERM ends it; no cap rises by that.
    """
    from orchestrator.runtime.logs import configure_logs
    from orchestrator.settings import load_settings

    def run() -> None:
        settings = load_settings(config)
        settings.build_topology()  # refused before the imports, which take seconds
        from orchestrator.app.service import serve as serve_until_stopped

        serve_until_stopped(settings)

    configure_logs()
    guarded(run)


@app.command()
def migrate(
    config: Config = DEFAULT_CONFIG,
    down_to: Annotated[
        str | None, typer.Option(help="Go back to this revision; 'base' empties the database.")
    ] = None,
) -> None:
    """Bring the database to this version's schema, or back to an older one."""
    from orchestrator.runtime.folders import make_folder
    from orchestrator.settings import load_settings
    from orchestrator.store.engine import open_engine
    from orchestrator.store.migrate import current, downgrade, upgrade

    def run() -> None:
        settings = load_settings(config)
        make_folder(settings.data_dir)
        engine = open_engine(settings.database)
        if down_to is None:
            upgrade(engine)
        else:
            downgrade(engine, down_to)
        typer.echo(f"The database is at revision {current(engine) or 'base'}.")

    guarded(run)


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(help="One SELECT; docs/sql.md lists the views.")],
    config: Config = DEFAULT_CONFIG,
    url: Annotated[
        str | None, typer.Option(help="The database's URL instead of the configuration's.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated values.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list of rows.")] = False,
) -> None:
    """Read the history with SQL; nothing can be changed by it."""
    from orchestrator.settings import load_settings
    from orchestrator.store.rendering import sql_command

    guarded(
        lambda: sql_command(
            url or load_settings(config).database, statement, as_csv, as_json, sys.stdout
        )
    )


@app.command()
def demo(
    seconds: Annotated[
        float | None, typer.Option("--for", help="Seconds to run; until Ctrl-C without it.", min=40)
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object at the end and nothing else.")
    ] = False,
    port: Annotated[int, typer.Option(help="Of the dashboard, on 127.0.0.1.")] = 8080,
    seed: Annotated[int, typer.Option(help="Of the simulated site.")] = 1,
    data_dir: Annotated[Path, typer.Option(help="Where database and logs go.")] = Path("var/demo"),
    database: Annotated[
        str | None, typer.Option(help="Database URL, such as postgresql+psycopg://...")
    ] = None,
    broker: Annotated[
        str | None, typer.Option(help="HOST:PORT of an external broker; see `ballast broker-files`")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the dashboard in a browser.")] = True,
) -> None:
    """Run a simulated site of 12 nodes and 96 GPUs, and curtail it by 30 % after half a minute."""
    from orchestrator.demo.run import Demo
    from orchestrator.demo.site_processes import Options

    def run() -> None:
        options = Options(data_dir.absolute(), port, seed, database, _address(broker))
        seconds_or_default = seconds if seconds is not None or not as_json else 180.0
        quiet = as_json or not sys.stdout.isatty()
        story = Demo(
            options=options,
            seconds=seconds_or_default,
            as_json=as_json,
            open_browser=browser and not quiet,
            say=lambda line: typer.echo(line, err=as_json),
        )
        raise typer.Exit(story.run())

    guarded(run)


@app.command()
def allocate(
    problem: Annotated[Path, typer.Argument(help="JSON problem file; see docs/allocation.md.")],
    out: Annotated[
        Path | None, typer.Option(help="Write the result here instead of printing it.")
    ] = None,
) -> None:
    """Split a power budget over devices: fair, for throughput, or with the least power."""
    from orchestrator.cli.guard import print_json, read_bytes, write_json

    def run() -> None:
        from orchestrator.domain.allocation.policies.document import MAX_BYTES

        raw = read_bytes(problem, MAX_BYTES)
        from orchestrator.domain.allocation.policies.solve import solve_document

        result = solve_document(raw)
        if out is None:
            print_json(result)
        else:
            write_json(result, out)

    guarded(run)


@app.command("broker-files")
def broker_files(
    out: Annotated[Path, typer.Argument(help="Folder to write to.")],
    config: Config = DEFAULT_CONFIG,
    port: Annotated[int, typer.Option(help="The port that Mosquitto shall listen on.")] = 1883,
) -> None:
    """Write Mosquitto's configuration, ACL and password file for this site's principals."""
    from orchestrator.app.broker_files import write_mosquitto_files
    from orchestrator.settings import load_settings

    guarded(lambda: write_mosquitto_files(load_settings(config), out, port))
    typer.echo(f"Start it with: mosquitto -c {out / 'mosquitto.conf'}")


def main() -> None:
    """Entry point of `ballast`."""
    sys.exit(run_app(app))


def _address(broker: str | None) -> tuple[str, int] | None:
    if broker is None:
        return None
    host, _, port = broker.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigurationError(f"--broker takes HOST:PORT, got {broker!r}")
    return host, int(port)
