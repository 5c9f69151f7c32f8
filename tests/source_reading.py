"""Read a source as a job would: describe, hold, split, read every partition."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from staging.core.manifest import Snapshot
from staging.core.source_spec import SourceSpec
from staging.sources.sizing import Sizing
from staging.sources.source import FAIL, ReadRequest, Source, Split
from staging.storage.measuring import encoded_bytes
from staging.storage.parquet import ParquetOptions

TARGET = 1 << 20


@dataclass
class Staged:
    """What a job would have staged."""

    split: Split
    table: pa.Table
    nulled: dict[str, int]
    partition_rows: list[int]


def exported(*exports: str) -> Snapshot:
    return Snapshot.exported(exports)


def request(spec: SourceSpec, split: Split, index: int = 0, **changes: Any) -> ReadRequest:
    asked = {"session_name": f"staging test {index}.1", "snapshot": split.snapshot} | changes
    return ReadRequest(spec, split.bounds[index], split.schema, **asked)


def sizing(target_bytes: int) -> Sizing:
    measure = partial(encoded_bytes, options=ParquetOptions(target_bytes))
    return Sizing(target_bytes, measure)


def stage(
    source: Source,
    spec: SourceSpec,
    snapshot: Snapshot | None = None,
    *,
    target_bytes: int = TARGET,
    policy: str = FAIL,
) -> Staged:
    """Split and read it all; every batch must have the job's schema."""
    split = source.split(spec, snapshot, sizing(target_bytes))
    assert source.describe(spec).names == split.schema.names
    batches: list[pa.RecordBatch] = []
    nulled: dict[str, int] = {}
    rows = []
    for index in range(len(split.bounds)):
        with source.read(request(spec, split, index, on_unrepresentable=policy)) as reading:
            found = list(reading)
        for name, count in reading.nulled.items():
            nulled[name] = nulled.get(name, 0) + count
        batches += found
        rows.append(sum(batch.num_rows for batch in found))
    assert all(batch.schema.equals(split.schema, check_metadata=True) for batch in batches)
    for batch in batches:
        batch.validate(full=True)
    return Staged(split, pa.Table.from_batches(batches, split.schema), nulled, rows)
