"""Choose the columns that a job reads, and say which ones are not there."""

from collections.abc import Sequence

from staging.core.errors import FieldError, InvalidValue, SourceUnsupported, UnknownColumn
from staging.core.source_spec import SourceSpec
from staging.sources.nearest import nearest_names

_COLUMNS = "#/source/columns"
_MOST_SUGGESTED_FOR = 8


def choose_columns(spec: SourceSpec, known: Sequence[str]) -> tuple[str, ...]:
    """Give the columns to read, in the order asked for; all of them unless some are named.

    Raises UnknownColumn, also for the columns of filters, with the nearest names to the first few;
    InvalidValue for an empty or repeating list; SourceUnsupported if the source's own names repeat
    or there are none.
    """
    _check_known(known)
    _check_asked(spec.columns)
    asked = [(f"{_COLUMNS}/{i}", name) for i, name in enumerate(spec.columns or ())]
    asked += [(f"#/source/filters/{i}/column", each.column) for i, each in enumerate(spec.filters)]
    there = frozenset(known)
    missing = [(pointer, name) for pointer, name in asked if name not in there]
    errors = [
        FieldError(pointer, _unknown(name, known if i < _MOST_SUGGESTED_FOR else ()))
        for i, (pointer, name) in enumerate(missing)
    ]
    if errors:
        raise UnknownColumn(errors[0].detail, errors)
    return tuple(spec.columns or known)


def _unknown(name: str, known: Sequence[str]) -> str:
    return f"there is no column {name!r}{nearest_names(name, known)}"


def _check_known(known: Sequence[str]) -> None:
    if not known:
        raise SourceUnsupported("the source has no columns")
    twice = _repeated(known)
    if twice:
        raise SourceUnsupported(f"the source has two columns named {known[twice]!r}")


def _check_asked(columns: Sequence[str] | None) -> None:
    if columns is None:
        return
    if not columns:
        problem = FieldError(_COLUMNS, "name at least one column, or leave columns out")
        raise InvalidValue(problem.detail, [problem])
    twice = _repeated(columns)
    if twice:
        problem = FieldError(f"{_COLUMNS}/{twice}", f"column {columns[twice]!r} is named twice")
        raise InvalidValue(problem.detail, [problem])


def _repeated(names: Sequence[str]) -> int:
    """Give the index of the first name that stands earlier too; 0 if none does."""
    earlier: set[str] = set()
    for i, name in enumerate(names):
        if name in earlier:
            return i
        earlier.add(name)
    return 0
