"""Show jobs: tables and bars on a terminal, plain lines elsewhere."""

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from staging_client import ChunkView, Job, JobView

_COLOURS = {"failed": "red", "expired": "red", "cancelled": "yellow", "completed": "green"}


def list_jobs(console: Console, jobs: Sequence[JobView]) -> None:
    """Show one line a job."""
    table = Table("job", "state", "source", "done", "chunks", "rows", "size", "created", box=None)
    table.columns[0].no_wrap = True
    for job in jobs:
        seen = job.progress
        table.add_row(
            job.job_id,
            state(job),
            target(job),
            percent(job),
            f"{seen.chunks_acked}/{seen.chunks_published}",
            f"{seen.rows:,}",
            decimal(seen.bytes),
            f"{job.created_at:%Y-%m-%d %H:%M:%S}Z",
        )
    console.print(table)


def show_job(console: Console, job: JobView) -> None:
    """Show what is known of one job."""
    table = Table.grid(padding=(0, 2))
    for name, text in _facts(job):
        table.add_row(name, text)
    console.print(table)


def list_chunks(console: Console, chunks: Iterable[ChunkView]) -> None:
    """Show one line a chunk."""
    table = Table("index", "chunk", "state", "first row", "rows", "bytes", "sha256", box=None)
    for chunk in chunks:
        table.add_row(
            str(chunk.chunk_index),
            chunk.chunk_id,
            chunk.state,
            f"{chunk.row_offset:,}",
            f"{chunk.row_count:,}",
            f"{chunk.byte_count:,}",
            chunk.sha256[:12],
        )
    console.print(table)


def follow(console: Console, changes: Iterable[JobView]) -> Iterator[JobView]:
    """Show a job's changes as they come, and pass them on."""
    if not console.is_terminal:
        for job in changes:
            console.print(_line(job))
            yield job
        return
    text = TextColumn("{task.description}")
    bars = Progress(text, BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), console=console)
    with bars:
        bar = bars.add_task("", total=1.0)
        for job in changes:
            bars.update(bar, description=_line(job), completed=job.progress.fraction or 0.0)
            yield job


def say(console: Console, job: Job) -> None:
    """Say in which state a job is."""
    console.print(f"job {job.job_id} is {state(job.view)}", soft_wrap=True)


def state(job: JobView) -> str:
    """Give the state, coloured where it is final."""
    colour = _COLOURS.get(job.state)
    return f"[{colour}]{job.state}[/]" if colour else job.state


def target(job: JobView) -> str:
    """Give what a job reads, `warehouse public.lineitem`."""
    source = job.json["source"]
    what = source["table"] or source["path"] or source["query"] or ""
    return f"{source['connection']} {what}"


def percent(job: JobView) -> str:
    """Give how much of a job is read."""
    fraction = job.progress.fraction
    return "–" if fraction is None else f"{fraction:.0%}"  # noqa: RUF001  # a dash is meant


def _line(job: JobView) -> str:
    seen = job.progress
    total = "?" if seen.partitions_total is None else seen.partitions_total
    return (
        f"{job.state}: {seen.partitions_done}/{total} partitions, {seen.chunks_published} chunks,"
        f" {seen.rows:,} rows"
    )


def _facts(job: JobView) -> Iterator[tuple[str, str]]:
    seen = job.progress
    yield "job", job.job_id
    yield "name", job.name or ""
    yield "labels", " ".join(f"{key}={value}" for key, value in job.labels.items())
    yield "state", state(job)
    if job.error is not None:
        yield "error", f"{job.error.code}: {job.error.detail}"
    yield "source", target(job)
    yield "partitions", f"{seen.partitions_done} of {seen.partitions_total or '?'}"
    yield "chunks", f"{seen.chunks_published} published, {seen.chunks_acked} acknowledged"
    yield "rows", f"{seen.rows:,}"
    yield "size", decimal(seen.bytes)
    yield "sealed", "yes" if job.manifest.is_sealed else "no"
    yield "created", f"{job.created_at:%Y-%m-%d %H:%M:%S}Z"
    yield "expires", "" if job.expires_at is None else f"{job.expires_at:%Y-%m-%d %H:%M:%S}Z"
