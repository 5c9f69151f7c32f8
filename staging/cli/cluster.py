"""`staging cluster`: the Ray nodes that read partitions."""

import json

import typer

from staging.cli.options import AsJson

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Show the Ray cluster.",
)


@app.command()
def nodes(as_json: AsJson = False) -> None:
    """List the nodes: state, CPUs, and how many partitions each reads now."""
    from rich.table import Table

    from staging.cli.console import console
    from staging.cli.stack import state_folder
    from staging.local.ray_nodes import ray_nodes

    found = ray_nodes(state_folder())
    if as_json:
        typer.echo(json.dumps({"nodes": found}))
        return
    table = Table("node", "address", "state", "cpus", "partitions", box=None)
    for each in found:
        table.add_row(*(str(value) for value in each.values()))
    console().print(table)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show the cluster as a whole: nodes alive, CPUs, partitions being read."""
    from staging.cli.stack import state_folder
    from staging.local.ray_nodes import ray_nodes

    alive = [each for each in ray_nodes(state_folder()) if each["state"] == "alive"]
    total = {
        "nodes": len(alive),
        "cpus": sum(each["cpus"] for each in alive),
        "partitions": sum(each["partitions"] for each in alive),
    }
    if as_json:
        typer.echo(json.dumps(total))
        return
    for name, value in total.items():
        typer.echo(f"{name:<11}{value}")
