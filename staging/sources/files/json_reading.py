"""Read JSON lines: members become columns of the job's types, and what does not is stated."""

from collections.abc import Generator, Sequence
from contextlib import closing

import pyarrow as pa

from staging.core.errors import SourceUnsupported
from staging.sources.arrow_filters import filter_expression
from staging.sources.files.json_file import Row, blocks
from staging.sources.files.json_types import Form, convert
from staging.sources.files.pins import FilePin
from staging.sources.files.root import Root
from staging.sources.source import NULL, ReadRequest
from staging.sources.stoppable import StoppableReading
from staging.sources.unrepresentable import unrepresentable


class JsonReading(StoppableReading):
    """One file or range of lines being read; see staging.sources.source.Reading."""

    def __init__(self, root: Root, request: ReadRequest) -> None:
        super().__init__()
        self._root = root
        self._request = request
        forms: dict[str, str] = request.bounds["forms"]
        self._forms = {name: Form(form) for name, form in forms.items()}
        self._members = frozenset(self._forms) if request.spec.columns is None else None

    def _read(self) -> Generator[pa.RecordBatch]:
        self._check_cancelled()
        request = self._request
        pin = FilePin.from_json(request.bounds)
        schema = pa.schema([(name, form.type) for name, form in self._forms.items()])
        kept = filter_expression(request.spec, schema)
        with closing(blocks(self._root, pin, *request.bounds["bytes"])) as found:
            for block in found:
                self._check_cancelled()
                rows = self._converted(block.rows, schema, pin)
                if kept is not None:
                    rows = rows.filter(kept)
                if rows.num_rows:
                    yield rows.select(request.schema.names)
        self._check_cancelled()

    def _converted(self, rows: Sequence[Row], schema: pa.Schema, pin: FilePin) -> pa.RecordBatch:
        if self._members is not None and not all(row.keys() <= self._members for row in rows):
            raise SourceUnsupported(
                f"{pin.path!r} has a member that planning did not see; name the columns to read"
            )
        columns = []
        for field in schema:
            values, bad = convert([row.get(field.name) for row in rows], self._forms[field.name])
            if bad:
                self._count(field, bad)
            columns.append(values)
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    def _count(self, field: pa.Field, bad: int) -> None:
        if self._request.on_unrepresentable != NULL:
            raise unrepresentable(field.name, bad, field.type)
        self._nulled[field.name] += bad
