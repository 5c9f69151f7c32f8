"""Bring what a data file holds into the table's columns: found by field id, cast where promoted.

The rules: https://iceberg.apache.org/spec/#column-projection and #schema-evolution
"""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from staging.core.errors import SourceUnsupported
from staging.sources.iceberg.field_ids import field_id, fields_of, is_list, without_ids
from staging.sources.iceberg.promotion import may_become


class Projection:
    """Projects the columns of one data file.

    `constants` are values by field id for what the file lacks: those of its partition.
    """

    def __init__(self, path: str, constants: Mapping[int, pa.Scalar]) -> None:
        self._path = path
        self._constants = constants

    def arrays(
        self,
        held: Sequence[pa.Field],
        columns: Sequence[pa.Array],
        wanted: Sequence[pa.Field],
        rows: int,
    ) -> list[pa.Array]:
        """Give an array for each wanted field, in its type; `held` names the columns there are.

        Raises SourceUnsupported if a column is of a type that the wanted one does not come from.
        """
        by_id = {
            field_id(field): (field, column) for field, column in zip(held, columns, strict=True)
        }
        return [
            self._array(*by_id[field_id(field)], field)
            if field_id(field) in by_id
            else self._missing(field, rows)
            for field in wanted
        ]

    def _missing(self, wanted: pa.Field, rows: int) -> pa.Array:
        constant = self._constants.get(field_id(wanted) or 0)
        kind = without_ids(wanted.type)
        return pa.nulls(rows, kind) if constant is None else pa.repeat(constant.cast(kind), rows)

    def _array(self, held: pa.Field, column: pa.Array, wanted: pa.Field) -> pa.Array:
        if pa.types.is_struct(held.type) and pa.types.is_struct(wanted.type):
            return self._struct(held, column, wanted)
        if pa.types.is_map(held.type) and pa.types.is_map(wanted.type):
            return self._map(held, column, wanted)
        if is_list(held.type) and is_list(wanted.type):
            return self._list(held, column, wanted)
        plain = column.storage if isinstance(column.type, pa.BaseExtensionType) else column
        if not may_become(plain.type, wanted.type):
            raise SourceUnsupported(
                f"{self._path!r} has {wanted.name!r} as {held.type}, which is not the table's type"
            )
        return plain.cast(wanted.type)

    def _struct(self, held: pa.Field, column: pa.StructArray, wanted: pa.Field) -> pa.Array:
        held_parts = fields_of(held.type)
        parts = [column.field(i) for i in range(len(held_parts))]
        found = self.arrays(held_parts, parts, fields_of(wanted.type), len(column))
        kind = without_ids(wanted.type)
        return pa.StructArray.from_arrays(found, fields=list(kind), mask=column.is_null())

    def _list(self, held: pa.Field, column: pa.ListArray, wanted: pa.Field) -> pa.Array:
        (element,), (wanted_element,) = fields_of(held.type), fields_of(wanted.type)
        values = self._array(element, column.flatten(), wanted_element)
        kind = without_ids(wanted.type)
        return pa.ListArray.from_arrays(_offsets(column), values, kind, mask=column.is_null())

    def _map(self, held: pa.Field, column: pa.MapArray, wanted: pa.Field) -> pa.Array:
        parts = fields_of(held.type)
        lists = column.cast(pa.list_(pa.struct(parts)))
        entries = lists.flatten()
        keys, items = (
            self._array(part, entries.field(i), wanted_part)
            for i, (part, wanted_part) in enumerate(zip(parts, fields_of(wanted.type), strict=True))
        )
        kind = without_ids(wanted.type)
        return pa.MapArray.from_arrays(_offsets(lists), keys, items, kind, mask=column.is_null())


def _offsets(column: pa.Array) -> pa.Array:
    """Give the offsets into the flattened values, where NULL takes no place."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).cast(pa.int64())
    ends = pc.cumulative_sum(lengths)
    return pa.concat_arrays([pa.array([0], pa.int64()), ends]).cast(pa.int32())
