"""Bring a job's chunks into a folder: each file whole and verified, or not there."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from staging_client import Chunk, Job

MARK = "_staging.json"
"""Names the job whose chunks a folder holds; readers of Parquet folders skip `_` files."""
_SOURCE = b"staging.chunk_sha256"


class FolderTaken(Exception):
    """The folder holds something else than this job's chunks."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """One chunk in the folder; `is_new` is False if it was there already."""

    chunk: Chunk
    path: Path
    is_new: bool


def pull(job: Job, folder: Path, *, way: str) -> Iterator[Pulled]:
    """Bring the chunks as they appear, until the job is sealed and all are there.

    `way` is one of WAYS.  Files that are there and whole are left as they are, so an interrupted
    pull goes on.  Raises FolderTaken, and what Job.chunks and the chunk's readers raise.
    """
    _claim(folder, job.job_id)
    for chunk in job.chunks():
        path = folder / f"chunk-{chunk.index:06}.parquet"
        is_new = not (_is_published(path, chunk) or _is_copy(path, chunk))
        if is_new:
            WAYS[way](chunk, path)
        yield Pulled(chunk, path, is_new)


def _claim(folder: Path, job_id: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as refused:
        raise FolderTaken(f"{folder} cannot be a folder: {refused.strerror}") from refused
    mark = folder / MARK
    if mark.exists():
        if _marked(mark) != job_id:
            raise FolderTaken(f"{folder} holds the chunks of another job")
        return
    if any(folder.iterdir()):
        raise FolderTaken(f"{folder} is not empty")
    fresh = mark.with_name(f".{MARK}.{os.getpid()}")
    fresh.write_text(json.dumps({"job_id": job_id}))
    fresh.replace(mark)


def _marked(mark: Path) -> object:
    try:
        return dict(json.loads(mark.read_text())).get("job_id")
    except (OSError, ValueError, TypeError):
        raise FolderTaken(f"{mark} cannot be read; choose another folder") from None


def _bring_by_flight(chunk: Chunk, path: Path) -> None:
    table = chunk.read_flight()
    mark = {**(table.schema.metadata or {}), _SOURCE: chunk.view.sha256.encode()}
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("wb") as file:
            pq.write_table(
                table.replace_schema_metadata(mark),
                file,
                compression="zstd",
                write_page_checksum=True,
            )
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


WAYS: Mapping[str, Callable[[Chunk, Path], object]] = {
    "link": Chunk.download,
    "service": Chunk.download_data,
    "flight": _bring_by_flight,
}


def _is_published(path: Path, chunk: Chunk) -> bool:
    """Tell whether the file is the published object, byte for byte."""
    if not path.exists() or path.stat().st_size != chunk.view.byte_count:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == chunk.view.sha256


def _is_copy(path: Path, chunk: Chunk) -> bool:
    """Tell whether the file was written from the chunk's rows, and is undamaged."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            mark = (file.schema_arrow.metadata or {}).get(_SOURCE)
            if mark != chunk.view.sha256.encode():
                return False
            found: int = sum(batch.num_rows for batch in file.iter_batches())
            return found == chunk.row_count
    except (OSError, pa.ArrowException):
        return False
