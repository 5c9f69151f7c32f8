"""`staging up|down|status|logs|doctor|reset`: the embedded stack."""

import json
from typing import Annotated

import typer

from staging.cli.exit_codes import ExitCode
from staging.local.folder import StateFolder
from staging.local.options import UpOptions, parse_existing
from staging.local.runfile import PartStatus, as_stopped, living_run, read_run

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


def state_folder() -> StateFolder:
    """Give the state folder that the settings name."""
    from staging.settings import settings

    return StateFolder(settings().state_dir.absolute())


@app.command()
def up(
    more: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=ADDRESS]...", help="More existing parts.")
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when the stack is ready.")
    ] = False,
    port: Annotated[
        int | None, typer.Option(help="Port of the API; 0: any.", min=0, max=65535)
    ] = None,
    use_existing: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=ADDRESS",
            help="A part that runs already: temporal, s3, catalog or ray.",
        ),
    ] = None,
) -> None:
    """Start the embedded stack; without -d, keep it until Ctrl-C."""
    options = UpOptions(port, parse_existing([*(use_existing or []), *(more or [])]))
    if detach:
        from staging.local.launch import start_in_background
        from staging.signals import end_as_ctrl_c

        end_as_ctrl_c()
        run = start_in_background(state_folder(), options)
        for notice in run.notices:
            typer.echo(notice)
        _show(run.parts)
    else:
        from staging.local.supervisor import supervise
        from staging.settings import settings

        supervise(settings(), options, typer.echo)


@app.command()
def down() -> None:
    """Stop the embedded stack; fine if it does not run."""
    from staging.local.launch import stop

    typer.echo("stopped" if stop(state_folder()) else "not running")


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the parts of the embedded stack."""
    from staging.local.parts import PART_NAMES
    from staging.local.running import layout_of

    folder = state_folder()
    last = living_run(folder) or read_run(folder)
    metrics: dict[str, list[str]] = {}
    if last is None or not last.parts:
        parts = tuple(PartStatus.never_started(name, folder.log(name)) for name in PART_NAMES)
    elif last.is_alive():
        parts, metrics = last.parts, layout_of(folder, last).metrics_urls()
    else:
        parts = as_stopped(last).parts
    if as_json:
        plain = [{name: getattr(each, name) for name in each.__slots__} for each in parts]
        typer.echo(json.dumps({"parts": plain, "metrics": metrics}))
        return
    if last is not None and last.error:
        typer.echo(f"error: {last.error}", err=True)
    _show(parts)
    for name, urls in metrics.items():
        typer.echo(f"metrics of {name:<8} {'  '.join(urls)}")


@app.command()
def logs(
    part: Annotated[str, typer.Argument(help="temporal, s3, ray, api, worker, flight, …")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="How many to begin with.")
    ] = 200,
) -> None:
    """Print the log of one part."""
    from staging.local.follow import read_log

    for text in read_log(state_folder(), part, lines=lines, follow=follow):
        typer.echo(text, nl=False)


@app.command()
def doctor() -> None:
    """Check every part and say how to mend it."""
    from staging.local.doctor import examine

    is_well = True
    for finding in examine(state_folder()):
        typer.echo(f"ok   {finding.what}" if finding.is_ok else f"BAD  {finding.what}")
        if not finding.is_ok:
            typer.echo(f"     fix: {finding.fix}")
        is_well = is_well and finding.is_ok
    if not is_well:
        raise typer.Exit(ExitCode.FAILURE)


@app.command()
def reset(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete all state of the stopped stack: jobs, objects, logs, keys."""
    from staging.local.reset import check_stopped, delete_state

    folder = state_folder()
    check_stopped(folder)
    if not yes:
        typer.confirm(f"Delete all jobs, objects, logs and keys in {folder.root}?", abort=True)
    delete_state(folder)
    typer.echo(f"{folder.root} is empty")


def _show(parts: tuple[PartStatus, ...]) -> None:
    for part in parts:
        where = part.url or ""
        typer.echo(f"{part.name:<9}{part.state:<11}{part.pid or '-':<9}{where:<28}{part.log or ''}")
