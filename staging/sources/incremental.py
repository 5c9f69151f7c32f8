"""Check what a job asks of the column by which it reads only newer rows."""

import pyarrow as pa

from staging.core.errors import FieldError, InvalidValue
from staging.core.high_water import has_mark
from staging.core.source_spec import SourceSpec
from staging.sources.nearest import nearest_names

_COLUMN = "#/source/incremental/column"


def check_incremental(spec: SourceSpec, schema: pa.Schema) -> None:
    """Raise InvalidValue unless the column is read and its type has a high-water mark.

    Text has none: a source may order it otherwise than Arrow does.
    """
    if spec.incremental is None:
        return
    name = spec.incremental.column
    if name not in schema.names:
        near = nearest_names(name, schema.names)
        raise _refused(f"column {name!r} is not among those that are read{near}")
    kind = schema.field(name).type
    if not has_mark(str(kind)):
        raise _refused(
            f"column {name!r} is {kind}; an incremental job needs whole numbers, decimals, dates, "
            "or times of microseconds at most"
        )


def _refused(detail: str) -> InvalidValue:
    return InvalidValue(detail, [FieldError(_COLUMN, detail)])
