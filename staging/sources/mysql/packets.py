"""Decode the rows of a text result set, which PyMySQL does at less than half the speed.

The forms are the protocol's own (MySQL documentation, "Text Resultset Row", "Length-Encoded
Integers"); a row that is cut or too long is an error, never a shorter row.
"""

from collections.abc import Iterator
from typing import BinaryIO

from pymysql.constants import CR
from pymysql.err import OperationalError, raise_mysql_exception

Row = list[bytes | None]

_LONGEST_PACKET = 0xFFFFFF
_ERROR, _END, _MOST_END_BYTES = b"\xff", b"\xfe", 9
_NULL, _TWO_BYTES, _THREE_BYTES, _EIGHT_BYTES = 251, 252, 253, 254
_LENGTH_BYTES = {_TWO_BYTES: 2, _THREE_BYTES: 3, _EIGHT_BYTES: 8}


def decoded_rows(line: BinaryIO, width: int) -> Iterator[Row]:
    """Give the rows of `width` values that follow on the line, to the end of the result.

    Raises MySQLError for the server's own error, a broken line, or a packet of another form.
    """
    while True:
        packet = _packet(line)
        if packet.startswith(_END) and len(packet) < _MOST_END_BYTES:
            return
        if packet.startswith(_ERROR):
            raise_mysql_exception(packet)
        yield decoded(packet, width)


def decoded(packet: bytes, width: int) -> Row:
    """Give the values of one row; None is NULL."""
    row: Row = []
    size, place = len(packet), 0
    while place < size:
        length = packet[place]
        place += 1
        if length >= _NULL:
            if length == _NULL:
                row.append(None)
                continue
            digits = _LENGTH_BYTES.get(length, size)
            length = int.from_bytes(packet[place : place + digits], "little")
            place += digits
        end = place + length
        row.append(packet[place:end])
        place = end
    if place != size or len(row) != width:
        raise OperationalError(CR.CR_MALFORMED_PACKET, "a row of another form")
    return row


def _packet(line: BinaryIO) -> bytes:
    """Read one packet; one of the greatest length goes on in the next."""
    parts: list[bytes] = []
    while True:
        header = _exactly(line, 4)
        size = header[0] | header[1] << 8 | header[2] << 16
        part = _exactly(line, size)
        if size < _LONGEST_PACKET and not parts:
            return part
        parts.append(part)
        if size < _LONGEST_PACKET:
            return b"".join(parts)


def _exactly(line: BinaryIO, size: int) -> bytes:
    try:
        found = line.read(size)
    except (OSError, ValueError) as error:
        raise OperationalError(CR.CR_SERVER_LOST, "the line broke") from error
    if len(found) < size:
        raise OperationalError(CR.CR_SERVER_LOST, "the line ended")
    return found
