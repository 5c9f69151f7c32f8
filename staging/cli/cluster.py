"""`staging cluster`: the Ray nodes that read partitions."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from staging.cli.autoscale import app as autoscale
from staging.cli.options import AsJson
from staging.cli.sizes import Yes, check_many
from staging.core.nodes import Node, NodeState, scaling

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Show the Ray cluster, and make it larger or smaller.",
)
app.add_typer(autoscale, name="autoscale")

_JSON_FIELDS = ("node_id", "address", "state", "cpus", "partitions")
NodeName = Annotated[
    str, typer.Argument(metavar="NODE", help="Its name, its id, or how the id begins.")
]
Cpus = Annotated[
    int, typer.Option(min=1, max=1024, help="CPUs of each new node: partitions read at once.")
]
Deadline = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        min=0,
        help="How long running partitions may take to end, and new nodes to start.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


@app.command()
def nodes(as_json: AsJson = False) -> None:
    """List the nodes: state, CPUs, and how many partitions each reads now."""
    found = _nodes()
    if as_json:
        typer.echo(json.dumps({"nodes": [plain_node(each) for each in found]}))
    else:
        show_nodes(found)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show the cluster as a whole: nodes alive, CPUs, partitions being read."""
    alive = [each for each in _nodes() if each.state is NodeState.ALIVE]
    total = {
        "nodes": len(alive),
        "cpus": sum(each.cpus for each in alive),
        "partitions": sum(each.partitions for each in alive),
    }
    if as_json:
        typer.echo(json.dumps(total))
        return
    for name, value in total.items():
        typer.echo(f"{name:<11}{value}")


@app.command(context_settings={"ignore_unknown_options": True})  # so that -1 is a number
def scale(
    count: Annotated[
        int, typer.Argument(metavar="N", min=1, help="Nodes in all, the head included.")
    ],
    *,
    cpus: Cpus = 1,
    deadline: Deadline = 300,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Have N nodes in all: add some, or drain those that read least."""
    from staging.cli.scaling import Change, Manner, change

    check_many(count, is_meant=yes)

    def plan(found: Sequence[Node]) -> Change:
        way = scaling(found, count)
        return Change(add=way.add, cpus=cpus, drain=way.drain)

    change(Manner(deadline, dry_run, as_json, is_sizing=True), plan)


@app.command(context_settings={"ignore_unknown_options": True})
def add(
    count: Annotated[int, typer.Argument(metavar="N", min=1, help="How many.")] = 1,
    *,
    cpus: Cpus = 1,
    deadline: Deadline = 300,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Add nodes; waiting partitions are read there within seconds."""
    from staging.cli.scaling import Change, Manner, change

    def plan(found: Sequence[Node]) -> Change:
        check_many(count + sum(each.stays for each in found), is_meant=yes)
        return Change(add=count, cpus=cpus)

    change(Manner(deadline, dry_run, as_json, is_sizing=True), plan)


@app.command()
def drain(
    node: NodeName,
    *,
    deadline: Deadline = 300,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take a node out in peace: it starts nothing more and ends with what it reads."""
    from staging.cli.scaling import Change, Manner, change, removable_node

    def plan(found: Sequence[Node]) -> Change:
        leaving = removable_node(found, node)
        return Change(drain=() if leaving.state is NodeState.DEAD else (leaving,))

    change(Manner(deadline, dry_run, as_json), plan)


@app.command()
def remove(
    node: NodeName,
    *,
    deadline: Deadline = 300,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take a node out at once: what it reads is cut off and read again elsewhere."""
    from staging.cli.scaling import Change, Manner, change, removable_node

    def plan(found: Sequence[Node]) -> Change:
        leaving = removable_node(found, node)
        return Change(remove=() if leaving.state is NodeState.DEAD else (leaving,))

    change(Manner(deadline, dry_run, as_json), plan)


def plain_node(node: Node) -> dict[str, Any]:
    """Give a node as `--json` prints it."""
    return {name: getattr(node, name) for name in _JSON_FIELDS}


def show_nodes(found: Sequence[Node]) -> None:
    """Print the nodes as a table."""
    from rich.table import Table

    from staging.cli.console import console

    table = Table("node", "address", "state", "cpus", "partitions", "name", box=None)
    for each in found:
        table.add_row(
            *("-" if value is None else str(value) for value in plain_node(each).values()),
            each.name,
        )
    console().print(table)


def _nodes() -> list[Node]:
    from staging.cli.stack import state_folder
    from staging.local.providers import node_provider
    from staging.local.running import running_layout

    return node_provider(running_layout(state_folder())).nodes()
