"""A job's events on the wire (server-sent events, HTML Living Standard, section 9.2)."""

import json
import re
from dataclasses import dataclass
from typing import Any

from fastapi.sse import format_sse_event

EVENT_STREAM = "text/event-stream"
EVENT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "One event; `data` is JSON: a chunk, a progress, a state, the end.",
    "required": ["event", "data", "id"],
    "properties": {
        "event": {"enum": ["state", "chunk", "progress", "end"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "id": {"type": "string"},
    },
}
EVENT_ID = r"^[0-9]{1,18}\.[0-9]{1,18}(\.end)?$"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a reader has been told: the moves up to a revision, so many chunks, perhaps the end.

    Its text is the id of the event that told it last.
    """

    revision: int = 0
    chunk_count: int = 0
    has_ended: bool = False

    @classmethod
    def read(cls, text: str | None) -> "Seen":
        """Read a Last-Event-ID that matches EVENT_ID; None is nothing."""
        if text is None:
            return cls()
        revision, chunk_count = re.findall("[0-9]+", text)
        return cls(int(revision), int(chunk_count), text.endswith(".end"))

    def __str__(self) -> str:
        return f"{self.revision}.{self.chunk_count}{'.end' if self.has_ended else ''}"


def event_text(event: str, data: Any, seen: Seen) -> bytes:
    """Write one event; its data is one line of JSON."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return format_sse_event(event=event, data_str=text, id=str(seen))
