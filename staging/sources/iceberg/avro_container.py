"""Check that an Avro file is whole; pyiceberg takes the end of a cut one for the end of its rows.

Format: https://avro.apache.org/docs/1.12.0/specification/#object-container-files
"""

_MAGIC = b"Obj\x01"
_SYNC_BYTES = 16
_LONGEST_VARINT = 10
_LARGEST_EMPTY_BLOCK = 16


def check_whole(content: bytes) -> None:
    """Raise ValueError unless the file is a header and blocks of records, to its last byte."""
    if not content.startswith(_MAGIC):
        raise ValueError("no Avro file")
    place = _after_header_map(content, len(_MAGIC))
    sync = content[place : place + _SYNC_BYTES]
    place += _SYNC_BYTES
    while place != len(content):
        records, place = _number(content, place)
        size, place = _number(content, place)
        end = place + size
        place = end + _SYNC_BYTES
        is_closed = size >= 0 and len(sync) == _SYNC_BYTES and content[end:place] == sync
        # A list without entries is one block of none, which is still packed by its codec.
        is_empty = records == 0 and size <= _LARGEST_EMPTY_BLOCK and place == len(content)
        if not is_closed or not (records > 0 or is_empty):
            raise ValueError("an Avro file that is cut or damaged")


def _after_header_map(content: bytes, place: int) -> int:
    while True:
        count, place = _number(content, place)
        if count == 0:
            return place
        if count < 0:  # then the size of this part of the map is told too
            _, place = _number(content, place)
        for _ in range(abs(count) * 2):
            size, place = _number(content, place)
            if size < 0:
                raise ValueError("an Avro header that is damaged")
            place += size


def _number(content: bytes, place: int) -> tuple[int, int]:
    """Read a zigzag varint; give it and the place after it."""
    found = 0
    for i in range(_LONGEST_VARINT):
        if place + i >= len(content):
            break
        byte = content[place + i]
        found |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return (found >> 1) ^ -(found & 1), place + i + 1
    raise ValueError("an Avro file that is cut or damaged")
