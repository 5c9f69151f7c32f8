"""Find the type of a CSV column that gives back each of its texts' values, else leave it text.

A type is taken only if every text is in that type's usual form: `007` stays text, as the number 7
is not the same; so do numbers with more digits than a double keeps.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

_NUMBER = r"-?(0|[1-9]\d{0,14})(\.\d+)?([eE][+-]?\d{1,3})?"
_DAY = r"\d{4}-\d{2}-\d{2}"
_MOMENT = rf"{_DAY}[ T]\d{{2}}:\d{{2}}:\d{{2}}(\.\d{{1,6}})?"
_NO_DIGITS = r"[eE].*$|^-?0?\.?0*|[.-]"
_DOUBLE_DIGITS = 17
"""A double's shortest text has no more significant digits (IEEE 754)."""


@dataclass(frozen=True, slots=True)
class _Form:
    """The form that all texts of a type have, as a regular expression."""

    type: pa.DataType
    pattern: str

    def matches(self, texts: pa.Array) -> pa.Array:
        """Tell for each text whether it has the form; NULL for NULL."""
        return pc.match_substring_regex(texts, f"^(?:{self.pattern})$")


_FORMS = (
    _Form(pa.bool_(), "true|false|True|False|TRUE|FALSE"),
    _Form(pa.int64(), r"0|-?[1-9]\d{0,18}"),
    _Form(pa.float64(), rf"{_NUMBER}|nan|-?inf"),
    _Form(pa.date32(), _DAY),
    _Form(pa.timestamp("us"), _MOMENT),
    _Form(pa.timestamp("us", "UTC"), rf"{_MOMENT}(?:Z|[+-]\d{{2}}(?::?\d{{2}})?)"),
)
_BY_TYPE = {form.type: form for form in _FORMS}


@dataclass(slots=True)
class ColumnTypes:
    """Narrows the possible types of one column as its texts are seen."""

    possible: list[_Form] = field(default_factory=lambda: list(_FORMS))
    has_values: bool = False

    def see(self, texts: pa.Array) -> None:
        """Drop the types that some text does not suit; NULL suits all."""
        present = texts.drop_null()
        if len(present):
            self.has_values = True
            self.possible = [form for form in self.possible if _suits(form, present)]

    def found(self) -> pa.DataType:
        """Give the first type that all texts suit; text if none, or if there were no texts."""
        return self.possible[0].type if self.has_values and self.possible else pa.string()


def convert(texts: pa.Array, wanted: pa.DataType) -> tuple[pa.Array, int]:
    """Give the values of the texts and how many have none in that type; these become NULL."""
    if pa.types.is_string(wanted):
        return texts, 0
    form = _BY_TYPE[wanted]
    suits = pc.fill_null(form.matches(texts), True)
    if not pc.all(suits).as_py():
        texts = pc.if_else(suits, texts, pa.scalar(None, pa.string()))
    bad = len(texts) - (pc.sum(suits).as_py() or 0)
    try:
        return texts.cast(wanted), bad
    except pa.ArrowInvalid:
        values = [_one(text, wanted) for text in texts]
        lost = sum(value is None for value in values) - texts.null_count
        return pa.array(values, wanted), bad + lost


def _suits(form: _Form, texts: pa.Array) -> bool:
    if not pc.all(form.matches(texts)).as_py():
        return False
    return _EXTRA.get(form.type, _casts)(texts, form.type)


def _casts(texts: pa.Array, wanted: pa.DataType) -> bool:
    try:
        texts.cast(wanted)
    except pa.ArrowInvalid:
        return False
    return True


def _has_few_digits(texts: pa.Array, wanted: pa.DataType) -> bool:
    digits = pc.utf8_length(pc.replace_substring_regex(texts, _NO_DIGITS, ""))
    return pc.max(digits).as_py() <= _DOUBLE_DIGITS and _casts(texts, wanted)


_EXTRA: dict[pa.DataType, Callable[[pa.Array, pa.DataType], bool]] = {
    pa.float64(): _has_few_digits,
}


def _one(text: pa.Scalar, wanted: pa.DataType) -> object:
    try:
        return text.cast(wanted).as_py()
    except pa.ArrowInvalid:
        return None


def type_named(name: str) -> pa.DataType:
    """Give the type of that name, `int64` for one, among those that a CSV column can have."""
    known = {str(form.type): form.type for form in _FORMS}
    return known.get(name, pa.string())
