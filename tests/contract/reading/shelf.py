"""Jobs and chunks put into a real catalog and a real store, as an extraction would."""

import hashlib
import io
import sqlite3
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from staging.catalog import Catalog
from staging.core.chunks import Receipt, StoredChunk, object_key
from staging.core.ids import job_id as new_job_id
from staging.core.jobs import JobDraft, JobOptions
from staging.core.manifest import Column, Snapshot, SnapshotClass, schema_fingerprint
from staging.core.partitions import Attempt, Plan
from staging.core.source_spec import SourceSpec
from staging.storage.objects import ObjectStore

SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("price", pa.decimal128(15, 2)),
        pa.field("note", pa.string()),
        pa.field("at", pa.timestamp("us", "UTC")),
    ]
)
PURGE_GRACE = timedelta(seconds=30)


def rows(first: int, count: int) -> pa.Table:
    """Make rows that differ from each other, with NULLs among them."""
    numbers = range(first, first + count)
    at = datetime(2024, 2, 29, tzinfo=UTC)
    return pa.table(
        {
            "id": list(numbers),
            "price": [None if n % 7 == 0 else f"{n}.25" for n in numbers],
            "note": [None if n % 5 == 0 else f"note {n} · ünï" for n in numbers],
            "at": [at + timedelta(seconds=n) for n in numbers],
        },
        schema=pa.schema(
            [field if field.name != "price" else pa.field("price", pa.string()) for field in SCHEMA]
        ),
    ).cast(SCHEMA)


def parquet(table: pa.Table) -> bytes:
    """Encode a chunk."""
    into = io.BytesIO()
    pq.write_table(table, into, row_group_size=1000, write_page_checksum=True)
    return into.getvalue()


@dataclass(frozen=True)
class Shelf:
    """The catalog and the store that a server under test reads."""

    catalog: Catalog
    catalog_url: str
    store: ObjectStore
    folder: Path

    def draft(self, org_id: int = 1, source: SourceSpec | None = None, **options: Any) -> str:
        """Accept a job; give its id."""
        now = datetime.now(UTC)
        draft = JobDraft(
            job_id=new_job_id(now, uuid.uuid4().bytes),
            org_id=org_id,
            user_id=None,
            name="a job",
            labels={"run": "12"},
            source=source or SourceSpec("warehouse", table="public.orders"),
            options=JobOptions(**options),
        )
        return self.catalog.insert_job(draft, now=now).job.job_id

    def plan(self, job_id: str, partitions: int, schema: pa.Schema = SCHEMA) -> None:
        """Start and plan a job."""
        now = datetime.now(UTC)
        self.catalog.start_job(job_id, now=now)
        plan = Plan(
            columns=columns_of(schema),
            arrow_schema=schema.serialize().to_pybytes(),
            snapshot=Snapshot(SnapshotClass.PINNED, "v1"),
            bounds=tuple({"part": part} for part in range(partitions)),
        )
        assert self.catalog.record_plan(job_id, plan, now=now)
        self.catalog.take_term(job_id, now=now)

    def publish(self, job_id: str, *tables: pa.Table) -> None:
        """Write and publish the job's next partition, a chunk a table."""
        attempt = self._begin(job_id)
        chunks = tuple(self._store(attempt, seq, table) for seq, table in enumerate(tables))
        self._publish(attempt, chunks, tables[0].schema if tables else SCHEMA)

    def publish_phantoms(self, job_id: str, count: int) -> None:
        """Publish chunks of a row each that were never stored."""
        attempt, unique = self._begin(job_id), uuid.uuid4().hex
        keys = [object_key(attempt, unique, seq) for seq in range(count)]
        self._publish(attempt, tuple(StoredChunk(key, 1, 1, "0" * 64) for key in keys), SCHEMA)

    def seal(self, job_id: str) -> None:
        """Seal a job whose partitions are all published."""
        assert self.catalog.seal_job(job_id, now=datetime.now(UTC))

    def stage(self, *tables: pa.Table, org_id: int = 1, **options: Any) -> str:
        """Stage a whole job, a partition and a chunk a table; give its id."""
        job_id = self.draft(org_id, **options)
        self.plan(job_id, len(tables), tables[0].schema if tables else SCHEMA)
        for table in tables:
            self.publish(job_id, table)
        self.seal(job_id)
        return job_id

    def lose_chunk(self, job_id: str, index: int) -> None:
        """Delete a chunk's row behind the catalog's back."""
        with sqlite3.connect(self.catalog_url.removeprefix("sqlite:///")) as connection:
            connection.execute(
                "DELETE FROM chunks WHERE job_id = ? AND chunk_index = ?", (job_id, index)
            )

    def put(self, key: str, body: bytes) -> str:
        """Store an object; give its SHA-256."""
        digest = hashlib.sha256(body).hexdigest()
        self.store.put_once(key, io.BytesIO(body), sha256=digest)
        return digest

    def _begin(self, job_id: str) -> Attempt:
        [(_, attempt)] = self.catalog.begin_attempts(
            job_id, 1, limit=1, budget=1000, now=datetime.now(UTC)
        )
        return attempt

    def _store(self, attempt: Attempt, seq: int, table: pa.Table) -> StoredChunk:
        body = parquet(table)
        key = object_key(attempt, uuid.uuid4().hex, seq)
        return StoredChunk(key, table.num_rows, len(body), self.put(key, body))

    def _publish(
        self, attempt: Attempt, chunks: tuple[StoredChunk, ...], schema: pa.Schema
    ) -> None:
        fingerprint = schema_fingerprint(columns_of(schema))
        receipt = Receipt(attempt, chunks, fingerprint, nulled={}, seconds={})
        self.catalog.publish_partition(receipt, now=datetime.now(UTC))


def columns_of(schema: pa.Schema) -> tuple[Column, ...]:
    """Name the columns as a plan does."""
    return tuple(Column(field.name, str(field.type), field.nullable) for field in schema)
