"""Iceberg tables for tests: a SQL catalog in a SQLite file, in the folder of its warehouse."""

import json
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestWriterV2,
    write_manifest_list,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.typedef import Record

from staging.core.source_spec import SourceSpec
from staging.sources.connection import Connection
from staging.sources.iceberg.iceberg_source import IcebergSource
from tests.source_reading import Staged, stage


class Lake:
    """A catalog and the warehouse that a connection's root is."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.catalog = SqlCatalog(
            "lake", uri=f"sqlite:///{root}/catalog.db", warehouse=f"file://{root}"
        )
        self.connection = Connection("lake", "iceberg", root=root, catalog=root / "catalog.db")
        self.by_path = Connection("lake", "iceberg", root=root)

    def create(
        self,
        name: str,
        rows: pa.Table | pa.Schema | Schema,
        spec: PartitionSpec = UNPARTITIONED_PARTITION_SPEC,
        **properties: str,
    ) -> Table:
        """Create a table, with its first rows unless a schema is given."""
        self.catalog.create_namespace_if_not_exists(name.rpartition(".")[0])
        schema = rows.schema if isinstance(rows, pa.Table) else rows
        table = self.catalog.create_table(name, schema, partition_spec=spec, properties=properties)
        if isinstance(rows, pa.Table):
            table.append(rows)
        return table


def staged(lake: Lake, table: str = "shop.t", **asked: object) -> Staged:
    """Stage a table of the catalog, as a job would."""
    return stage(IcebergSource(lake.connection), SourceSpec("lake", table=table, **asked))


def numbers(first: int, last: int) -> pa.Table:
    """Give ids, half open."""
    return pa.table({"id": pa.array(range(first, last), pa.int64())})


def local(location: str) -> Path:
    """Give the path of a location in a table's metadata."""
    return Path(location.removeprefix("file://"))


def metadata_folder(table: Table) -> Path:
    return local(table.location()) / "metadata"


def edit_metadata(table: Table, change: Callable[[dict[str, Any]], None]) -> Path:
    """Write the next metadata file, changed, as another writer's commit would; not its catalog."""
    newest = sorted(metadata_folder(table).glob("*.metadata.json"))[-1]
    metadata = json.loads(newest.read_text())
    change(metadata)
    number = int(newest.name.partition("-")[0]) + 1
    written = newest.with_name(f"{number:05}-{uuid.uuid4()}.metadata.json")
    written.write_text(json.dumps(metadata))
    return written


def add_file(table: Table, held: pa.Table, partition: Record) -> None:
    """Commit a data file as another engine writes it."""
    path = local(table.location()) / "data" / f"{uuid.uuid4()}.parquet"
    path.parent.mkdir(exist_ok=True)
    pq.write_table(held, path)
    file = DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=f"file://{path}",
        file_format=FileFormat.PARQUET,
        partition=partition,
        record_count=held.num_rows,
        file_size_in_bytes=path.stat().st_size,
    )
    file.spec_id = table.spec().spec_id
    with table.transaction() as change, change.update_snapshot().fast_append() as append:
        append.append_data_file(file)


class _DeleteManifest(ManifestWriterV2):
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


def delete_file(
    content: DataFileContent, file_format: FileFormat = FileFormat.PARQUET, **more: Any
) -> DataFile:
    """Describe a file of row deletes; there is no such file, as nothing reads it."""
    described = {
        "content": content,
        "file_path": "file:///deletes",
        "file_format": file_format,
        "partition": Record(),
        "record_count": 1,
        "file_size_in_bytes": 10,
    }
    return DataFile.from_args(**described | more)


def commit_deletes(table: Table, *files: DataFile, format_version: int = 2) -> Path:
    """Commit a snapshot with a manifest of row deletes, which pyiceberg itself does not write."""
    parent = table.refresh().current_snapshot()
    number, sequence = parent.snapshot_id + 1, table.metadata.last_sequence_number + 1
    place = f"{table.location()}/metadata/{uuid.uuid4()}"
    manifest = table.io.new_output(f"{place}-m0.avro")
    with _DeleteManifest(table.spec(), table.schema(), manifest, number, "deflate") as writer:
        for file in files:
            writer.add(
                ManifestEntry.from_args(
                    status=ManifestEntryStatus.ADDED, snapshot_id=number, data_file=file
                )
            )
    listed = table.io.new_output(f"{place}-list.avro")
    with write_manifest_list(
        2, listed, number, parent.snapshot_id, sequence, "deflate"
    ) as manifests:
        manifests.add_manifests([*parent.manifests(table.io), writer.to_manifest_file()])
    snapshot = {
        "snapshot-id": number,
        "parent-snapshot-id": parent.snapshot_id,
        "sequence-number": sequence,
        "timestamp-ms": parent.timestamp_ms + 1,
        "manifest-list": f"{place}-list.avro",
        "summary": {"operation": "delete"},
    }

    def change(metadata: dict[str, Any]) -> None:
        metadata["format-version"] = format_version
        metadata["last-sequence-number"] = sequence
        metadata["snapshots"].append(snapshot)
        _point_to(metadata, snapshot)

    return edit_metadata(table, change)


def _point_to(metadata: dict[str, Any], snapshot: Mapping[str, Any]) -> None:
    metadata["current-snapshot-id"] = snapshot["snapshot-id"]
    metadata["refs"]["main"]["snapshot-id"] = snapshot["snapshot-id"]
    metadata["last-updated-ms"] = snapshot["timestamp-ms"]
    metadata["snapshot-log"].append(
        {"snapshot-id": snapshot["snapshot-id"], "timestamp-ms": snapshot["timestamp-ms"]}
    )
