"""Reach the service from a command: where it is, and what its refusals mean for the exit code."""

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import typer

from staging.cli.exit_codes import ExitCode, exit_code_of_problem
from staging.local.folder import StateFolder
from staging.local.runfile import living_run
from staging.settings import Settings, settings, url_host
from staging_client import (
    BadAddress,
    BadCertificates,
    InvalidRequest,
    JobFailed,
    Patience,
    Refused,
    StagingClient,
    StagingClientError,
    TimedOut,
    Unavailable,
)

SHORT = Patience(5.0)
"""For one question: a service that is down is said to be down soon."""
LONG = Patience(120.0)
"""For watching and pulling: a restart of the service is ridden out."""


@contextmanager
def service(
    url: str | None, org: int, user: str | None = None, *, patience: Patience = SHORT
) -> Iterator[StagingClient]:
    """Give a client; its errors become a line on standard error and an exit code."""
    with (
        reporting(),
        StagingClient(url or base_url(settings()), org, user, patience=patience) as found,
    ):
        yield found


@contextmanager
def reporting() -> Iterator[None]:
    """Turn errors of the client library into a line and an exit code."""
    try:
        yield
    except StagingClientError as error:
        for line in _lines(error):
            typer.echo(line, err=True)
        raise typer.Exit(exit_code(error)) from None


def _lines(error: StagingClientError) -> Iterator[str]:
    """Say what is wrong; of an invalid request, each place once."""
    places = error.errors if isinstance(error, InvalidRequest) else ()
    if len(places) == 1:
        yield f"error: {places[0].pointer}: {places[0].detail}"
        return
    yield f"error: {error}"
    for each in places:
        yield f"  {each.pointer}: {each.detail}"
    if isinstance(error, Unavailable):
        yield "  does it run? see: staging status; to start it here: staging up -d"


def exit_code(error: StagingClientError) -> ExitCode:
    """Choose the exit code of an error of the client library."""
    if isinstance(error, Refused):
        return exit_code_of_problem(error.status, error.code)
    if isinstance(error, JobFailed):
        return ExitCode.JOB_FAILED
    if isinstance(error, BadAddress | BadCertificates):
        return ExitCode.USAGE
    if isinstance(error, Unavailable | TimedOut):
        return ExitCode.UNAVAILABLE
    return ExitCode.FAILURE


def base_url(chosen: Settings) -> str:
    """Give the URL of the service that the settings name, else of the stack that runs here."""
    if not chosen.model_fields_set & {"host", "port"}:
        run = living_run(StateFolder(chosen.state_dir.absolute()))
        for part in run.parts if run else ():
            if part.name == "api" and part.url:
                return part.url
    return f"http://{_reachable(chosen.host)}:{chosen.port}"


def _reachable(host: str) -> str:
    """Give the address at which a server that binds `host` is reached."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "[::1]"
    return url_host(host)
