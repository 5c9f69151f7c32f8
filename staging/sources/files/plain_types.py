"""Bring the types of a file to those that every chunk of a job can have."""

import pyarrow as pa


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Give the schema without dictionaries, extensions, metadata and NOT NULL."""
    return pa.schema([pa.field(field.name, _plain(field.type)) for field in schema])


def _plain(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    return kind
