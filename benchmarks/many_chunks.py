"""Write a sealed job of many chunks into a catalog, by the catalog's own steps."""

import os
import secrets
import uuid
from datetime import UTC, datetime

from staging.catalog import Catalog, migrate
from staging.core import ids
from staging.core.chunks import Receipt, StoredChunk, object_key
from staging.core.jobs import JobDraft, JobOptions
from staging.core.manifest import Column, Snapshot, SnapshotClass, schema_fingerprint
from staging.core.partitions import Attempt, Plan
from staging.core.source_spec import SourceSpec

_NAMES = ("l_orderkey", "l_partkey", "l_suppkey", "l_linenumber", "l_quantity", "l_comment")
_COLUMNS = tuple(Column(name, "int64") for name in _NAMES)
_CHUNKS_A_PARTITION = 1_000
_ATTEMPTS = 100


def write_chunks(url: str, chunk_count: int) -> str:
    """Make the catalog's tables, and one job in them; gives its id."""
    migrate(url)
    catalog, now = Catalog.open(url), datetime.now(UTC)
    options = JobOptions(ttl_seconds=2_592_000)
    source = SourceSpec("warehouse", table="public.lineitem")
    draft = JobDraft(ids.job_id(now, os.urandom(10)), 1, None, "a listing", {}, source, options)
    job_id = catalog.insert_job(draft, now=now).job.job_id
    bounds = tuple({"part": each} for each in range(0, chunk_count, _CHUNKS_A_PARTITION))
    catalog.record_plan(
        job_id, Plan(_COLUMNS, b"", Snapshot(SnapshotClass.PINNED), bounds), now=now
    )
    catalog.start_job(job_id, now=now)
    term, left = catalog.take_term(job_id, now=now), chunk_count
    while left > 0:
        for _, attempt in catalog.begin_attempts(
            job_id, term, limit=_ATTEMPTS, budget=_ATTEMPTS, now=now
        ):
            count = min(left, _CHUNKS_A_PARTITION)
            catalog.publish_partition(_receipt(attempt, count), now=now)
            left -= count
    assert catalog.seal_job(job_id, now=now)
    catalog.close()
    return job_id


def _receipt(attempt: Attempt, count: int) -> Receipt:
    unique = uuid.uuid4().hex
    chunks = tuple(
        StoredChunk(object_key(attempt, unique, seq), 150_000, 3_345_678, secrets.token_hex(32))
        for seq in range(count)
    )
    return Receipt(attempt, chunks, schema_fingerprint(_COLUMNS), {}, {})
