"""`staging connections`: register, list, test and remove connections."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from staging.cli.exit_codes import ExitCode
from staging.cli.options import AsJson

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Register and test sources.",
)
_KINDS = "postgres, mysql, sqlite, duckdb, parquet, csv, json, delta, iceberg or sqlalchemy."
Name = Annotated[str, typer.Argument(metavar="NAME", help="The connection's name.")]


@app.command()
def add(
    *,
    name: Name,
    kind: Annotated[str, typer.Option("--kind", "-k", help=_KINDS)],
    host: Annotated[str | None, typer.Option(help="Server kinds: its host.")] = None,
    port: Annotated[int | None, typer.Option(help="Server kinds: its port.")] = None,
    database: Annotated[str | None, typer.Option(help="Server kinds: the database.")] = None,
    user: Annotated[str | None, typer.Option(help="Server kinds: who reads.")] = None,
    password: Annotated[
        str | None, typer.Option(metavar="REFERENCE", help="env:NAME or file:PATH, never itself.")
    ] = None,
    tls: Annotated[
        str | None, typer.Option(metavar="HOW", help="mysql: prefer, require or verify.")
    ] = None,
    tls_ca: Annotated[Path | None, typer.Option(help="mysql: certificates to trust.")] = None,
    dialect: Annotated[
        str | None, typer.Option(help="sqlalchemy: the dialect and driver, oracle+oracledb.")
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="sqlalchemy: its driver's own; may be repeated."),
    ] = None,
    root: Annotated[
        str | None, typer.Option(help="Kinds of files: the folder, or s3://BUCKET/PREFIX.")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="s3:// roots: the store; else AWS.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="s3:// roots: the bucket's region.")] = None,
    addressing: Annotated[
        str | None, typer.Option(metavar="HOW", help="s3:// roots: path or virtual.")
    ] = None,
    access_key_id: Annotated[
        str | None, typer.Option(metavar="REFERENCE", help="s3:// roots: env:NAME or file:PATH.")
    ] = None,
    secret_access_key: Annotated[
        str | None, typer.Option(metavar="REFERENCE", help="s3:// roots: env:NAME or file:PATH.")
    ] = None,
    path: Annotated[
        Path | None, typer.Option(help="sqlite and duckdb: the database's file.")
    ] = None,
    catalog: Annotated[
        Path | None, typer.Option(help="iceberg: the SQLite file of its SQL catalog.")
    ] = None,
    org: Annotated[
        list[int] | None, typer.Option(help="Who may use it; may be repeated; else all.")
    ] = None,
    max_connections: Annotated[
        int | None, typer.Option(help="Sessions that all jobs together may hold.")
    ] = None,
    allow_query: Annotated[
        bool, typer.Option("--allow-query", help="Jobs may give their own query.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Register a connection in connections.toml."""
    from staging.cli.job_request import pairs
    from staging.cli.registered import connections_file
    from staging.settings import settings
    from staging.sources.registry_edit import add_connection

    file = connections_file(settings())
    fields: dict[str, Any] = {
        "kind": kind,
        "host": host,
        "port": port,
        "database": database,
        "user": user,
        "password": _from_here(password),
        "tls": tls,
        "tls_ca": _absolute(tls_ca),
        "dialect": dialect,
        "parameters": pairs(parameter, "--parameter") if parameter else None,
        "root": _absolute(root),
        "endpoint": endpoint,
        "region": region,
        "addressing": addressing,
        "access_key_id": _from_here(access_key_id),
        "secret_access_key": _from_here(secret_access_key),
        "path": _absolute(path),
        "catalog": _absolute(catalog),
        "orgs": org,
        "max_connections": max_connections,
        "allow_query": allow_query or None,
    }
    given = {key: value for key, value in fields.items() if value is not None}
    with _reporting():
        add_connection(file, name, given)
    _say(f"{name} is in {file}", {"name": name, "file": str(file)}, as_json=as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the registered connections, without their secrets."""
    from rich.table import Table

    from staging.cli.console import console
    from staging.cli.registered import connections_file, entries
    from staging.settings import settings

    with _reporting():
        found = [_shown(entry) for entry in entries(connections_file(settings()))]
    if as_json:
        typer.echo(json.dumps({"connections": found}))
        return
    table = Table("name", "kind", "place", "orgs", "sessions", "problem", box=None)
    for each in found:
        orgs = "all" if each["orgs"] is None else " ".join(map(str, each["orgs"]))
        sessions = str(each["max_connections"] or "")
        table.add_row(
            each["name"], each["kind"], each["place"], orgs, sessions, each["problem"] or ""
        )
    console().print(table)


@app.command("test")
def probe(
    *,
    name: Name,
    table: Annotated[str | None, typer.Option("--table", "-t", help="Describe a table.")] = None,
    path: Annotated[str | None, typer.Option(help="Describe a path inside the root.")] = None,
    as_json: AsJson = False,
) -> None:
    """Reach a source, and describe one of its tables if one is named."""
    from staging.cli.reaching import reach
    from staging.cli.registered import connections_file, registered
    from staging.settings import settings

    with _reporting():
        columns = reach(registered(connections_file(settings()), name), table, path)
    lines = [f"  {each['name']}: {each['type']}" for each in columns or ()]
    shown = {"name": name, "reached": True, "columns": columns}
    _say("\n".join([f"{name} answers", *lines]), shown, as_json=as_json)


@app.command()
def remove(name: Name, as_json: AsJson = False) -> None:
    """Remove a connection from connections.toml; jobs that read it now go on."""
    from staging.cli.registered import connections_file
    from staging.settings import settings
    from staging.sources.registry_edit import remove_connection

    file = connections_file(settings())
    with _reporting():
        remove_connection(file, name)
    _say(f"{name} is removed", {"name": name, "file": str(file)}, as_json=as_json)


@contextmanager
def _reporting() -> Iterator[None]:
    """Say what is wrong with the words given: an unknown connection is not found, not misused."""
    from staging.core.errors import UnknownConnection

    try:
        yield
    except UnknownConnection as unknown:
        typer.echo(f"error: {unknown.detail}", err=True)
        raise typer.Exit(ExitCode.NOT_FOUND) from None


def _shown(entry: Any) -> dict[str, Any]:
    from staging.cli.registered import place

    found = entry.connection
    orgs = None if found is None or found.orgs is None else sorted(found.orgs)
    return {
        "name": entry.name,
        "kind": found.kind if found else "",
        "place": place(found) if found else "",
        "orgs": orgs,
        "max_connections": found.max_connections if found else None,
        "allow_query": found.allow_query if found else None,
        "problem": entry.problem,
    }


def _say(text: str, shown: dict[str, Any], *, as_json: bool) -> None:
    typer.echo(json.dumps(shown) if as_json else text)


def _from_here(reference: str | None) -> str | None:
    """Let `file:PATH` start at this command's folder, as the other paths do."""
    scheme, _, path = (reference or "").partition(":")
    return f"file:{_absolute(Path(path))}" if scheme == "file" and path else reference


def _absolute(given: Path | str | None) -> str | None:
    """Make a path of this command's folder one of any folder; addresses of stores stay."""
    if given is None or ":/" in str(given):
        return None if given is None else str(given)
    return str(Path(given).expanduser().absolute())
