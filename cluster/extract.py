"""Read one partition and write its chunks as objects: what a Ray task does, without Ray."""

import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pyarrow as pa

from cluster.high_water import HighWater
from cluster.write_behind import write_behind
from staging.core.chunks import Failure, Receipt, StoredChunk, object_key
from staging.core.errors import StagingError
from staging.core.manifest import Snapshot
from staging.core.partitions import Attempt
from staging.core.source_spec import SourceSpec
from staging.sources.connections import Connection
from staging.sources.kinds import source_for
from staging.sources.source import ReadCancelled, Reading, ReadRequest
from staging.storage.objects import ObjectStore, StoreConfig
from staging.storage.parquet import ChunkFile, ParquetOptions, write_chunks


@dataclass(frozen=True, slots=True)
class Telemetry:
    """From which level up an attempt logs, and where it sends its spans, if anywhere."""

    log_level: str
    trace_endpoint: str | None


@dataclass(frozen=True, slots=True)
class ExtractRequest:
    """All that a task needs; `connection` has its secret resolved and never shows it."""

    attempt: Attempt
    connection: Connection = field(repr=False)
    spec: SourceSpec
    bounds: Mapping[str, Any]
    snapshot: Snapshot | None
    arrow_schema: bytes = field(repr=False)
    schema_fingerprint: str
    on_unrepresentable: str
    parquet: ParquetOptions
    store: StoreConfig
    telemetry: Telemetry
    trace: Mapping[str, str] = field(default_factory=dict)
    """What carries the span of the step that started it."""


@cache
def _store_at(config: StoreConfig) -> ObjectStore:
    """Keep one client a process: Ray uses a process for many attempts."""
    return ObjectStore(config)


class Extraction:
    """One attempt at a partition; `run` in one thread, `cancel` from another."""

    def __init__(self, request: ExtractRequest) -> None:
        self._request = request
        self._reading: Reading | None = None
        self._cancelled = threading.Event()
        self._seconds = dict.fromkeys(("read", "wait", "encode", "upload"), 0.0)

    def run(self) -> Receipt | Failure:
        """Read, write and upload; every failure is a value, none is raised."""
        attempt = self._request.attempt
        try:
            return self._receipt()
        except StagingError as known:
            return Failure(attempt, known.code, known.detail, known.retryable)
        except Exception as unknown:  # noqa: BLE001  # the task's edge: nothing is raised across Ray
            detail = f"the extraction task failed unexpectedly ({type(unknown).__name__})"
            return Failure(attempt, StagingError.code, detail, is_retryable=True)

    def cancel(self) -> None:
        """Stop the read, on the source's server too; `run` then returns a Failure."""
        self._cancelled.set()
        if self._reading is not None:
            self._reading.cancel()

    def _receipt(self) -> Receipt:
        request = self._request
        incremental = request.spec.incremental
        water = HighWater(incremental.column if incremental else None)
        schema = pa.ipc.read_schema(pa.py_buffer(request.arrow_schema))
        with source_for(request.connection).read(self._read_request(schema)) as reading:
            self._reading = reading
            if self._cancelled.is_set():
                raise ReadCancelled("the attempt was told to stop")
            batches = water.through(self._timed(reading, "read"))
            chunks = write_behind(batches, lambda taken: self._stored(taken, schema))
            nulled = dict(reading.nulled)
        return Receipt(
            request.attempt,
            chunks,
            request.schema_fingerprint,
            nulled,
            dict(self._seconds),
            water.mark,
        )

    def _read_request(self, schema: pa.Schema) -> ReadRequest:
        request = self._request
        return ReadRequest(
            spec=request.spec.newer_only(),
            bounds=request.bounds,
            schema=schema,
            snapshot=request.snapshot,
            session_name=request.attempt.name,
            on_unrepresentable=request.on_unrepresentable,
        )

    def _stored(
        self, batches: Iterator[pa.RecordBatch], schema: pa.Schema
    ) -> tuple[StoredChunk, ...]:
        began = time.monotonic()
        chunks = tuple(self._store(self._timed(batches, "wait"), schema))
        spent = time.monotonic() - began
        self._seconds["encode"] = spent - self._seconds["wait"] - self._seconds["upload"]
        return chunks

    def _store(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[StoredChunk]:
        store, unique = _store_at(self._request.store), uuid.uuid4().hex
        for seq, file in enumerate(write_chunks(batches, schema, self._request.parquet)):
            yield self._upload(store, object_key(self._request.attempt, unique, seq), file)

    def _upload(self, store: ObjectStore, key: str, file: ChunkFile) -> StoredChunk:
        with file.file as body:
            if self._cancelled.is_set():
                raise ReadCancelled("the attempt was told to stop")
            began = time.monotonic()
            store.put_once(key, body, sha256=file.sha256)
        self._seconds["upload"] += time.monotonic() - began
        return StoredChunk(key, file.row_count, file.byte_count, file.sha256)

    def _timed(self, batches: Iterable[pa.RecordBatch], stage: str) -> Iterator[pa.RecordBatch]:
        rest = iter(batches)
        while True:
            began = time.monotonic()
            batch = next(rest, None)
            self._seconds[stage] += time.monotonic() - began
            if batch is None:
                return
            yield batch
