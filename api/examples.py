"""One example of each body, as the documentation shows it."""

from typing import Any

from api.event_text import EVENT_STREAM
from api.media_types import ARROW_STREAM, PARQUET

JOB_ID = "0198f3a2-7c1e-7d3b-9f40-5a6b7c8d9e0f"
CHUNK_ID = "6f1c2a64-0f0e-5b7e-8d3c-2b1a09f8e7d6"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_FINGERPRINT = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"

NEW_JOB: dict[str, Any] = {
    "source": {"connection": "warehouse", "table": "public.lineitem"},
    "name": "lineitem for run 12",
    "labels": {"run": "12"},
}
NARROW_JOB: dict[str, Any] = {
    "source": {
        "connection": "exports",
        "path": "2026/*.parquet",
        "columns": ["id", "price"],
        "filters": [
            {"column": "price", "op": "<", "value": 500},
            {"column": "note", "op": "not_null"},
        ],
    },
    "options": {
        "chunk_target_bytes": 16_777_216,
        "ttl_seconds": 3600,
        "retain": "until_expired",
        "consumers": ["rank-0", "rank-1"],
    },
}
AMENDMENT: dict[str, Any] = {"ttl_seconds": 172_800, "labels": {"run": "12", "keep": "yes"}}
ACK: dict[str, Any] = {"consumer": "default", "sha256": SHA256}

CHUNK: dict[str, Any] = {
    "chunk_id": CHUNK_ID,
    "chunk_index": 0,
    "partition_id": 3,
    "row_offset": 0,
    "row_count": 150_000,
    "byte_count": 3_345_678,
    "sha256": SHA256,
    "state": "available",
    "flight": {"ticket": "c2lnbmVk…", "locations": ["grpc://127.0.0.1:8815"]},
    "acked_at": None,
    "url": "http://127.0.0.1:8333/staging/1/…/0.parquet?X-Amz-Signature=…",
    "url_expires_at": "2026-11-25T11:00:00.000Z",
    "http_headers": {},
}
_MANIFEST: dict[str, Any] = {
    "sealed": False,
    "chunk_count": 1,
    "row_count": 150_000,
    "byte_count": 3_345_678,
    "schema": [{"name": "l_orderkey", "type": "int64", "nullable": True}],
    "schema_fingerprint": _FINGERPRINT,
    "snapshot": {"class": "exported", "value": "00000003-0000001B-1"},
}
JOB_SUMMARY: dict[str, Any] = {
    "job_id": JOB_ID,
    "org_id": 1,
    "user_id": None,
    "name": "lineitem for run 12",
    "labels": {"run": "12"},
    "state": "running",
    "source": {
        "connection": "warehouse",
        "table": "public.lineitem",
        "path": None,
        "query": None,
        "columns": None,
        "filters": [],
    },
    "options": {
        "chunk_target_bytes": 67_108_864,
        "compression": "zstd",
        "compression_level": 1,
        "consistency": "snapshot",
        "max_snapshot_age_seconds": 3600,
        "ttl_seconds": 86_400,
        "url_ttl_seconds": 3600,
        "retain": "until_acked",
        "consumers": ["default"],
        "on_unrepresentable": "fail",
        "parallelism": None,
    },
    "progress": {
        "partitions_total": 40,
        "partitions_done": 1,
        "chunks_published": 1,
        "chunks_acked": 0,
        "rows": 150_000,
        "bytes": 3_345_678,
        "fraction": 0.025,
    },
    "manifest": _MANIFEST,
    "error": None,
    "created_at": "2026-11-25T10:00:00.000Z",
    "started_at": "2026-11-25T10:00:01.000Z",
    "staged_at": None,
    "finished_at": None,
    "expires_at": "2026-11-26T10:00:00.000Z",
}
_NODE_ID = "5d3f0f6c0f1b7d2c9a4e8b6f3c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f"
_MANIFEST_CHUNK = {
    name: CHUNK[name]
    for name in (
        "chunk_id",
        "chunk_index",
        "partition_id",
        "row_offset",
        "row_count",
        "byte_count",
        "sha256",
    )
}
_PARTS = {
    "catalog": {"state": "up", "required": True, "detail": None},
    "store": {"state": "up", "required": True, "detail": None},
    "temporal": {"state": "down", "required": False, "detail": "Temporal does not answer."},
}

_METRICS = """\
# HELP staging_jobs Jobs whose objects are not yet deleted, by state.
# TYPE staging_jobs gauge
staging_jobs{state="running"} 2.0
"""
ANSWERS: dict[str, dict[str, Any]] = {
    "JobAnswer": {**JOB_SUMMARY, "chunks": [CHUNK], "next_page_token": None},
    "JobPageAnswer": {"jobs": [JOB_SUMMARY], "next_page_token": None},
    "ChunkPageAnswer": {"chunks": [CHUNK], "next_page_token": None},
    "ChunkAnswer": CHUNK,
    "ManifestAnswer": {
        "job_id": JOB_ID,
        **_MANIFEST,
        "sealed": True,
        "chunks": [_MANIFEST_CHUNK],
    },
    "NodesAnswer": {"nodes": [{"node_id": _NODE_ID, "partitions": 12}]},
    "AckAnswer": {
        "chunk_id": CHUNK_ID,
        "chunk_index": 0,
        "acked_at": "2026-11-25T10:05:00.000Z",
        "job": {"chunks_acked": 1, "state": "running"},
    },
    "ConnectionsAnswer": {"connections": [{"name": "warehouse", "kind": "postgres"}]},
    "HealthAnswer": {"status": "ok"},
    "ReadyAnswer": {"status": "ready", "parts": _PARTS},
    "VersionAnswer": {"name": "staging-service", "version": "0.1.0", "api": "v1"},
}
"""By the name of the answer's model."""
STREAMS: dict[str, Any] = {
    PARQUET: "PAR1…PAR1",
    ARROW_STREAM: "…",
    "text/plain": _METRICS,
    EVENT_STREAM: {
        "event": "state",
        "data": '{"state":"running","at":"2026-11-25T10:00:01.000Z"}',
        "id": "2.0",
    },
}
"""By the media type; of events, one."""
REQUESTS: dict[str, dict[str, dict[str, Any]]] = {
    "JobBody": {"a table": NEW_JOB, "some of some files": NARROW_JOB},
    "AmendBody": {"a longer life": AMENDMENT, "no name": {"name": None}},
    "AckBody": {"with its hash": ACK},
}
"""By the name of the body's model, then by what the example shows."""
