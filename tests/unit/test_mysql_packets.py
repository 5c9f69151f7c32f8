"""Rows of MySQL's protocol: whatever they hold comes out as it went in, and a cut row is none."""

import io

import pymysql
import pytest
from hypothesis import given
from hypothesis import strategies as st

from staging.sources.mysql.packets import decoded, decoded_rows

END = b"\xfe\x00\x00\x02\x00"
VALUES = st.lists(st.none() | st.binary(max_size=70_000), min_size=1, max_size=5)


def encoded(row: list[bytes | None]) -> bytes:
    return b"".join(b"\xfb" if each is None else length(len(each)) + each for each in row)


def length(size: int) -> bytes:
    if size < 251:
        return bytes([size])
    if size < 1 << 16:
        return b"\xfc" + size.to_bytes(2, "little")
    if size < 1 << 24:
        return b"\xfd" + size.to_bytes(3, "little")
    return b"\xfe" + size.to_bytes(8, "little")


def packets(*payloads: bytes) -> io.BytesIO:
    """Frame payloads; one of 16 MiB - 1 or more goes on in further packets."""
    line = io.BytesIO()
    for payload in payloads:
        for start in range(0, len(payload) + 1, 0xFFFFFF):
            part = payload[start : start + 0xFFFFFF]
            line.write(len(part).to_bytes(3, "little") + b"\0" + part)
    line.seek(0)
    return line


@given(VALUES)
def test_a_row_is_decoded_as_it_was_encoded(row):
    assert decoded(encoded(row), len(row)) == row


@given(VALUES, st.data())
def test_a_row_that_is_cut_or_too_long_is_an_error(row, data):
    whole = encoded(row)
    cut = data.draw(st.integers(0, len(whole) - 1))
    for broken in (whole[:cut], whole + b"\xfb"):
        with pytest.raises(pymysql.OperationalError):
            decoded(broken, len(row))


def test_a_length_of_no_known_form_is_an_error():
    with pytest.raises(pymysql.OperationalError):
        decoded(b"\xff\x01a", 1)


@pytest.mark.parametrize("size", [0xFFFFFF - 5, 0xFFFFFF - 4, 0xFFFFFF, 2 * 0xFFFFFF + 9])
def test_a_row_of_many_packets_is_one_row(size):
    row = [b"x" * size, None]
    line = packets(encoded(row), encoded([b"next", b""]), END)

    assert list(decoded_rows(line, 2)) == [row, [b"next", b""]]


def test_a_row_that_begins_like_an_end_is_a_row():
    row = b"\xfe" + (9).to_bytes(8, "little") + b"123456789"

    assert list(decoded_rows(packets(row, END), 1)) == [[b"123456789"]]


def test_the_server_s_error_ends_the_rows():
    line = packets(encoded([b"1"]), b"\xff" + (1317).to_bytes(2, "little") + b"#70100stopped")
    rows = decoded_rows(line, 1)

    assert next(rows) == [b"1"]
    with pytest.raises(pymysql.MySQLError) as raised:
        next(rows)
    assert raised.value.args[0] == 1317


@pytest.mark.parametrize("kept", [0, 3, 5, 9])
def test_a_line_that_ends_before_the_end_of_the_result_is_an_error(kept):
    line = io.BytesIO(packets(encoded([b"12345678"]), END).getvalue()[:kept])

    with pytest.raises(pymysql.OperationalError):
        list(decoded_rows(line, 1))
