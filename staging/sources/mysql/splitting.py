"""Split a table into ranges of an index's keys, of about the size that is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa
import pymysql

from staging.sources.mysql.batches import batches_of
from staging.sources.mysql.faults import TIMEOUTS, error_number
from staging.sources.mysql.key_range import KeyRange, even_edges, ranges_between
from staging.sources.mysql.keys import Key, find_key
from staging.sources.mysql.quoting import quote_name
from staging.sources.mysql.relation import Relation
from staging.sources.mysql.session import Session
from staging.sources.mysql.statement import Statement
from staging.sources.mysql.walking import quantiles
from staging.sources.sizing import Sizing

_SIZE = """
SELECT TABLE_ROWS, AVG_ROW_LENGTH, DATA_LENGTH FROM information_schema.TABLES
WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}
"""
_SAMPLE_BYTES = 2 * 1024 * 1024
_MOST_SAMPLE_ROWS = 1000
_PLACES = 4
_PLAIN_RATIO = 0.4
"""Parquet bytes for a stored byte where nothing could be sampled."""
_MOST_SURPLUS = 10
"""How many times more rows than the statistics say may be cut; what is left is one range."""
_MOST_SKEW = 3
"""How many times the rows of the emptiest range of even width the fullest may hold."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the server's statistics say; they may be off by half."""

    rows: int
    row_bytes: int
    data_bytes: int


def split_by_key(
    session: Session, statement: Statement, relation: Relation, sizing: Sizing, wanted: str | None
) -> tuple[KeyRange, ...]:
    """Cut the table by the index that begins with `wanted`, or else by its best.

    No range if it has no such index, or too few rows.
    """
    key = find_key(session, relation, wanted)
    if key is None:
        return ()
    stored = _Stored(*(int(each or 0) for each in _size(session, relation)))
    ends = _integer_ends(session, relation, key)
    places = _even_places(key, ends) if ends else _both_ends(key)
    parts = sizing.parts(_parquet_bytes(session, statement, stored, places, sizing))
    if parts == 1:
        return ()
    ranges = _even_ranges(key, ends, parts) if ends else ()
    if not ranges or _is_skewed(session, relation, ranges):
        rows = max(1, stored.rows // parts)
        edges = list(islice(quantiles(session, relation, key, rows), _MOST_SURPLUS * parts))
        ranges = ranges_between(
            [each.name for each in key.columns], edges, may_be_null=key.first.may_be_null
        )
    return ranges


def _size(session: Session, relation: Relation) -> Sequence[str | None]:
    return session.ask_texts(_SIZE.format(*relation.literals))[0]


def _integer_ends(session: Session, relation: Relation, key: Key) -> tuple[int, int] | None:
    if not key.first.is_integer:
        return None
    name = quote_name(key.first.name)
    least, most = session.ask(f"SELECT MIN({name}), MAX({name}) FROM {relation.sql}")[0]
    return None if least is None else (int(least), int(most))


def _even_ranges(key: Key, ends: tuple[int, int], parts: int) -> tuple[KeyRange, ...]:
    return ranges_between(
        [key.first.name], even_edges(*ends, parts), may_be_null=key.first.may_be_null
    )


def _is_skewed(session: Session, relation: Relation, ranges: Sequence[KeyRange]) -> bool:
    """Ask the server's estimate of each range, which it makes from the index without reading.

    It estimates no more than half the table, so the emptiest range is looked at, not the share.
    """
    counts = [_estimate(session, relation, each) for each in ranges if not each.is_null]
    return max(counts) > _MOST_SKEW * min(counts)


def _estimate(session: Session, relation: Relation, part: KeyRange) -> int:
    plan = session.stream(f"EXPLAIN SELECT 1 FROM {relation.sql} WHERE {part.condition}")
    [row] = plan
    found = row[[field.name for field in plan.fields].index("rows")]
    return int(found or 0)


def _parquet_bytes(
    session: Session,
    statement: Statement,
    stored: _Stored,
    places: Sequence[str],
    sizing: Sizing,
) -> float:
    try:
        batches, looked_at = _sample(session, statement, stored, places)
    except pymysql.MySQLError as error:
        if error_number(error) not in TIMEOUTS:
            raise
        return stored.data_bytes * _PLAIN_RATIO
    rows = sum(batch.num_rows for batch in batches)
    if not rows:
        return 0.0
    return sizing.encoded_bytes(batches) * max(stored.rows, looked_at) / looked_at


def _even_places(key: Key, ends: tuple[int, int]) -> list[str]:
    name = quote_name(key.first.name)
    return [f"WHERE {each.condition} ORDER BY {name}" for each in _even_ranges(key, ends, _PLACES)]


def _both_ends(key: Key) -> list[str]:
    name = quote_name(key.first.name)
    return [f"ORDER BY {name}", f"ORDER BY {name} DESC"]


def _sample(
    session: Session, statement: Statement, stored: _Stored, places: Sequence[str]
) -> tuple[list[pa.RecordBatch], int]:
    """Read what the job would keep of some rows at a few places; also count the rows looked at."""
    target = statement.target
    wanted = min(_MOST_SAMPLE_ROWS, max(1, _SAMPLE_BYTES // max(1, stored.row_bytes)))
    names = ", ".join(quote_name(each.name) for each in target.columns)
    batches: list[pa.RecordBatch] = []
    looked_at = 0
    for place in places:
        few = f"{target.sql} {place} LIMIT {wanted}"
        looked_at += int(session.ask(f"SELECT COUNT(*) FROM (SELECT 1 FROM {few}) AS sample")[0][0])
        rows = session.stream(statement.rows(source=f"(SELECT {names} FROM {few}) AS sample"))
        batches += (each.batch for each in batches_of(rows, statement.columns, statement.schema))
    return batches, looked_at
