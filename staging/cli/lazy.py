"""A command group that imports a command's module only when that command is used."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

from staging.cli.exit_codes import ExitCode, exit_code_of
from staging.core.errors import StagingError


@dataclass(frozen=True, slots=True)
class Lazy:
    """Where a command lives: a module with a Typer `app`, or one command of that app."""

    module: str
    help: str
    member: str | None = None


class LazyGroup(TyperGroup):
    """Lists its commands from a table, so that `--help` imports none of them."""

    table: ClassVar[Mapping[str, Lazy]] = {}

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer's signature
        """Name the commands in the table's order."""
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import one command."""
        entry = self.table.get(cmd_name)
        if entry is None:
            return None
        command = typer.main.get_command(importlib.import_module(entry.module).app)
        if entry.member is None:
            command.name = cmd_name
            return command
        return command.get_command(ctx, entry.member)  # type: ignore[attr-defined]

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - as above
        """List the commands with the table's help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.table.items()])

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an error of the service becomes a line and an exit code."""
        try:
            return super().invoke(ctx)
        except StagingError as error:
            typer.echo(f"error: {error.detail}", err=True)
            raise typer.Exit(exit_code_of(error)) from None
        except ValueError as error:
            _explain_settings(error)
            raise typer.Exit(ExitCode.USAGE) from None


def _explain_settings(error: ValueError) -> None:
    """Print which settings are not valid; any other error is raised again."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        raise error
    for each in error.errors(include_url=False, include_input=False):
        name = "_".join(str(part) for part in each["loc"]).upper()
        typer.echo(f"error: STAGING_{name}: {each['msg']}", err=True)
