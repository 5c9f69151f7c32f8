"""Find the type of a CSV column that gives back each of its texts' values, else leave it text.

A type is taken only if every text is in that type's usual form: `007` stays text, as the number 7
is not the same; so do numbers with more digits than a double keeps.
"""

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

_DOUBLE_DIGITS = 17
"""A double's shortest text has no more significant digits (IEEE 754)."""
_WHOLE_DIGITS = 15
_FROM_ONE_ON = "|".join(
    rf"[1-9]\d{{{whole - 1}}}(?:\.\d{{1,{_DOUBLE_DIGITS - whole}}})?"
    for whole in range(1, _WHOLE_DIGITS + 1)
)
_BELOW_ONE = rf"0(?:\.0*\d{{1,{_DOUBLE_DIGITS}}})?"
_NUMBER = rf"-?(?:{_BELOW_ONE}|{_FROM_ONE_ON})(?:[eE][+-]?\d{{1,3}})?"
"""Counts the significant digits, too: to match is all that a text costs beside its cast."""
_INFINITE_OR_ZERO = r"^-?(?:inf|[0.]+(?:[eE].*)?)$"
_NONE = pa.array([], pa.bool_())
_DAY = r"\d{4}-\d{2}-\d{2}"
_MOMENT = rf"{_DAY}[ T]\d{{2}}:\d{{2}}:\d{{2}}(\.\d{{1,6}})?"


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
        values = texts.cast(wanted)
    except pa.ArrowInvalid:
        values = pa.array([_one(text, wanted) for text in texts], wanted)
        bad += values.null_count - texts.null_count
    outgrown = _outgrown(texts, values)
    if pc.any(outgrown).as_py():
        values = pc.if_else(outgrown, pa.scalar(None, wanted), values)
    return values, bad + (pc.sum(outgrown).as_py() or 0)


def _suits(form: _Form, texts: pa.Array) -> bool:
    return pc.all(form.matches(texts)).as_py() and _casts(texts, form.type)


def _casts(texts: pa.Array, wanted: pa.DataType) -> bool:
    try:
        values = texts.cast(wanted)
    except pa.ArrowInvalid:
        return False
    return not pc.any(_outgrown(texts, values)).as_py()


def _outgrown(texts: pa.Array, values: pa.Array) -> pa.Array:
    """Tell which numbers a double has as infinity or zero only; empty if there are none."""
    if not pa.types.is_floating(values.type):
        return _NONE
    at_an_end = pc.fill_null(pc.or_(pc.is_inf(values), pc.equal(values, 0.0)), False)
    told = pc.match_substring_regex(texts.filter(at_an_end), _INFINITE_OR_ZERO)
    if pc.all(told, min_count=0).as_py():
        return _NONE
    return pc.and_not(at_an_end, pc.match_substring_regex(texts, _INFINITE_OR_ZERO))


def _one(text: pa.Scalar, wanted: pa.DataType) -> object:
    try:
        return text.cast(wanted).as_py()
    except pa.ArrowInvalid:
        return None


def type_named(name: str) -> pa.DataType:
    """Give the type of that name, `int64` for one, among those that a CSV column can have."""
    known = {str(form.type): form.type for form in _FORMS}
    return known.get(name, pa.string())
