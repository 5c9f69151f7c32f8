"""CSV files as a source: a file is a partition; types are found from the files themselves."""

from collections.abc import Callable, Sequence
from contextlib import closing

import pyarrow as pa

from staging.core.errors import SourceUnsupported
from staging.core.manifest import Snapshot, SnapshotClass
from staging.core.source_spec import SourceSpec
from staging.sources.arrow_filters import filter_expression
from staging.sources.column_choice import choose_columns
from staging.sources.connection import Connection
from staging.sources.files.csv_file import SUFFIXES, header, text_batches
from staging.sources.files.csv_reading import CsvReading
from staging.sources.files.csv_types import ColumnTypes
from staging.sources.files.finding import find_files, root_of
from staging.sources.files.pins import FilePin, pinned_snapshot
from staging.sources.files.root import Root
from staging.sources.sizing import Sizing
from staging.sources.source import ReadRequest, Split

_DESCRIBE_BYTES = 4 * 1024 * 1024
_SPLIT_BYTES = 256 * 1024 * 1024
_LEAST_BYTES = 1024 * 1024
"""How much text is looked at for types: of one file, of all files, of each file at least."""


class CsvSource:
    """The CSV files of one root; see staging.sources.source.Source."""

    snapshot_class = SnapshotClass.PINNED

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._root = root_of(connection)

    def describe(self, spec: SourceSpec) -> pa.Schema:
        """Give the schema as the beginning of the first file suggests; a split looks at more."""
        pins = find_files(self._connection, self._root, spec, SUFFIXES)
        return _chosen(spec, find_schema(self._root, pins[:1], _DESCRIBE_BYTES))

    def hold(self, exports: Sequence[str]) -> None:
        """Hold nothing: files are pinned."""

    def split(
        self,
        spec: SourceSpec,
        snapshot: Snapshot | None,  # noqa: ARG002 - files are pinned here
        sizing: Sizing,
    ) -> Split:
        """Pin the files and find one schema for all of them."""
        pins = find_files(self._connection, self._root, spec, SUFFIXES)
        budget_bytes = max(_LEAST_BYTES, _SPLIT_BYTES // len(pins))
        schema = find_schema(self._root, pins, budget_bytes, sizing.check)
        chosen = _chosen(spec, schema)
        filtered = {each.column: str(schema.field(each.column).type) for each in spec.filters}
        bounds = tuple(pin.to_json() | {"filter_types": filtered} for pin in pins)
        return Split(chosen, pinned_snapshot(pins), bounds)

    def read(self, request: ReadRequest) -> CsvReading:
        """Open one file."""
        return CsvReading(self._root, request)


def find_schema(
    root: Root,
    pins: Sequence[FilePin],
    budget_bytes: int,
    check: Callable[[], None] = lambda: None,
) -> pa.Schema:
    """Find the types that the texts of all files suit, from so many bytes of each file's texts.

    `check` is called before each file, and may raise.
    """
    names = header(root, pins[0])
    if len(set(names)) < len(names):
        raise SourceUnsupported(f"{pins[0].path!r} has two columns of one name")
    types = {name: ColumnTypes() for name in names}
    for pin in pins:
        check()
        own = header(root, pin)
        if sorted(own) != sorted(names):
            raise SourceUnsupported(f"{pin.path!r} has other columns than the first file")
        _see(root, pin, own, types, budget_bytes)
    return pa.schema([(name, types[name].found()) for name in names])


def _see(
    root: Root, pin: FilePin, names: Sequence[str], types: dict[str, ColumnTypes], budget: int
) -> None:
    seen = 0
    with closing(text_batches(root, pin, names, names)) as batches:
        for batch in batches:
            for name in names:
                types[name].see(batch.column(name))
            seen += batch.nbytes
            if seen > budget:
                return


def _chosen(spec: SourceSpec, schema: pa.Schema) -> pa.Schema:
    chosen = choose_columns(spec, schema.names)
    filter_expression(spec, schema)
    return pa.schema([schema.field(name) for name in chosen])
