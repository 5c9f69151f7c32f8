"""Pull a job's chunks while showing how far it is."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from staging.cli.exit_codes import ExitCode
from staging.cli.pull import FolderTaken, Pulled, pull
from staging_client import Job


@dataclass(slots=True)
class Total:
    """What a pull brought."""

    job_id: str
    folder: Path
    files: list[str] = field(default_factory=list)
    rows: int = 0
    bytes: int = 0
    kept: int = 0

    def add(self, pulled: Pulled) -> None:
        """Count one chunk."""
        self.files.append(pulled.path.name)
        self.rows += pulled.chunk.row_count
        self.bytes += pulled.chunk.view.byte_count
        self.kept += not pulled.is_new

    def text(self) -> str:
        """Say it in one line."""
        kept = f", {self.kept} of them there already" if self.kept else ""
        return f"{len(self.files)} chunks, {self.rows:,} rows in {self.folder}{kept}"

    def json(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {
            "job_id": self.job_id,
            "folder": str(self.folder.absolute()),
            "files": self.files,
            "chunk_count": len(self.files),
            "row_count": self.rows,
            "byte_count": self.bytes,
            "kept_count": self.kept,
        }


def show_pull(console: Console, job: Job, folder: Path, *, way: str, consumer: str | None) -> Total:
    """Pull all chunks, acknowledging each one once it is stored if a consumer is given."""
    total = Total(job.job_id, folder)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    bars = Progress(
        *columns,
        TransferSpeedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bars:
        bar = bars.add_task("", total=None)
        try:
            for pulled in pull(job, folder, way=way):
                if consumer is not None:
                    pulled.chunk.ack(consumer)
                total.add(pulled)
                manifest = job.view.manifest
                bars.update(
                    bar,
                    description=f"{len(total.files)} chunks, {total.rows:,} rows",
                    completed=total.bytes,
                    total=manifest.byte_count if manifest.is_sealed else None,
                )
        except FolderTaken as taken:
            typer.echo(f"error: {taken}", err=True)
            raise typer.Exit(ExitCode.USAGE) from None
    return total
