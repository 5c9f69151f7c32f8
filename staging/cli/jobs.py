"""`staging jobs`: create, list, show, watch, steer and pull jobs."""

import json
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from staging.cli.options import AsJson, JobId, Labels, Org, Timeout, Url, User, Wait

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Create, watch, steer and read jobs.",
)


@app.command()
def create(
    *,
    connection: Annotated[str, typer.Option("--connection", "-c", help="A registered connection.")],
    table: Annotated[str | None, typer.Option("--table", "-t", help="The table to stage.")] = None,
    path: Annotated[str | None, typer.Option(help="A path inside the connection's root.")] = None,
    query: Annotated[str | None, typer.Option(help="A query, where that is allowed.")] = None,
    column: Annotated[list[str] | None, typer.Option(help="May be repeated; else all.")] = None,
    filter: Annotated[
        list[str] | None, typer.Option(metavar="'COLUMN OP VALUE'", help="May be repeated; AND.")
    ] = None,
    incremental: Annotated[
        str | None,
        typer.Option(metavar="'COLUMN [AFTER]'", help="Only rows newer than that."),
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="Of a lake table: its number, or a time in UTC.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="As in the API, ttl_seconds=60.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    label: Labels = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key and request give the same job.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Return when it is staged.")] = False,
    timeout: Timeout = None,
    url: Url = None,
    org: Org = 1,
    user: User = None,
    as_json: AsJson = False,
) -> None:
    """Ask for a table to be staged; print the job's id."""
    from staging.cli import job_request
    from staging.cli.service import LONG, SHORT, service

    source = job_request.source(
        connection, {"table": table, "path": path, "query": query}, column or (), filter or ()
    )
    if incremental is not None:
        source["incremental"] = job_request.incremental(incremental)
    if version is not None:
        source["version"] = int(version) if version.isdecimal() else version
    options = job_request.options(option or ())
    labels = job_request.pairs(label or (), "--label")
    with service(url, org, user, patience=LONG if wait else SHORT) as staging:
        job = staging.create_job(
            source, name=name, labels=labels, options=options, idempotency_key=idempotency_key
        )
        if wait:
            job.wait(timeout=timeout)
    typer.echo(json.dumps(job.view.json) if as_json else job.job_id)


@app.command("list")
def list_(
    *,
    state: Annotated[str | None, typer.Option(help="Only jobs in this state.")] = None,
    label: Annotated[
        str | None, typer.Option(metavar="KEY=VALUE", help="Only jobs so labelled.")
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 50,
    url: Url = None,
    org: Org = 1,
    as_json: AsJson = False,
) -> None:
    """List the organisation's jobs, newest first."""
    from staging.cli.console import console
    from staging.cli.job_request import pairs
    from staging.cli.job_tables import list_jobs
    from staging.cli.service import service

    wanted = [f"{key}:{value}" for key, value in pairs([label] if label else (), "--label").items()]
    with service(url, org) as staging:
        found = staging.jobs(state=state, label=wanted[0] if wanted else None)
        jobs = [job.view for job in islice(found, limit)]
    if as_json:
        typer.echo(json.dumps({"jobs": [job.json for job in jobs]}))
    else:
        list_jobs(console(), jobs)


@app.command()
def show(
    *,
    job: JobId,
    chunks: Annotated[bool, typer.Option("--chunks", help="List its chunks too.")] = False,
    url: Url = None,
    org: Org = 1,
    as_json: AsJson = False,
) -> None:
    """Show a job as it is now."""
    from staging.cli.console import console
    from staging.cli.job_tables import list_chunks, show_job
    from staging.cli.service import service

    with service(url, org) as staging:
        found = staging.job(job)
        views = [each.view for each in found.published()] if chunks else []
    if as_json:
        shown = dict(found.view.json)
        shown |= {"chunks": [each.json for each in views]} if chunks else {}
        typer.echo(json.dumps(shown))
        return
    show_job(console(), found.view)
    if chunks:
        list_chunks(console(), views)


@app.command()
def watch(
    *,
    job: JobId,
    until: Annotated[str, typer.Option(metavar="STATE", help="Return in this state.")] = "staged",
    timeout: Timeout = None,
    url: Url = None,
    org: Org = 1,
    as_json: AsJson = False,
) -> None:
    """Follow a job until it is staged; exit code 7 if it ends otherwise."""
    from staging.cli.console import console
    from staging.cli.job_tables import follow
    from staging.cli.service import LONG, service
    from staging.core.jobs import JobState

    if until not in set(JobState):
        raise typer.BadParameter(f"--until takes one of {', '.join(JobState)}")
    with service(url, org, patience=LONG) as staging:
        changes = staging.job(job).until(until, timeout)
        if as_json:
            for view in changes:
                typer.echo(json.dumps(view.json))
        else:
            for _ in follow(console(), changes):
                pass


@app.command()
def amend(
    *,
    job: JobId,
    ttl: Annotated[
        int | None, typer.Option(metavar="SECONDS", help="Its whole life, from its creation on.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    label: Labels = None,
    url: Url = None,
    org: Org = 1,
    as_json: AsJson = False,
) -> None:
    """Change a job's TTL, its name, or all of its labels."""
    from staging.cli.console import console
    from staging.cli.job_request import pairs
    from staging.cli.job_tables import show_job
    from staging.cli.service import service

    if ttl is None and name is None and not label:
        raise typer.BadParameter("give --ttl, --name or --label")
    labels = pairs(label, "--label") if label else None
    with service(url, org) as staging:
        view = staging.job(job).amend(ttl_seconds=ttl, labels=labels, name=name)
    if as_json:
        typer.echo(json.dumps(view.json))
    else:
        show_job(console(), view)


@app.command()
def pause(
    *,
    job: JobId,
    wait: Wait = False,
    timeout: Timeout = None,
    url: Url = None,
    org: Org = 1,
    as_json: AsJson = False,
) -> None:
    """Start no new partition and stop the TTL clock."""
    _act(job, "pause", "paused" if wait else None, timeout, (url, org, as_json))


@app.command()
def resume(*, job: JobId, url: Url = None, org: Org = 1, as_json: AsJson = False) -> None:
    """Go on reading what is missing."""
    _act(job, "resume", None, None, (url, org, as_json))


@app.command()
def cancel(
    *,
    job: JobId,
    wait: Wait = False,
    timeout: Timeout = None,
    url: Url = None,
    org: Org = 1,
    as_json: AsJson = False,
) -> None:
    """End a job in any state and delete its chunks."""
    _act(job, "cancel", "cancelled" if wait else None, timeout, (url, org, as_json))


@app.command()
def pull(
    *,
    job: JobId,
    to: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Else a folder named by the job.")
    ] = None,
    flight: Annotated[bool, typer.Option("--flight", help="By Arrow Flight, not links.")] = False,
    through_service: Annotated[
        bool,
        typer.Option("--through-service", help="By the API, where the bucket is out of reach."),
    ] = False,
    ack: Annotated[bool, typer.Option("--ack", help="Acknowledge each stored chunk.")] = False,
    consumer: Annotated[str, typer.Option(help="Who acknowledges.")] = "default",
    url: Url = None,
    org: Org = 1,
    as_json: AsJson = False,
) -> None:
    """Write a job's chunks to a folder, as they appear; again to go on after a break."""
    from staging.cli.console import console
    from staging.cli.pull_shown import show_pull
    from staging.cli.service import LONG, service

    if flight and through_service:
        raise typer.BadParameter("give --flight or --through-service, not both")
    way = "flight" if flight else "service" if through_service else "link"
    with service(url, org, patience=LONG) as staging:
        found = staging.job(job)
        shown = console(stderr=True, quiet=as_json)
        total = show_pull(
            shown,
            found,
            to or Path(job),
            way=way,
            consumer=consumer if ack else None,
        )
    if as_json:
        typer.echo(json.dumps(total.json()))
    else:
        typer.echo(total.text())


def _act(
    job_id: str,
    action: str,
    until: str | None,
    timeout: float | None,
    common: tuple[str | None, int, bool],
) -> None:
    from staging.cli.console import console
    from staging.cli.job_tables import say
    from staging.cli.service import service

    url, org, as_json = common
    with service(url, org) as staging:
        job = staging.job(job_id)
        getattr(job, action)()
        if until is not None and job.state != until:
            job.wait(until, timeout)
    if as_json:
        typer.echo(json.dumps(job.view.json))
    else:
        say(console(), job)
