"""`staging cluster autoscale`: let the cluster be as large as what is left to read asks for."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from staging.cli.options import AsJson
from staging.cli.sizes import Yes, check_many
from staging.core.autoscale import Limits
from staging.core.errors import InvalidValue
from staging.local.folder import StateFolder

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Add and drain nodes as jobs come and go.",
)
_DEFAULTS = Limits(least=1, most=4)
_MIB = 1024 * 1024
Deadline = Annotated[
    float,
    typer.Option(
        metavar="SECONDS", min=0, help="How long another command may be at the cluster first."
    ),
]


@app.command()
def on(
    *,
    least: Annotated[
        int, typer.Option("--min", min=1, help="Fewest nodes, the head included.")
    ] = _DEFAULTS.least,
    most: Annotated[
        int, typer.Option("--max", min=1, max=10_000, help="Most nodes, the head included.")
    ] = _DEFAULTS.most,
    cpus: Annotated[int, typer.Option(min=1, max=1024, help="CPUs of each new node.")] = (
        _DEFAULTS.cpus
    ),
    cool_down: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0, help="Nodes leave after they were too many for so long."
        ),
    ] = _DEFAULTS.cool_down_seconds,
    drain_deadline: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0, help="How long a leaving node may end what it reads."
        ),
    ] = _DEFAULTS.drain_seconds,
    mib_per_cpu: Annotated[
        int,
        typer.Option(
            min=0, help="Want a CPU only for so many MiB of Parquet that are left; 0: for any."
        ),
    ] = _DEFAULTS.bytes_per_cpu // _MIB,
    deadline: Deadline = 300,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Switch the autoscaler on, or change its limits; it stays on until it is switched off."""
    check_many(most, is_meant=yes)
    if least > most:
        raise InvalidValue(f"--min {least} is more than --max {most}")
    limits = Limits(least, most, cpus, cool_down, drain_deadline, mib_per_cpu * _MIB)
    _switch(limits, deadline, as_json=as_json)


@app.command()
def off(*, deadline: Deadline = 300, as_json: AsJson = False) -> None:
    """Switch the autoscaler off; the nodes stay as they are."""
    _switch(None, deadline, as_json=as_json)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show the limits, what could be read at once, and how many nodes are wanted for that."""
    from staging.local.running import running_layout

    _show(running_layout(_folder()).folder, as_json=as_json)


def _switch(limits: Limits | None, deadline: float, *, as_json: bool) -> None:
    from staging.cli.scaling import say
    from staging.local.autoscale_orders import write_limits
    from staging.local.node_orders import turn
    from staging.local.providers import node_provider
    from staging.local.running import running_layout

    layout = running_layout(_folder())
    if limits is not None:
        node_provider(layout).check()
    with turn(layout.folder, deadline, say):
        write_limits(layout.folder, limits)
    _show(layout.folder, as_json=as_json)


def _show(folder: StateFolder, *, as_json: bool) -> None:
    told = _told(folder)
    if as_json:
        typer.echo(json.dumps(told))
        return
    for name, value in told.items():
        typer.echo(f"{name:<19}{'-' if value is None else value}")


def _told(folder: StateFolder) -> dict[str, Any]:
    """Say whether it is on, its limits, and what it last saw."""
    from staging.local.autoscale_orders import read_autoscale_report, read_limits

    limits = read_limits(folder)
    if limits is None:
        return {"is_on": False}
    report = read_autoscale_report(folder)
    seen = {"readers": None, "nodes": None, "wanted": None, "why": ""}
    told = asdict(limits)
    named = {"min": told.pop("least"), "max": told.pop("most")}
    return {"is_on": True} | named | told | (asdict(report) if report is not None else seen)


def _folder() -> StateFolder:
    from staging.cli.stack import state_folder

    return state_folder()
