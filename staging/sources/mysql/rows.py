"""The rows of one query, read from the server as they are needed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pymysql import MySQLError
from pymysql.cursors import SSCursor

from staging.sources.mysql.packets import Row, decoded_rows

_UNSIGNED, _BINARY_CHARACTERS = 0x20, 63


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a result as the protocol has it (MySQL documentation, column definition)."""

    name: str
    type_code: int
    length: int
    """Bytes of the longest value, as displayed."""
    decimals: int
    collation: int
    flags: int

    @property
    def is_unsigned(self) -> bool:
        """Tell whether numbers have no sign."""
        return bool(self.flags & _UNSIGNED)

    @property
    def is_binary(self) -> bool:
        """Tell whether the values of a column of strings are bytes, not text."""
        return self.collation == _BINARY_CHARACTERS


class Rows:
    """An unbuffered result: its fields at once, its rows once, as the bytes that were sent."""

    def __init__(self, raw: Any, sql: str) -> None:
        self._cursor = raw.cursor(SSCursor)
        self._cursor.execute(sql)
        # PyMySQL's description leaves out the flags and the collation.
        self._result = self._cursor._result
        self._line = raw._rfile
        self.fields = tuple(
            Field(
                each.name,
                each.type_code,
                each.length,
                each.scale,
                each.charsetnr,
                each.flags,
            )
            for each in self._result.fields
        )

    def __iter__(self) -> Iterator[Row]:
        """Give the rows; raises MySQLError if the server stops or the line breaks."""
        try:
            yield from decoded_rows(self._line, len(self.fields))
        except MySQLError:
            self.abandon()
            raise
        self.abandon()

    @property
    def is_open(self) -> bool:
        """Tell whether rows are still to come."""
        return bool(self._result.unbuffered_active)

    def abandon(self) -> None:
        """Read no more; unless all was read, only closing the session is possible after that.

        Otherwise PyMySQL would read all of it when the cursor is deleted.
        """
        self._result.unbuffered_active = False
