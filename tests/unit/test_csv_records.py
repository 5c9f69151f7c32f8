"""A CSV file is cut where records end, whatever its quotes and line ends are."""

import io

import pyarrow as pa
import pyarrow.csv as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from staging.core.errors import SourceUnsupported
from staging.sources.files import csv_records
from staging.sources.files.csv_records import record_blocks
from staging.sources.files.pins import FilePin

PIN = FilePin("t.csv", 0, 0)
FIELDS = st.text(st.sampled_from('ab,"\n\r\tü'), max_size=6)


def blocks(text: bytes, size: int, separator: str = ",") -> list[bytes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_records, "_BLOCK_BYTES", size)
        return list(record_blocks(io.BytesIO(text), PIN, separator))


def parsed(text: bytes, separator: str) -> list[dict[str, str]]:
    return pc.read_csv(
        pa.BufferReader(text),
        pc.ReadOptions(use_threads=False, column_names=["a", "b"]),
        pc.ParseOptions(delimiter=separator, newlines_in_values=True),
        pc.ConvertOptions(column_types={"a": pa.string(), "b": pa.string()}),
    ).to_pylist()


def written(field: str, *, always: bool) -> str:
    quoted = '"' + field.replace('"', '""') + '"'
    return quoted if always or set(field) & set('",\t\r\n') else field


@given(
    st.lists(st.tuples(FIELDS, FIELDS), min_size=1, max_size=8),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([",", "\t"]),
    st.booleans(),
    st.integers(1, 30),
)
def test_the_blocks_hold_the_records_of_the_whole(rows, line_end, separator, always, size):
    rows = [{"a": f"a{first}", "b": f"b{second}"} for first, second in rows]
    lines = (
        separator.join(written(value, always=always) for value in row.values()) for row in rows
    )
    text = "".join(line + line_end for line in lines).encode()

    found = blocks(text, size, separator)
    assert [each for block in found for each in parsed(block, separator)] == rows


def test_a_quote_in_the_middle_of_a_field_is_a_character():
    text = b'5" pipe,x\n"two\nlines",y\n6",z\n'

    assert blocks(text, 1) == [b'5" pipe,x\n', b'"two\nlines",y\n', b'6",z\n']


def test_the_quote_after_a_byte_order_mark_begins_a_field():
    text = b'\xef\xbb\xbf"a\nb",c\n1,2\n'

    assert blocks(text, 1) == [b'\xef\xbb\xbf"a\nb",c\n', b"1,2\n"]


def test_empty_lines_and_a_last_line_without_an_end_are_understood():
    assert blocks(b"a,b\n\n\r\n\n1,2", 1) == [b"a,b\n", b"1,2"]
    assert blocks(b"", 1) == []


@pytest.mark.parametrize("text", [b'a,b\n1,"x\n2,y\n', b'"', b'a,"b""\n'])
def test_a_quote_that_is_never_closed_is_refused(text):
    with pytest.raises(SourceUnsupported, match="never closed"):
        blocks(text, 3)


def test_a_record_that_does_not_end_is_refused_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr(csv_records, "_MOST_RECORD_BYTES", 100)

    with pytest.raises(SourceUnsupported, match="a record over 100 bytes"):
        blocks(b'a,"' + b"x" * 1000, 10)
