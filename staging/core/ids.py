"""Identifiers: jobs are UUIDv7, chunks are named after their object."""

import uuid
from datetime import datetime

_CHUNK_NAMESPACE = uuid.UUID("8f0e2d6c-5c58-5b0e-9a55-0d6f3f6b7a01")


def job_id(now: datetime, random: bytes) -> str:
    """Make a time-ordered job id (UUIDv7, RFC 9562 section 5.7) of a clock and 10 random bytes."""
    milliseconds = int(now.timestamp() * 1000)
    raw = bytearray(milliseconds.to_bytes(6, "big") + random[:10])
    raw[6] = 0x70 | (raw[6] & 0x0F)
    raw[8] = 0x80 | (raw[8] & 0x3F)
    return str(uuid.UUID(bytes=bytes(raw)))


def chunk_id(object_key: str) -> str:
    """Name a chunk after its object, so that publishing twice gives one id."""
    return str(uuid.uuid5(_CHUNK_NAMESPACE, object_key))


def is_uuid(text: str) -> bool:
    """Tell whether the text is a UUID in its canonical form."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
