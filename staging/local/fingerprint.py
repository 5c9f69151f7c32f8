"""A fingerprint of a table as a multiset of rows: equal tables, in any order, give equal ones."""

from dataclasses import dataclass

import duckdb
import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Row count, and the sum of a 64-bit hash of every row with all its values."""

    row_count: int
    row_hash_sum: int


def fingerprint(table: pa.Table) -> Fingerprint:
    """Count and hash the rows; types count too, so cast to one schema before comparing.

    A doubled row changes the count and the sum, as does a lost or a changed one.
    """
    with duckdb.connect() as engine:
        engine.register("hashed", _aligned(table))
        found = engine.sql("SELECT count(*), sum(hash(hashed)::HUGEINT) FROM hashed").fetchone()
    count, total = found or (0, None)
    return Fingerprint(int(count), int(total or 0))


def _aligned(table: pa.Table) -> pa.Table:
    """Copy the table: what comes off the wire may lie at odd addresses, which Arrow warns of."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return pa.ipc.open_stream(sink.getvalue()).read_all()
