"""`hfsm local`: its arguments, nothing else."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The embedded AWS of this machine.")
StateDir = Annotated[
    Path | None,
    typer.Option(envvar="HFSM_LOCAL_DIR", help="Folder of the embedded AWS. Left out: .localcloud/ in the project."),
]


@app.command()
def up(
    port: Annotated[int, typer.Option(min=1, max=65535, help="TCP port of 127.0.0.1.")] = 4566,
    state_dir: StateDir = None,
) -> None:
    """Start the embedded AWS in the background."""
    from hfsm import local

    folder = (state_dir or local.default_state_dir()).resolve()
    daemon, started = local.up(port, folder)
    typer.echo(
        f"The embedded AWS {'listens' if started else 'already runs'} at {daemon.endpoint_url} "
        f"(process {daemon.pid}, since {daemon.started_at}, log {local.log_file(folder)})."
    )
    if daemon.port != port:
        typer.echo(f"Port {port} was not used: one runs already. `hfsm local down` first to move it.")
    typer.echo(local.how_to_use(daemon))


@app.command()
def down(state_dir: StateDir = None) -> None:
    """Stop the embedded AWS and everything that runs in it."""
    from hfsm import local

    daemon = local.down((state_dir or local.default_state_dir()).resolve())
    if daemon is None:
        typer.echo("No embedded AWS is running.")
    else:
        typer.echo(f"Stopped the embedded AWS at {daemon.endpoint_url} (process {daemon.pid}).")


@app.command("status")
def local_status(state_dir: StateDir = None) -> None:
    """Show what runs in the embedded AWS. Exit code 1 where none runs."""
    from hfsm import local

    folder = (state_dir or local.default_state_dir()).resolve()
    daemon = local.running(folder)
    state = local.control(daemon.port) if daemon is not None else None
    if daemon is None or state is None:
        typer.echo("No embedded AWS is running. Start one with `hfsm local up`.")
        raise typer.Exit(1)
    typer.echo(f"Runs at {daemon.endpoint_url} since {daemon.started_at} (process {daemon.pid}, state {folder}).")
    for job in state.get("training_jobs", []):
        typer.echo(f"  training job {job['name']}: {job['status']}, {job['interruptions']} interruptions")
    for endpoint in state.get("endpoints", []):
        typer.echo(f"  endpoint {endpoint['name']}: {endpoint['status']}")
    typer.echo(f"  containers: {len(state.get('containers', []))}")
    typer.echo(local.how_to_use(daemon))
