"""`hfsm prices`: its arguments, nothing else."""

from pathlib import Path
from typing import Annotated

import typer

from hfsm.options import Environment
from hfsm.progress import make_console

app = typer.Typer(help="What instances cost, and what a deployment costs by the month.")
Settings = Annotated[
    Path | None, typer.Option("--environments", help="Folder of the settings. Left out: the project's.")
]


@app.callback(invoke_without_command=True)
def prices(context: typer.Context, environment: Environment = "dev", folder: Settings = None) -> None:
    """Show what an hour of an instance costs by the settings, as reports of training runs use it.

    Asks nothing of AWS.
    """
    if context.invoked_subcommand is not None:
        return
    from hfsm import price_list
    from hfsm.local import PROJECT_ROOT

    found = price_list.read(folder or PROJECT_ROOT / "environments", environment)
    price_list.show(found.region, found.table, make_console())


@app.command("update")
def update_prices(
    environment: Environment = "dev",
    folder: Settings = None,
    profile: Annotated[str | None, typer.Option(help="AWS profile that may ask for prices.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Change the file without asking.")] = False,
) -> None:
    """Ask AWS's Price List API for what jobs and endpoints of an environment may run on; write it into the settings.

    These are list prices: they replace those of a contract. Exit code 1: not changed.
    """
    from datetime import UTC, datetime

    from hfsm import price_list, price_update
    from hfsm.local import PROJECT_ROOT

    found = price_list.read(folder or PROJECT_ROOT / "environments", environment)
    update = price_update.PriceUpdate(found, price_update.client(profile), datetime.now(UTC).date())
    for name in update.unpriced:
        typer.echo(f"AWS lists no price for {name} in {found.region}.")
    typer.echo("\n".join(update.changes) or "No number changes, the day does.")
    if not yes and not typer.confirm(f"Change {found.file}?"):
        typer.echo("Not changed.")
        raise typer.Exit(1)
    if not update.apply():
        typer.echo(f"Not changed: `prices` in {found.file} has comments or a form that would be lost. It should be:")
        typer.echo(update.block)
        raise typer.Exit(1)
    typer.echo(f"Changed {found.file}. Reports have these prices when it is deployed.")


@app.command("monthly")
def monthly_cost(
    environment: Environment = "dev",
    folder: Settings = None,
    templates: Annotated[
        Path | None, typer.Option(help="Folder of the synthesised templates. Left out: the project's cdk.out.")
    ] = None,
) -> None:
    """Show what a deployment costs in a month when nobody uses it, each line with where its price is from.

    Counts what the templates create (`make synth`). Asks nothing of AWS.
    """
    from hfsm import monthly_cost as cost
    from hfsm import price_list
    from hfsm.local import PROJECT_ROOT

    found = price_list.read(folder or PROJECT_ROOT / "environments", environment)
    lines = cost.estimate(cost.read(templates or PROJECT_ROOT / "cdk.out", environment), found)
    cost.show(lines, found, make_console())
