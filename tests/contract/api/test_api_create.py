"""POST /jobs: what is accepted and what is refused."""

import json
import threading
import time

import pytest

from api import source_check
from staging.core.ids import is_uuid
from tests.contract.api.service import APP, pointers, problem_of

DOWN = {"connection": "host_down", "table": "anything"}
"""A source of which nothing is known before the job is there."""
DEFAULTS = {
    "chunk_target_bytes": 67108864,
    "compression": "zstd",
    "compression_level": 1,
    "consistency": "snapshot",
    "max_snapshot_age_seconds": 3600,
    "ttl_seconds": 86400,
    "url_ttl_seconds": 3600,
    "retain": "until_acked",
    "consumers": ["default"],
    "on_unrepresentable": "fail",
    "parallelism": None,
}


def test_an_accepted_job_is_pending_with_every_member_of_the_contract(service):
    answer = service.post(
        "/jobs",
        json={"source": APP, "name": "users for run 12", "labels": {"run": "12"}},
        headers={"X-User-ID": "ada"},
    )

    job = answer.json()
    assert answer.status_code == 202
    assert is_uuid(job["job_id"])
    assert answer.headers["location"] == f"/api/v1/staging/jobs/{job['job_id']}"
    assert answer.headers["etag"] == 'W/"1"'
    assert "idempotent-replayed" not in answer.headers
    assert job == {
        "job_id": job["job_id"],
        "org_id": 1,
        "user_id": "ada",
        "name": "users for run 12",
        "labels": {"run": "12"},
        "state": "pending",
        "source": {
            "connection": "app",
            "table": "users",
            "path": None,
            "query": None,
            "columns": None,
            "filters": [],
        },
        "options": DEFAULTS,
        "progress": {
            "partitions_total": None,
            "partitions_done": 0,
            "chunks_published": 0,
            "chunks_acked": 0,
            "rows": 0,
            "bytes": 0,
            "fraction": None,
        },
        "manifest": {
            "sealed": False,
            "chunk_count": 0,
            "row_count": 0,
            "byte_count": 0,
            "schema": None,
            "schema_fingerprint": None,
            "snapshot": None,
        },
        "error": None,
        "created_at": "2026-01-02T03:04:05.678Z",
        "started_at": None,
        "staged_at": None,
        "finished_at": None,
        "expires_at": "2026-01-03T03:04:05.678Z",
        "chunks": [],
        "next_page_token": None,
    }
    assert service.temporal.told == [(job["job_id"], None)]


def test_a_job_reads_back_as_it_was_accepted(service):
    accepted = service.create()

    assert service.get(f"/jobs/{accepted['job_id']}").json() == accepted


def test_what_a_job_shows_can_be_sent_again(service):
    source = APP | {
        "columns": ["name", "id"],
        "filters": [
            {"column": "id", "op": "in", "value": [1, 2]},
            {"column": "name", "op": "not_null"},
            {"column": "price", "op": "<", "value": 0.1},
        ],
    }
    first = service.create(source, options={"compression": "snappy", "consumers": ["a", "b"]})

    second = service.create(first["source"], options=first["options"])

    assert (second["source"], second["options"]) == (first["source"], first["options"])
    assert second["source"]["filters"][1] == {"column": "name", "op": "not_null", "value": None}


def test_a_file_is_a_source(service):
    job = service.create({"connection": "exports", "path": "a.parquet"})

    assert (job["source"]["path"], job["source"]["table"]) == ("a.parquet", None)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("chunk_target_bytes", 1 << 20),
        ("chunk_target_bytes", 1 << 30),
        ("compression_level", 19),
        ("compression", "lz4"),
        ("compression", "none"),
        ("consistency", "best_effort"),
        ("max_snapshot_age_seconds", 60),
        ("max_snapshot_age_seconds", 86_400),
        ("ttl_seconds", 1),
        ("ttl_seconds", 2_592_000),
        ("ttl_seconds", 60.0),
        ("url_ttl_seconds", 1),
        ("url_ttl_seconds", 604_800),
        ("retain", "until_expired"),
        ("consumers", [f"rank-{n}" for n in range(32)]),
        ("on_unrepresentable", "null"),
        ("parallelism", 1),
        ("parallelism", 1024),
        ("parallelism", None),
    ],
)
def test_an_option_within_its_range_is_kept(service, option, value):
    assert service.create(options={option: value})["options"][option] == value


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("chunk_target_bytes", (1 << 20) - 1),
        ("chunk_target_bytes", (1 << 30) + 1),
        ("chunk_target_bytes", "1048576"),
        ("compression", "gzip"),
        ("compression_level", 0),
        ("compression_level", 20),
        ("compression_level", True),
        ("consistency", None),
        ("max_snapshot_age_seconds", 59),
        ("max_snapshot_age_seconds", 86_401),
        ("ttl_seconds", 0),
        ("ttl_seconds", 2_592_001),
        ("ttl_seconds", 60.5),
        ("ttl_seconds", "60"),
        ("url_ttl_seconds", 0),
        ("url_ttl_seconds", 604_801),
        ("retain", "forever"),
        ("consumers", []),
        ("consumers", [f"rank-{n}" for n in range(33)]),
        ("consumers", ["a", "a"]),
        ("on_unrepresentable", "skip"),
        ("parallelism", 0),
        ("parallelism", 1025),
        ("speed", "fast"),
    ],
)
def test_an_option_out_of_its_range_is_pointed_at(service, option, value):
    answer = service.post("/jobs", json={"source": APP, "options": {option: value}})

    assert pointers(answer) == [f"#/options/{option}"]
    assert service.get("/jobs").json()["jobs"] == []


@pytest.mark.parametrize("compression", ["snappy", "lz4", "none"])
def test_only_zstd_has_a_level(service, compression):
    levelled = {"compression": compression, "compression_level": 3}
    answer = service.post("/jobs", json={"source": APP, "options": levelled})

    assert pointers(answer) == ["#/options/compression_level"]
    assert (
        service.create(options={"compression": compression})["options"]["compression_level"] is None
    )


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"table": None}, "#/source"),
        ({"path": "a.parquet"}, "#/source"),
        ({"table": ""}, "#/source/table"),
        ({"table": "a\0b"}, "#/source/table"),
        ({"table": 7}, "#/source/table"),
        ({"connection": "a" * 300}, "#/source/connection"),
        ({"dsn": "postgresql://"}, "#/source/dsn"),
        ({"columns": []}, "#/source/columns"),
        ({"columns": ["id", "id"]}, "#/source/columns"),
        ({"columns": ["id", 7]}, "#/source/columns/1"),
        ({"filters": [{"column": "id"}]}, "#/source/filters/0/op"),
        ({"filters": [{"column": "id", "op": "~", "value": 1}]}, "#/source/filters/0/op"),
        ({"filters": [{"column": "id", "op": "="}]}, "#/source/filters/0/value"),
        ({"filters": [{"column": "id", "op": "=", "value": [1]}]}, "#/source/filters/0/value"),
        ({"filters": [{"column": "id", "op": "=", "value": {}}]}, "#/source/filters/0/value"),
        ({"filters": [{"column": "id", "op": "in", "value": 1}]}, "#/source/filters/0/value"),
        ({"filters": [{"column": "id", "op": "in", "value": []}]}, "#/source/filters/0/value"),
        ({"filters": [{"column": "id", "op": "in", "value": [[]]}]}, "#/source/filters/0/value"),
        ({"filters": [{"column": "id", "op": "is_null", "value": 1}]}, "#/source/filters/0/value"),
        ({"filters": [{"column": "name", "op": "like", "value": 1}]}, "#/source/filters/0/value"),
        ({"filters": [{"column": "name", "op": "=", "value": "\0"}]}, "#/source/filters/0/value"),
        ({"version": [7]}, "#/source/version"),
        ({"incremental": {"column": "id", "before": 1}}, "#/source/incremental/before"),
    ],
)
def test_a_source_of_another_form_is_pointed_at(service, change, pointer):
    answer = service.post("/jobs", json={"source": APP | change})

    assert problem_of(answer) == (422, "invalid_value")
    assert pointers(answer) == [pointer]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": ""}, "#/name"),
        ({"name": "x" * 257}, "#/name"),
        ({"name": "a\nb"}, "#/name"),
        ({"labels": {"a:b": "c"}}, "#/labels/a:b"),
        ({"labels": {"": "c"}}, "#/labels/"),
        ({"labels": {"run": 12}}, "#/labels/run"),
        ({"labels": {str(n): "" for n in range(65)}}, "#/labels"),
        ({"owner": "ada"}, "#/owner"),
        ({"job_id": "0198f3a2-7c1e-7d3b-9f40-5a6b7c8d9e0f"}, "#/job_id"),
    ],
)
def test_a_member_of_another_form_is_pointed_at(service, change, pointer):
    assert pointers(service.post("/jobs", json={"source": APP} | change)) == [pointer]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": "\ud800"}, "#/name"),
        ({"labels": {"run": "\ud800"}}, "#/labels/run"),
        ({"options": {"consumers": ["\ud800"]}}, "#/options/consumers/0"),
        ({"options": {"compression": "\ud800"}}, "#/options/compression"),
        ({"source": {"connection": "\ud800", "table": "t"}}, "#/source/connection"),
        ({"source": {"connection": "app", "table": "\ud800"}}, "#/source/table"),
        ({"source": {"connection": "app", "path": "\ud800"}}, "#/source/path"),
        ({"source": {"connection": "app", "query": "\ud800"}}, "#/source/query"),
        ({"source": DOWN | {"columns": ["\ud800"]}}, "#/source/columns/0"),
        ({"source": DOWN | {"partition_by": "\ud800"}}, "#/source/partition_by"),
        ({"source": {"connection": "?", "table": "t", "version": "\ud800"}}, "#/source/version"),
        (
            {"source": DOWN | {"incremental": {"column": "\ud800"}}},
            "#/source/incremental/column",
        ),
        (
            {"source": DOWN | {"incremental": {"column": "id", "after": "\udfff"}}},
            "#/source/incremental/after",
        ),
        (
            {"source": DOWN | {"filters": [{"column": "\ud800", "op": "is_null"}]}},
            "#/source/filters/0/column",
        ),
        (
            {"source": DOWN | {"filters": [{"column": "a", "op": "in", "value": ["\ud800"]}]}},
            "#/source/filters/0/value",
        ),
    ],
)
def test_half_a_surrogate_pair_is_no_text(service, change, pointer):
    body = json.dumps({"source": DOWN} | change)

    assert pointers(service.post("/jobs", content=body)) == [pointer]
    assert service.get("/jobs").json()["jobs"] == []


@pytest.mark.parametrize("body", [b"null", b"[]", b"7", b'"x"'])
def test_a_body_that_is_no_object_is_pointed_at_as_a_whole(service, body):
    answer = service.client.post("/api/v1/staging/jobs", content=body)

    assert pointers(answer) == ["#"]


@pytest.mark.parametrize(
    ("source", "code", "pointer", "nearest"),
    [
        (
            {"connection": "ap", "table": "users"},
            "unknown_connection",
            "#/source/connection",
            "app",
        ),
        (APP | {"table": "user"}, "unknown_table", "#/source/table", "users"),
        (APP | {"columns": ["id", "nme"]}, "unknown_column", "#/source/columns/1", "name"),
        (
            APP | {"filters": [{"column": "prize", "op": "=", "value": 1}]},
            "unknown_column",
            "#/source/filters/0/column",
            "price",
        ),
        ({"connection": "exports", "path": "b.parquet"}, "unknown_table", "#/source/path", ""),
    ],
)
def test_what_the_source_does_not_have_is_pointed_at_with_the_nearest_names(
    service, source, code, pointer, nearest
):
    answer = service.post("/jobs", json={"source": source})

    assert problem_of(answer) == (422, code)
    assert pointers(answer) == [pointer]
    assert nearest in answer.json()["errors"][0]["detail"]
    assert service.get("/jobs").json()["jobs"] == []


def test_a_problem_names_no_more_places_than_a_reader_looks_at(service):
    columns = [f"id{n}" for n in range(1000)]

    answer = service.post("/jobs", json={"source": APP | {"columns": columns}})

    assert pointers(answer) == [f"#/source/columns/{n}" for n in range(32)]


def test_a_connection_of_another_organisation_is_unknown_and_never_named(service):
    answer = service.post("/jobs", json={"source": {"connection": "privat", "table": "users"}})
    owner = service.post(
        "/jobs",
        json={"source": {"connection": "private", "table": "users"}},
        headers={"X-Org-ID": "7"},
    )

    assert problem_of(answer) == (422, "unknown_connection")
    assert "private" not in answer.text
    assert owner.status_code == 202


def test_a_query_is_refused_where_the_connection_does_not_allow_it(service):
    answer = service.post("/jobs", json={"source": {"connection": "app", "query": "SELECT 1"}})

    assert pointers(answer) == ["#/source/query"]
    assert "does not allow" in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("option", "value"),
    [("version", 3), ("version", "v1")],
)
def test_an_option_that_the_kind_does_not_support_is_refused(service, option, value):
    answer = service.post("/jobs", json={"source": APP | {option: value}})

    assert pointers(answer) == [f"#/source/{option}"]
    assert f"{option} is not supported by kind sqlite" in answer.json()["detail"]


def test_a_hint_is_taken_where_it_does_not_help(service):
    narrow = APP | {"columns": ["name"]}

    assert service.create(narrow | {"partition_by": "id"})["source"]["partition_by"] == "id"


@pytest.mark.parametrize("incremental", [None, {"column": "id"}, {"column": "id", "after": 1}])
def test_a_hint_names_a_column_of_the_source(service, incremental):
    filters = [{"column": "id", "op": ">", "value": 0}]
    source = APP | {"filters": filters, "incremental": incremental, "partition_by": "prise"}

    answer = service.post("/jobs", json={"source": source})

    assert problem_of(answer) == (422, "unknown_column")
    assert pointers(answer) == ["#/source/partition_by"]
    assert "nearest: price" in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize("connection", ["wrong_password", "host_down"])
def test_a_source_that_cannot_be_asked_is_accepted(service, connection):
    job = service.create({"connection": connection, "table": "anything"})

    assert job["state"] == "pending"
    assert service.temporal.told == [(job["job_id"], None)]


def test_a_source_that_does_not_answer_in_time_is_accepted(service, monkeypatch):
    ends = threading.Event()

    class Silent:
        def describe(self, spec):
            ends.wait(60)

    monkeypatch.setattr(source_check, "source_for", lambda connection: Silent())
    monkeypatch.setattr(source_check, "PATIENCE_SECONDS", 0.2)
    started = time.monotonic()

    assert service.create()["state"] == "pending"
    assert time.monotonic() - started < 30
    ends.set()


def test_a_job_is_accepted_while_temporal_is_down(service):
    service.temporal.is_down = True

    job = service.create()

    assert service.get(f"/jobs/{job['job_id']}").json()["state"] == "pending"
