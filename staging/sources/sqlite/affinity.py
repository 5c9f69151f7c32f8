"""What a column of SQLite is read as, by the type its table declares.

SQLite stores any value in any column; a value that is not of the column's type is stated, never
changed.  A column without a type, or of type NUMERIC without digits, is read as text.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

_DIGITS = re.compile(r"(?:DECIMAL|NUMERIC)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")
_MOST_DIGITS = 38
_EXACT = Context(prec=400)


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """One column: its Arrow type, and the value of a stored one (raising ValueError if none)."""

    name: str
    arrow: pa.DataType
    value_of: Callable[[Any], Any]

    def array(self, stored: Sequence[Any]) -> tuple[pa.Array, int]:
        """Give the values, and how many of the stored ones have none; these become NULL."""
        kinds = set(map(type, stored))
        if kinds <= _DIRECT.get(self.arrow, frozenset()):
            try:
                return pa.array(stored, self.arrow), 0
            except (pa.ArrowException, UnicodeEncodeError):
                pass
        values = [self._checked(each) for each in stored]
        lost = sum(
            value is None and each is not None for value, each in zip(values, stored, strict=True)
        )
        return pa.array(values, self.arrow), lost

    def _checked(self, stored: Any) -> Any:
        if stored is None:
            return None
        try:
            return self.value_of(stored)
        except (ValueError, TypeError, InvalidOperation):
            return None


def rule_of_declared(name: str, declared: str) -> ColumnRule:
    """Choose by the declared type as SQLite does (its documentation, "Datatypes", section 3.1)."""
    kind = declared.upper()
    digits = _DIGITS.fullmatch(kind.strip())
    if digits is not None and 0 < int(digits[1]) <= _MOST_DIGITS:
        precision, scale = int(digits[1]), int(digits[2] or 0)
        if scale <= precision:
            return ColumnRule(name, pa.decimal128(precision, scale), _decimal(precision, scale))
    for words, arrow, value_of in _AFFINITIES:
        if any(word in kind for word in words):
            return ColumnRule(name, arrow, value_of)
    return ColumnRule(name, pa.string(), _shown)


def _integer(stored: Any) -> int:
    if not isinstance(stored, int):
        raise TypeError
    return stored


def _real(stored: Any) -> float:
    if not isinstance(stored, int | float) or float(stored) != stored:
        raise TypeError
    return float(stored)


def _boolean(stored: Any) -> bool:
    if stored not in (0, 1) or isinstance(stored, str | bytes):
        raise TypeError
    return bool(stored)


def _blob(stored: Any) -> bytes:
    if not isinstance(stored, bytes):
        raise TypeError
    return stored


def _shown(stored: Any) -> str:
    if isinstance(stored, bytes):
        raise TypeError
    shown = stored if isinstance(stored, str) else repr(stored)
    shown.encode()  # fails for bytes that were no UTF-8
    return shown


def _decimal(precision: int, scale: int) -> Callable[[Any], Decimal]:
    def value_of(stored: Any) -> Decimal:
        if isinstance(stored, bytes):
            raise TypeError
        value = Decimal(repr(stored) if isinstance(stored, float) else stored)
        fixed = value.quantize(Decimal(1).scaleb(-scale), context=_EXACT)
        if fixed != value or len(fixed.as_tuple().digits) > precision:
            raise ValueError
        return fixed

    return value_of


_NONE = type(None)
_DIRECT: dict[pa.DataType, frozenset[type]] = {
    pa.int64(): frozenset({int, _NONE}),
    pa.float64(): frozenset({float, _NONE}),
    pa.string(): frozenset({str, _NONE}),
    pa.binary(): frozenset({bytes, _NONE}),
}
"""Stored types that Arrow takes as they are."""
_AFFINITIES: Sequence[tuple[tuple[str, ...], pa.DataType, Callable[[Any], Any]]] = (
    (("BOOL",), pa.bool_(), _boolean),
    (("INT",), pa.int64(), _integer),
    (("CHAR", "CLOB", "TEXT", "JSON", "UUID", "DATE", "TIME"), pa.string(), _shown),
    (("BLOB", "BINARY", "BYTEA"), pa.binary(), _blob),
    (("REAL", "FLOA", "DOUB"), pa.float64(), _real),
)
