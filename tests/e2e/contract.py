"""What every test of the contract needs: its names and its shapes."""

import re
from datetime import datetime
from typing import Any

import httpx2

MIB = 1 << 20
ORDERS = {"connection": "warehouse", "table": "public.orders"}
INSTANT = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
PROBLEM = {"type", "title", "status", "detail", "instance", "code", "request_id"}
JOB = {
    *("job_id", "org_id", "user_id", "name", "labels", "state", "source", "options"),
    *("progress", "manifest", "error", "created_at", "started_at", "staged_at"),
    *("finished_at", "expires_at", "chunks", "next_page_token"),
}
CHUNK = {
    *("chunk_id", "chunk_index", "partition_id", "row_offset", "row_count", "byte_count"),
    *("sha256", "state", "url", "url_expires_at", "http_headers", "flight", "acked_at"),
}


def instant(text: str) -> datetime:
    """Read an RFC 3339 time in UTC, written with Z."""
    assert INSTANT.match(text), text
    return datetime.fromisoformat(text)


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """Fail unless the answer is that problem in every documented member; return its body."""
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body.get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(body) >= PROBLEM
    assert (body["type"], body["status"]) == (f"/problems/{code}", status)
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["instance"] == answer.request.url.raw_path.decode().partition("?")[0]
    return body
