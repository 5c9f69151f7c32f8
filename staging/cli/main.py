"""`staging`: the command line of the service."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import typer

from staging.cli.lazy import Lazy, LazyGroup

_STACK = "staging.cli.stack"


class Commands(LazyGroup):
    """Every command, and where it lives."""

    table: ClassVar[Mapping[str, Lazy]] = {
        "up": Lazy(_STACK, "Start the embedded stack.", "up"),
        "down": Lazy(_STACK, "Stop the embedded stack.", "down"),
        "status": Lazy(_STACK, "Show the parts of the embedded stack.", "status"),
        "logs": Lazy(_STACK, "Print the log of one part.", "logs"),
        "doctor": Lazy(_STACK, "Check every part and say how to mend it.", "doctor"),
        "reset": Lazy(_STACK, "Delete all state of the stopped stack.", "reset"),
        "cluster": Lazy("staging.cli.cluster", "Show the Ray cluster; add and remove nodes."),
        "jobs": Lazy("staging.cli.jobs", "Create, watch, steer and read jobs."),
        "connections": Lazy("staging.cli.connections", "Register and test sources."),
        "demo": Lazy("staging.cli.demo", "Stage a TPC-H table on real parts, end to end."),
    }


app = typer.Typer(
    cls=Commands, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("staging-service"))
        raise typer.Exit


@app.callback()
def staging(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Stage tables as Parquet chunks for training: by link or by Arrow Flight."""
