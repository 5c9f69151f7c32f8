"""Describe jobs as flights: schema, endpoints in order, totals once they are final."""

import json
from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
from pyarrow import flight

from flight_server.endpoints import Desk
from flight_server.readable import check_readable, missing
from flight_server.selection import MAX_CHUNKS, Selection
from staging.catalog import Catalog
from staging.core.chunks import Chunk
from staging.core.errors import FieldError, InvalidValue, UnknownChunk, UnknownColumn
from staging.core.jobs import Job
from staging.core.wire import job_json


def job_schema(job: Job, columns: Sequence[str] | None = None) -> pa.Schema:
    """Read the schema of the job's chunks, narrowed to some columns, in their order.

    Raises NotYet before the job is planned, Gone if it ended before, UnknownColumn.
    """
    if job.arrow_schema is None:
        raise missing(job, f"the schema of job {job.job_id}")
    schema = pa.ipc.read_schema(pa.py_buffer(job.arrow_schema))
    if columns is None:
        return schema
    unknown = [
        FieldError("#/columns", f"there is no column {name!r}")
        for name in columns
        if name not in schema.names
    ]
    if unknown:
        raise UnknownColumn(errors=unknown)
    return pa.schema([schema.field(name) for name in columns])


def selected_chunks(catalog: Catalog, job: Job, selection: Selection) -> list[Chunk]:
    """Read the chunks that a selection means, in order.

    Raises InvalidValue for more than MAX_CHUNKS, NotYet for a chunk that may still come,
    Gone for one that cannot any more.
    """
    if selection.chunk_ref is not None:
        return [_single(catalog, job, selection.chunk_ref)]
    published = job.progress.chunks_published - selection.since_index
    if selection.max_chunks is None and published > MAX_CHUNKS:
        raise InvalidValue(
            f"job {job.job_id} has more than {MAX_CHUNKS} chunks from there on; ask for them in"
            ' parts, with the command {"job_id", "since_index", "max_chunks"}'
        )
    return catalog.chunks(
        job.org_id,
        job.job_id,
        since_index=selection.since_index,
        limit=selection.max_chunks or MAX_CHUNKS,
    )


def flight_of(
    job: Job, chunks: Sequence[Chunk], selection: Selection, desk: Desk, now: datetime
) -> flight.FlightInfo:
    """Give one endpoint a chunk, in order; totals are those of these chunks, -1 while unsealed."""
    for chunk in (None, *chunks):
        check_readable(job, chunk, now, desk.purge_grace)
    is_final = job.is_sealed or selection.chunk_ref is not None
    whole = selection.columns is None
    return flight.FlightInfo(
        job_schema(job, selection.columns),
        _descriptor(job, selection),
        [desk.endpoint(job, chunk, selection.columns, now) for chunk in chunks],
        sum(chunk.row_count for chunk in chunks) if is_final else -1,
        sum(chunk.byte_count for chunk in chunks) if is_final and whole else -1,
        True,
        json.dumps(job_json(job)).encode(),
    )


def listed_flight(job: Job) -> flight.FlightInfo:
    """Give the flight of a job as a listing shows it: without endpoints."""
    return flight.FlightInfo(
        None if job.arrow_schema is None else job_schema(job),
        flight.FlightDescriptor.for_path(job.job_id),
        [],
        job.progress.rows if job.is_sealed else -1,
        job.progress.bytes if job.is_sealed else -1,
        True,
        json.dumps(job_json(job)).encode(),
    )


def _single(catalog: Catalog, job: Job, ref: str) -> Chunk:
    try:
        return catalog.chunk(job.org_id, job.job_id, ref)
    except UnknownChunk:
        if ref.isascii() and ref.isdigit() and not job.is_sealed:
            raise missing(job, f"chunk {ref} of job {job.job_id}") from None
        raise


def _descriptor(job: Job, selection: Selection) -> flight.FlightDescriptor:
    path = [job.job_id] + ([selection.chunk_ref] if selection.chunk_ref is not None else [])
    return flight.FlightDescriptor.for_path(*path)
