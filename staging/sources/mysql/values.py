"""Make Arrow arrays of the texts that a server sends; what has no form becomes NULL, counted."""

from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc


def array_of(column: Sequence[bytes | None], kind: pa.DataType) -> tuple[pa.Array, int]:
    """Give the values of a column, and how many of them the type cannot represent.

    Nothing is rounded or cut: a text that is not exactly a value of the type is none of it.
    """
    sent = pa.array(column, pa.binary())
    if pa.types.is_binary(kind):
        return sent, 0
    possible = _without_zero_dates(sent) if pa.types.is_temporal(kind) else sent
    found = _parsed(possible, kind)
    return found, found.null_count - sent.null_count


def _without_zero_dates(sent: pa.Array) -> pa.Array:
    """Put NULL for dates with a month or a day 00, all at once: a column may be full of them."""
    return pc.if_else(pc.match_substring(sent, b"-00"), pa.scalar(None, sent.type), sent)


def _parsed(sent: pa.Array, kind: pa.DataType) -> pa.Array:
    """Parse all at once; where that fails, halves, down to the values that do not parse."""
    try:
        return _parse(sent, kind)
    except pa.ArrowInvalid:
        if len(sent) == 1:
            return pa.nulls(1, kind)
    middle = len(sent) // 2
    return pa.concat_arrays([_parsed(sent[:middle], kind), _parsed(sent[middle:], kind)])


def _parse(sent: pa.Array, kind: pa.DataType) -> pa.Array:
    texts = sent.cast(pa.string())
    return _steps(kind)(texts)


def _steps(kind: pa.DataType) -> Callable[[pa.Array], pa.Array]:
    if pa.types.is_timestamp(kind):
        # The session is in UTC, and says no offset.
        return lambda texts: texts.cast(pa.timestamp("us")).cast(kind)
    if pa.types.is_float32(kind):
        return lambda texts: texts.cast(pa.float64()).cast(kind)
    return lambda texts: texts.cast(kind)
