"""`staging demo`: the whole way of one table, on real parts, compared with its source."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from staging.cli.demo_parts import DemoParts, demo_parts, read_source
from staging.cli.exit_codes import ExitCode
from staging.local.fingerprint import Fingerprint, fingerprint
from staging.signals import end_as_ctrl_c
from staging_client import Job, StagingClient, WrongState

_CHUNK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 300.0
app = typer.Typer()
_console = Console()


@dataclass(slots=True)
class Story:
    """What was measured and compared on the way."""

    seconds: dict[str, float] = field(default_factory=dict)
    found: dict[str, Fingerprint] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show a step while it runs, and keep its time."""
        began = time.monotonic()
        with _console.status(name):
            yield
        self.seconds[name] = time.monotonic() - began
        _console.print(f"[green]✓[/] {name} [dim]{self.seconds[name]:.1f} s[/]")

    def is_equal(self) -> bool:
        """Tell whether all readings hold the same rows."""
        return len(set(self.found.values())) == 1


@app.command()
def demo(
    scale: Annotated[
        float, typer.Option(help="TPC-H scale factor; 0.1 is 600,572 rows.", min=0.001)
    ] = 0.1,
) -> None:
    """Stage TPC-H lineitem from Postgres, read it by link and by Flight, compare, clean up."""
    end_as_ctrl_c()
    story = Story()
    with demo_parts(scale, story.step) as parts, StagingClient(parts.api_url) as staging:
        job = staging.create_job(
            {"connection": "warehouse", "table": "public.lineitem"},
            name="demo",
            options={"chunk_target_bytes": _CHUNK_BYTES},
        )
        began = time.monotonic()
        _watch(job)
        story.seconds["POST to staged, with a pause"] = time.monotonic() - began
        _read_and_compare(job, parts, story)
        is_empty = _acknowledge(job, parts, story)
    _summary(job, story)
    if not (story.is_equal() and is_empty and job.state == "completed"):
        _console.print("[red]✗ the rows differ, or something was left behind[/]")
        raise typer.Exit(ExitCode.FAILURE)
    _console.print("[green]✓ both readings equal the source; the bucket is empty[/]")


def _watch(job: Job) -> None:
    """Show the job's progress; pause it once at a third and let it go on."""
    columns = (
        TextColumn("  {task.description:<9}"),
        BarColumn(),
        TextColumn("{task.fields[chunks]} chunks, {task.fields[rows]:,} rows"),
        TimeElapsedColumn(),
    )
    is_paused = False
    with Progress(*columns, console=_console) as bars:
        bar = bars.add_task("pending", total=1.0, chunks=0, rows=0)
        for view in job.changes(_TIMEOUT_SECONDS):
            seen = view.progress
            bars.update(
                bar,
                description=view.state,
                completed=seen.fraction or 0.0,
                chunks=seen.chunks_published,
                rows=seen.rows,
            )
            if not is_paused and view.state == "running" and (seen.fraction or 0) > 0.3:
                with suppress(WrongState):  # it may be staged by now
                    job.pause()
                    is_paused = True
            elif view.state == "paused":
                time.sleep(1)
                job.resume()
            elif view.state not in {"pending", "running", "pausing"}:
                break
    job.wait("staged", _TIMEOUT_SECONDS)
    _console.print(f"[green]✓[/] staged; paused and resumed on the way: {is_paused}")


def _read_and_compare(job: Job, parts: DemoParts, story: Story) -> None:
    with story.step("Read all chunks by link"):
        by_link = job.read_links()
    with story.step("Read all chunks by Flight"):
        by_flight = job.read_flight()
    with story.step("Read the source with Postgres' own COPY, and compare"):
        source = read_source(parts.dsn, by_link.schema)
        story.found = {
            "source": fingerprint(source),
            "by link": fingerprint(by_link),
            "by Flight": fingerprint(by_flight),
        }


def _acknowledge(job: Job, parts: DemoParts, story: Story) -> bool:
    with story.step("Acknowledge every chunk, wait until the bucket is empty"):
        job.ack_all()
        job.wait("completed", _TIMEOUT_SECONDS)
        deadline = time.monotonic() + 30
        while parts.object_count() and time.monotonic() < deadline:
            time.sleep(0.2)
        return parts.object_count() == 0


def _summary(job: Job, story: Story) -> None:
    rows = Table("reading", "rows", "sum of row hashes", title=f"job {job.job_id}: {job.state}")
    for name, found in story.found.items():
        rows.add_row(name, f"{found.row_count:,}", str(found.row_hash_sum))
    times = Table("step", "seconds")
    for name, seconds in story.seconds.items():
        times.add_row(name, f"{seconds:.1f}")
    _console.print(rows, times)
