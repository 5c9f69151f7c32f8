"""JSON lines as a source: a file is a partition, a big one is cut at line ends."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from staging.core.errors import SourceUnsupported
from staging.core.manifest import Snapshot, SnapshotClass
from staging.core.source_spec import SourceSpec
from staging.sources.arrow_filters import filter_expression
from staging.sources.column_choice import choose_columns
from staging.sources.connection import Connection
from staging.sources.files.finding import find_files, root_of
from staging.sources.files.json_file import SUFFIXES, Block, blocks, is_packed
from staging.sources.files.json_reading import JsonReading
from staging.sources.files.json_types import Form, MemberForms, convert
from staging.sources.files.pins import FilePin, pinned_snapshot
from staging.sources.files.root import Root
from staging.sources.sizing import Sizing
from staging.sources.source import ReadRequest, Split

_DESCRIBE_BYTES = 4 * 1024 * 1024
_DESCRIBE_FILES = 64
_SPLIT_BYTES = 64 * 1024 * 1024
_LEAST_BYTES = 1024 * 1024
_BLOCK_BYTES = 4 * 1024 * 1024
"""How much text is looked at for types: before a job is accepted, of how many files; when it is
planned, of all files, and of each file at least."""


class JsonSource:
    """The JSON lines of one root; see staging.sources.source.Source."""

    snapshot_class = SnapshotClass.PINNED

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._root = root_of(connection)

    def describe(self, spec: SourceSpec) -> pa.Schema:
        """Give the schema as the beginnings of the files suggest; a split looks at more."""
        pins = find_files(self._connection, self._root, spec, SUFFIXES)[:_DESCRIBE_FILES]
        return _chosen(spec, _look(self._root, pins, _DESCRIBE_BYTES // len(pins)).forms)

    def hold(self, exports: Sequence[str]) -> None:
        """Hold nothing: files are pinned."""

    def split(
        self,
        spec: SourceSpec,
        snapshot: Snapshot | None,  # noqa: ARG002 - files are pinned here
        sizing: Sizing,
    ) -> Split:
        """Pin the files, find one schema for all of them, cut those over the target."""
        pins = find_files(self._connection, self._root, spec, SUFFIXES)
        budget_bytes = max(_LEAST_BYTES, _SPLIT_BYTES // len(pins))
        seen = _look(self._root, pins, budget_bytes, sizing.check)
        schema = _chosen(spec, seen.forms)
        share = seen.share(schema.names, sizing)
        needed = dict.fromkeys([*schema.names, *(each.column for each in spec.filters)])
        forms = {name: str(seen.forms[name]) for name in needed}
        bounds = [
            pin.to_json() | {"bytes": cut, "forms": forms}
            for pin in pins
            for cut in _cuts(pin, share, sizing)
        ]
        return Split(schema, pinned_snapshot(pins), tuple(bounds))

    def read(self, request: ReadRequest) -> JsonReading:
        """Open one file or range of lines."""
        return JsonReading(self._root, request)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the beginnings of the files show."""

    forms: Mapping[str, Form]
    first: Block

    def share(self, names: Sequence[str], sizing: Sizing) -> float:
        """Give the bytes of Parquet that a byte of text takes, by the first block."""
        if not self.first.rows:
            return 0.0
        columns = {
            name: convert([row.get(name) for row in self.first.rows], self.forms[name])[0]
            for name in names
        }
        return sizing.encoded_bytes([pa.record_batch(columns)]) / self.first.text_bytes


def _look(
    root: Root,
    pins: Sequence[FilePin],
    budget_bytes: int,
    check: Callable[[], None] = lambda: None,
) -> _Seen:
    """Find the forms that the values of all files suit, from so many bytes of each.

    `check` is called before each file, and may raise.
    """
    found, first = MemberForms(), Block((), 0)
    for pin in pins:
        check()
        looked_at = 0
        with closing(blocks(root, pin, block_bytes=min(budget_bytes, _BLOCK_BYTES))) as parts:
            for block in parts:
                found.see(block.rows)
                first = first if first.rows else block
                looked_at += block.text_bytes
                if looked_at >= budget_bytes:
                    break
    forms = found.found()
    if not forms:
        raise SourceUnsupported(f"{pins[0].path!r} has no object with a member")
    return _Seen(forms, first)


def _cuts(pin: FilePin, share: float, sizing: Sizing) -> list[list[Any]]:
    """Give the ranges of bytes, half-open, in which the lines of each partition begin."""
    parts = 1 if is_packed(pin) else sizing.parts(pin.size * share)
    edges: list[Any] = [pin.size * part // parts for part in range(parts)]
    return [[first, last] for first, last in zip(edges, [*edges[1:], None], strict=True)]


def _chosen(spec: SourceSpec, forms: Mapping[str, Form]) -> pa.Schema:
    chosen = choose_columns(spec, list(forms))
    filter_expression(spec, pa.schema([(name, form.type) for name, form in forms.items()]))
    return pa.schema([(name, forms[name].type) for name in chosen])
