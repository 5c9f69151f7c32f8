"""Find the indexes by which a table can be cut, and write their values as SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile

from staging.sources.mysql.quoting import quote_literal, quote_name
from staging.sources.mysql.relation import Relation
from staging.sources.mysql.session import Session

_INDEXES = """
SELECT s.INDEX_NAME, s.COLUMN_NAME, c.DATA_TYPE, c.CHARACTER_SET_NAME, c.IS_NULLABLE, s.SUB_PART
FROM information_schema.STATISTICS s
JOIN information_schema.COLUMNS c ON c.TABLE_SCHEMA = s.TABLE_SCHEMA
    AND c.TABLE_NAME = s.TABLE_NAME AND c.COLUMN_NAME = s.COLUMN_NAME
WHERE s.TABLE_SCHEMA = {0} AND s.TABLE_NAME = {1} AND s.INDEX_TYPE = 'BTREE'
ORDER BY s.INDEX_NAME = 'PRIMARY' DESC, s.NON_UNIQUE, s.INDEX_NAME, s.SEQ_IN_INDEX
"""
_NUMBER, _QUOTED, _HEXADECIMAL = "{0}", "CAST({0} AS CHAR)", "HEX({0})"
_INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_FORMS: Mapping[str, str] = {
    **dict.fromkeys([*_INTEGERS, "decimal"], _NUMBER),
    **dict.fromkeys(["date", "datetime", "timestamp"], _QUOTED),
    **dict.fromkeys(["char", "varchar", "binary", "varbinary"], _HEXADECIMAL),
}
"""Data type → how a value is asked for.

Not here: what sorts otherwise than it compares, as an enum or MariaDB's uuid; and seldom keys.
"""


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A column whose values the server sorts and compares alike."""

    name: str
    data_type: str
    characters: str | None
    may_be_null: bool

    @property
    def is_integer(self) -> bool:
        """Tell whether its values are whole numbers."""
        return self.data_type in _INTEGERS

    @property
    def selected(self) -> str:
        """Give the SQL of its value, in the form that `literal` takes."""
        return _FORMS[self.data_type].format(quote_name(self.name))

    def literal(self, value: bytes) -> str:
        """Write a value as SQL that compares as the column does, by its own collation."""
        text, form = value.decode("ascii"), _FORMS[self.data_type]
        if form is _NUMBER:
            return text
        if form is _QUOTED:
            return quote_literal(text)
        return f"_{self.characters} x'{text}'" if self.characters else f"x'{text}'"


@dataclass(frozen=True, slots=True)
class Key:
    """The columns that an index begins with; none but the first may be NULL."""

    columns: tuple[KeyColumn, ...]

    @property
    def first(self) -> KeyColumn:
        """Give the column by which the index sorts first."""
        return self.columns[0]


def find_key(session: Session, relation: Relation, wanted: str | None) -> Key | None:
    """Find the key that begins with `wanted`, or else the best: the primary, then a unique one."""
    rows = session.ask_texts(_INDEXES.format(*relation.literals))
    keys = [
        Key(columns)
        for _, index in groupby(rows, key=lambda row: row[0])
        if (columns := _usable(list(index)))
    ]
    named = [each for each in keys if each.first.name == wanted]
    return next(iter([*named, *keys]), None)


def _usable(index: Sequence[Sequence[str | None]]) -> tuple[KeyColumn, ...]:
    columns = [
        (KeyColumn(str(name), str(kind), characters, nullable == "YES"), sub_part is None)
        for _, name, kind, characters, nullable, sub_part in index
    ]
    usable = list(
        takewhile(
            lambda each: (
                each[1][1]
                and each[1][0].data_type in _FORMS
                and not (each[0] and each[1][0].may_be_null)
            ),
            enumerate(columns),
        )
    )
    return tuple(column for _, (column, _) in usable)
