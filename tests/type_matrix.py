"""The page of types, from the tests' own tables: `python -m tests.type_matrix`."""

import datetime
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

from tests.integration import test_source_duckdb as duckdb
from tests.integration import test_source_json as json_lines
from tests.integration import test_source_mysql_types as mysql
from tests.integration import test_source_postgres_types as postgres
from tests.integration import test_source_sqlalchemy as firebird
from tests.integration import test_source_sqlite as sqlite

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "types.md"
_HEAD = """\
# Types, value by value

Every line is a test: the value is written to a real server (or file), staged, and compared.
`make reference` writes this page from these tests. NULL is NULL in every type.
[sources.md](sources.md) has the rules in words.
"""
_UNREPRESENTABLE = "unrepresentable"
_LONGEST = 44


def page_text() -> str:
    """Give the whole page, a table a kind."""
    tables = {
        "postgres": _postgres(),
        "mysql": _mysql(),
        "sqlite": _plain(sqlite.DECLARED, sqlite.STRAY),
        "duckdb": _plain(duckdb.DECLARED, duckdb.STRAY),
        "json": _plain((("", *each) for each in json_lines.DECLARED), ()),
        "sqlalchemy, on Firebird": _plain(firebird.DECLARED, firebird.STRAY),
    }
    return _HEAD + "".join(_table(kind, rows) for kind, rows in tables.items())


Row = tuple[str, str, str, str]
Written = tuple[str, str, str, object]


def _postgres() -> Iterator[Row]:
    for sql, arrow, value in postgres.EXACT:
        declared, written = _declared(sql)
        yield declared, written, arrow, _shown(value)
    for declared, values in postgres.UNREPRESENTABLE.items():
        for value in values:
            yield declared, value, _UNREPRESENTABLE, ""


def _mysql() -> Iterator[Row]:
    for declared, arrow, values in mysql.EXACT:
        for written, value in values.items():
            yield declared, written, arrow, _shown(value)
    for declared, values in mysql.UNREPRESENTABLE:
        for value in values:
            yield declared, value, _UNREPRESENTABLE, ""


def _plain(exact: Iterable[Written], stray: Iterable[tuple[str, str]]) -> Iterator[Row]:
    for declared, written, arrow, value in exact:
        yield declared, written, arrow, _shown(value)
    for declared, written in stray:
        yield declared, written, _UNREPRESENTABLE, ""


def _declared(sql: str) -> tuple[str, str]:
    """Part a Postgres expression into its type and the value as it is written."""
    cast = re.fullmatch(r"(?P<value>.*)::(?P<type>[^:]+)", sql, re.DOTALL)
    if cast is not None:
        return cast["type"], cast["value"]
    prefixed = re.fullmatch(r"(?P<type>[a-z]+) (?P<value>'.*')", sql)
    return (prefixed["type"], prefixed["value"]) if prefixed is not None else ("", sql)


def _shown(value: object) -> str:
    has_plain_form = isinstance(value, Decimal | datetime.date | datetime.time)
    return str(value) if has_plain_form else repr(value)


def _table(kind: str, rows: Iterator[Row]) -> str:
    head = f"\n## {kind}\n\n| Type | Written | Staged as | Value |\n|---|---|---|---|\n"
    return head + "".join(f"| {' | '.join(map(_cell, row))} |\n" for row in rows)


def _cell(text: str) -> str:
    if not text or text == _UNREPRESENTABLE:
        return text
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    printable = "".join(each if each.isprintable() else repr(each)[1:-1] for each in shown)
    return "`` {} ``".format(printable.replace("|", "\\|"))


if __name__ == "__main__":
    PAGE.write_text(page_text())
