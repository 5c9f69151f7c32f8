"""The contract's JSON of a chunk and of an acknowledgement, the same by HTTP and by Flight."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from staging.core.chunks import Acknowledgement, Chunk


def instant(at: datetime | None) -> str | None:
    """Give a moment as RFC 3339 in UTC with milliseconds and `Z`."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def chunk_json(chunk: Chunk, ticket: str | None, locations: Sequence[str]) -> dict[str, Any]:
    """Give the contract's chunk without its link; `ticket` is base64 text, None once it is gone."""
    return {
        "chunk_id": chunk.chunk_id,
        "chunk_index": chunk.chunk_index,
        "partition_id": chunk.partition_id,
        "row_offset": chunk.row_offset,
        "row_count": chunk.row_count,
        "byte_count": chunk.byte_count,
        "sha256": chunk.sha256,
        "state": chunk.state.value,
        "flight": {"ticket": ticket, "locations": list(locations)},
        "acked_at": instant(chunk.acked_at),
    }


def acknowledgement_json(ack: Acknowledgement) -> dict[str, Any]:
    """Give the contract's answer to an ack."""
    return {
        "chunk_id": ack.chunk_id,
        "chunk_index": ack.chunk_index,
        "acked_at": instant(ack.acked_at),
        "job": {"chunks_acked": ack.chunks_acked, "state": ack.state.value},
    }
