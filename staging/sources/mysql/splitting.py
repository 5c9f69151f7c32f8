"""Split a table into ranges of an indexed integer key, of about the size that is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pymysql

from staging.sources.mysql.batches import batches_of
from staging.sources.mysql.faults import TIMEOUTS, error_number
from staging.sources.mysql.key_range import KeyRange, cut_keys
from staging.sources.mysql.quoting import quote_name
from staging.sources.mysql.relation import Relation
from staging.sources.mysql.session import Session
from staging.sources.mysql.statement import Statement
from staging.sources.sizing import Sizing

_KEYS = """
SELECT s.COLUMN_NAME, c.IS_NULLABLE FROM information_schema.STATISTICS s
JOIN information_schema.COLUMNS c ON c.TABLE_SCHEMA = s.TABLE_SCHEMA
    AND c.TABLE_NAME = s.TABLE_NAME AND c.COLUMN_NAME = s.COLUMN_NAME
WHERE s.TABLE_SCHEMA = {} AND s.TABLE_NAME = {} AND s.SEQ_IN_INDEX = 1
    AND s.INDEX_TYPE = 'BTREE' AND c.DATA_TYPE IN ('tinyint', 'smallint', 'mediumint', 'int', 'bigint')
ORDER BY s.INDEX_NAME = 'PRIMARY' DESC, s.NON_UNIQUE, s.CARDINALITY DESC
"""  # noqa: E501
_SIZE = """
SELECT TABLE_ROWS, AVG_ROW_LENGTH, DATA_LENGTH FROM information_schema.TABLES
WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}
"""
_SAMPLE_BYTES = 2 * 1024 * 1024
_MOST_SAMPLE_ROWS = 1000
_PLACES = 4
_PLAIN_RATIO = 0.4
"""Parquet bytes for a stored byte where nothing could be sampled."""


@dataclass(frozen=True, slots=True)
class _Key:
    column: str
    may_be_null: bool
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the server's statistics say; they may be off by half."""

    rows: int
    row_bytes: int
    data_bytes: int


def split_by_key(
    session: Session, statement: Statement, relation: Relation, sizing: Sizing, wanted: str | None
) -> tuple[KeyRange, ...]:
    """Cut the table by `wanted`, or else by its best key; no range if it has no key, or no rows.

    A key is an integer that an index begins with, the primary key's before any other.
    """
    key = _find_key(session, relation, wanted)
    if key is None:
        return ()
    parts = sizing.parts(_parquet_bytes(session, statement, relation, key, sizing))
    if parts == 1:
        return ()
    return cut_keys(key.column, key.least, key.most, parts, may_be_null=key.may_be_null)


def _find_key(session: Session, relation: Relation, wanted: str | None) -> _Key | None:
    found = session.ask_texts(_KEYS.format(*relation.literals))
    keys = [each for each in found if each[0] == wanted] or found
    if not keys:
        return None
    column, nullable = keys[0]
    name = quote_name(column)
    ends = session.ask_texts(f"SELECT MIN({name}), MAX({name}) FROM {relation.sql}")[0]
    if ends[0] is None:
        return None
    return _Key(column, nullable == "YES", int(ends[0]), int(ends[1]))


def _parquet_bytes(
    session: Session, statement: Statement, relation: Relation, key: _Key, sizing: Sizing
) -> float:
    stored = _Stored(*(int(each or 0) for each in _size(session, relation)))
    try:
        batches, looked_at = _sample(session, statement, stored, key)
    except pymysql.MySQLError as error:
        if error_number(error) not in TIMEOUTS:
            raise
        return stored.data_bytes * _PLAIN_RATIO
    rows = sum(batch.num_rows for batch in batches)
    if not rows:
        return 0.0
    return sizing.encoded_bytes(batches) * max(stored.rows, looked_at) / looked_at


def _size(session: Session, relation: Relation) -> Sequence[str | None]:
    return session.ask_texts(_SIZE.format(*relation.literals))[0]


def _sample(
    session: Session, statement: Statement, stored: _Stored, key: _Key
) -> tuple[list[pa.RecordBatch], int]:
    """Read what the job would keep of some rows at a few places; also count the rows looked at."""
    target, name = statement.target, quote_name(key.column)
    wanted = min(_MOST_SAMPLE_ROWS, max(1, _SAMPLE_BYTES // max(1, stored.row_bytes)))
    names = ", ".join(quote_name(each.name) for each in target.columns)
    batches: list[pa.RecordBatch] = []
    looked_at = 0
    for place in range(_PLACES):
        first = key.least + (key.most - key.least + 1) * place // _PLACES
        few = f"{target.sql} WHERE {name} >= {first} ORDER BY {name} LIMIT {wanted}"
        looked_at += int(session.ask(f"SELECT COUNT(*) FROM (SELECT 1 FROM {few}) AS sample")[0][0])
        rows = session.stream(statement.rows(source=f"(SELECT {names} FROM {few}) AS sample"))
        batches += (each.batch for each in batches_of(rows, statement.columns, statement.schema))
    return batches, looked_at
