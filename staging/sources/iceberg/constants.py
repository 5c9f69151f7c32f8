"""Keep typed values by field id as text, for the bounds of a partition."""

from base64 import b64decode, b64encode
from collections.abc import Mapping

import pyarrow as pa


def packed(constants: Mapping[int, pa.Scalar]) -> str:
    """Write the values as one row of Arrow IPC, in base 64."""
    row = pa.record_batch(
        [pa.array([value.as_py()], value.type) for value in constants.values()],
        names=[str(number) for number in constants],
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, row.schema) as writer:
        writer.write_batch(row)
    return b64encode(sink.getvalue()).decode()


def unpacked(text: str) -> dict[int, pa.Scalar]:
    """Read what packed gave."""
    with pa.ipc.open_stream(pa.py_buffer(b64decode(text))) as reader:
        row = reader.read_next_batch()
    return {int(name): row.column(name)[0] for name in row.schema.names}
