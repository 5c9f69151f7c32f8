"""Make the job's batches of the engine's: check every guard, cast, and rename by position."""

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from staging.core.errors import SourceChanged
from staging.sources.postgres.guards import holds_zero, null_out, out_of_range
from staging.sources.postgres.statement import SelectedColumn, Statement, Watch
from staging.sources.postgres.type_rules import Guard
from staging.sources.source import NULL, ReadRequest
from staging.sources.unrepresentable import unrepresentable


class Shaper:
    """Shapes the batches of one partition, and remembers what was found on the way."""

    def __init__(self, statement: Statement, request: ReadRequest, nulled: Counter[str]) -> None:
        self._statement = statement
        self._schema = request.schema
        self._is_nulling = request.on_unrepresentable == NULL
        self._nulled = nulled
        self._zeros: dict[str, SelectedColumn] = {}

    @property
    def suspects(self) -> tuple[SelectedColumn, ...]:
        """The columns in which a 0 may be a NaN."""
        return tuple(self._zeros.values())

    def shape(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Give the batch in the job's schema.

        Raises Unrepresentable at a bad value unless the policy is `null`, SourceChanged if the
        engine's types are not those of the plan.
        """
        self._check_flags(batch)
        columns = [self._column(each, batch.column(i)) for i, each in self._numbered()]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)

    def _numbered(self) -> list[tuple[int, SelectedColumn]]:
        return list(enumerate(self._statement.columns))

    def _column(self, selected: SelectedColumn, column: pa.Array) -> pa.Array:
        wanted = selected.rule.arrow
        if not _is_same(column.type, wanted):
            raise SourceChanged(f"column {selected.name!r} no longer has the type of the plan")
        if column.type != wanted or pa.types.is_list(wanted):
            column = column.cast(wanted)
        if selected.rule.guard is Guard.RANGE:
            return self._in_range(selected, column)
        if selected.rule.guard is Guard.NAN and selected.watch is Watch.LATER:
            self._watch_zeros(selected, column)
        return column

    def _in_range(self, selected: SelectedColumn, column: pa.Array) -> pa.Array:
        bad = out_of_range(column)
        if bad is None:
            return column
        self._count(selected, pc.sum(bad).as_py())
        return null_out(column, bad)

    def _watch_zeros(self, selected: SelectedColumn, column: pa.Array) -> None:
        if selected.name not in self._zeros and holds_zero(column):
            self._zeros[selected.name] = selected

    def _check_flags(self, batch: pa.RecordBatch) -> None:
        first = len(self._statement.columns)
        for i, selected in enumerate(self._statement.watched(Watch.FLAGGED)):
            flagged = pc.sum(batch.column(first + i)).as_py()
            if flagged:
                self._count(selected, flagged)

    def _count(self, selected: SelectedColumn, bad: int) -> None:
        if not self._is_nulling:
            raise unrepresentable(selected.name, bad, selected.rule.arrow)
        self._nulled[selected.name] += bad


def _is_same(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Compare types; the engine names a zone and list elements in its own way."""
    if pa.types.is_timestamp(wanted) and pa.types.is_timestamp(found):
        return (found.unit, found.tz is None) == (wanted.unit, wanted.tz is None)
    if pa.types.is_list(wanted) and pa.types.is_list(found):
        return bool(found.value_type == wanted.value_type)
    return bool(found == wanted)
