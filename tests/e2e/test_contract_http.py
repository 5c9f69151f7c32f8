"""Requests and answers of the HTTP contract, sentence by sentence."""

import json
import time
import uuid
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from tests.e2e.contract import CHUNK, JOB, MIB, ORDERS, instant, problem
from tests.e2e.service import PREFIX, Service

OPTIONS = {
    "chunk_target_bytes": 64 * MIB,
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
}
RANGES = {
    "chunk_target_bytes": (MIB, 1 << 30),
    "compression_level": (1, 19),
    "max_snapshot_age_seconds": (60, 86_400),
    "ttl_seconds": (1, 2_592_000),
    "url_ttl_seconds": (1, 604_800),
    "parallelism": (1, 1024),
}


@pytest.fixture(scope="module")
def staged(service):
    """A staged job of several chunks that the tests only read."""
    job_id = service.create(ORDERS, chunk_target_bytes=MIB)["job_id"]
    return service.until_state(job_id, "staged")


@pytest.mark.parametrize("org", ["0", "-1", "1.0", "abc", "", "0x1", "1,2", "9" * 40, str(1 << 63)])
def test_an_organisation_that_is_no_positive_integer_is_refused(service, org):
    problem(service.http.get("/jobs", headers={"X-Org-ID": org}), 400, "bad_identity")


@pytest.mark.parametrize("org", [1 << 60, (1 << 63) - 1])
def test_every_positive_integer_of_63_bits_is_an_organisation(api_url, org):
    owner = Service(api_url, org_id=org)
    job = owner.create(ORDERS)
    assert (job["org_id"], owner.job(job["job_id"])["org_id"]) == (org, org)
    owner.http.delete(f"/jobs/{job['job_id']}")


def test_a_missing_organisation_is_the_first_and_a_user_is_recorded(api_url):
    answer = httpx2.post(
        f"{api_url}{PREFIX}/jobs", json={"source": ORDERS}, headers={"X-User-ID": "u" * 128}
    )

    assert (answer.json()["org_id"], answer.json()["user_id"]) == (1, "u" * 128)
    for user in (b"u" * 129, b"a\tb"):
        refused = httpx2.get(f"{api_url}{PREFIX}/jobs", headers=[(b"X-User-ID", user)])
        problem(refused, 400, "bad_identity")


def test_a_request_id_is_echoed_or_made_up(service):
    answer = service.http.get("/jobs/nothing", headers={"X-Request-ID": "run 12/a"})

    assert problem(answer, 404, "not_found")["request_id"] == "run 12/a"
    long = service.http.get("/connections", headers={"X-Request-ID": "r" * 1024})
    assert long.headers["x-request-id"] == "r" * 1024
    made_up = {service.http.get("/connections").headers["x-request-id"] for _ in range(2)}
    assert len(made_up) == 2


def test_an_accepted_job_shows_every_field_with_its_default(service):
    answer = service.http.post("/jobs", json={"source": ORDERS})
    job = answer.json()

    assert answer.status_code == 202
    assert answer.headers["location"] == f"{PREFIX}/jobs/{job['job_id']}"
    assert uuid.UUID(job["job_id"]).version == 7
    assert set(job) == JOB
    assert (job["state"], job["name"], job["labels"]) == ("pending", None, {})
    assert job["options"] == OPTIONS
    assert job["source"] == ORDERS | {"path": None, "query": None, "columns": None, "filters": []}
    assert job["progress"] == {
        "partitions_total": None,
        "fraction": None,
        **dict.fromkeys(("partitions_done", "chunks_published", "chunks_acked"), 0),
        **dict.fromkeys(("rows", "bytes"), 0),
    }
    assert job["manifest"] == {
        "sealed": False,
        **dict.fromkeys(("chunk_count", "row_count", "byte_count"), 0),
        **dict.fromkeys(("schema", "schema_fingerprint", "snapshot")),
    }
    lifetime = instant(job["expires_at"]) - instant(job["created_at"])
    assert lifetime == timedelta(seconds=86_400)
    assert (job["started_at"], job["staged_at"], job["finished_at"], job["error"]) == (None,) * 4
    assert (job["chunks"], job["next_page_token"]) == ([], None)


def test_a_staged_job_adds_up(staged):
    chunks, progress, manifest = staged["chunks"], staged["progress"], staged["manifest"]

    assert all(set(chunk) == CHUNK for chunk in chunks)
    assert [chunk["chunk_index"] for chunk in chunks] == list(range(len(chunks)))
    offsets = [sum(c["row_count"] for c in chunks[:i]) for i in range(len(chunks))]
    assert [chunk["row_offset"] for chunk in chunks] == offsets
    assert progress["rows"] == manifest["row_count"] == sum(c["row_count"] for c in chunks)
    assert progress["bytes"] == manifest["byte_count"] == sum(c["byte_count"] for c in chunks)
    assert progress["chunks_published"] == manifest["chunk_count"] == len(chunks)
    assert (manifest["sealed"], progress["fraction"]) == (True, 1.0)
    assert set(manifest["schema"][0]) == {"name", "type", "nullable"}
    assert instant(staged["created_at"]) <= instant(staged["started_at"])
    assert instant(staged["started_at"]) <= instant(staged["staged_at"])
    assert all(MIB / 2 <= chunk["byte_count"] <= 2 * MIB for chunk in chunks)
    assert {c["state"] for c in chunks} == {"available"}
    assert {c["acked_at"] for c in chunks} == {None}


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"", "application/json", 400, "not_json"),
        (b"{", "application/json", 400, "not_json"),
        (b"\xff\xfe", "application/json", 400, "not_json"),
        (b'{"source": NaN}', "application/json", 400, "not_json"),
        (b"[" * 100_000, "application/json", 400, "not_json"),
        (b"[]", "application/json", 422, "invalid_value"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b'{"name": "' + b"x" * MIB + b'"}', "application/json", 413, "body_too_large"),
    ],
)
def test_a_body_that_cannot_be_read_has_its_own_answer(service, body, content_type, status, code):
    answer = service.http.post("/jobs", content=body, headers={"Content-Type": content_type})
    problem(answer, status, code)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/source"),
        ({"source": {"table": "orders"}}, "#/source/connection"),
        ({"source": {"connection": "warehouse"}}, "#/source"),
        ({"source": ORDERS | {"path": "x"}}, "#/source"),
        ({"source": ORDERS | {"secret": 1}}, "#/source/secret"),
        ({"source": ORDERS | {"table": "or\0ders"}}, "#/source/table"),
        ({"source": ORDERS | {"columns": []}}, "#/source/columns"),
        ({"source": ORDERS, "job_id": "mine"}, "#/job_id"),
        ({"source": ORDERS, "name": 7}, "#/name"),
        ({"source": ORDERS, "labels": {"run": 12}}, "#/labels/run"),
        ({"source": ORDERS, "options": {"colour": "red"}}, "#/options/colour"),
        ({"source": ORDERS, "options": {"compression": "gzip"}}, "#/options/compression"),
        ({"source": ORDERS, "options": {"consistency": "some"}}, "#/options/consistency"),
        ({"source": ORDERS, "options": {"retain": "forever"}}, "#/options/retain"),
        ({"source": ORDERS, "options": {"consumers": []}}, "#/options/consumers"),
        ({"source": ORDERS, "options": {"consumers": ["c"] * 33}}, "#/options/consumers"),
        ({"source": ORDERS, "options": {"ttl_seconds": True}}, "#/options/ttl_seconds"),
        ({"source": ORDERS, "options": {"ttl_seconds": "60"}}, "#/options/ttl_seconds"),
    ]
    + [
        ({"source": ORDERS, "options": {name: value}}, f"#/options/{name}")
        for name, (low, high) in RANGES.items()
        for value in (low - 1, high + 1, 10**30)
    ],
)
def test_an_invalid_value_is_pointed_at(service, body, pointer):
    answer = problem(service.http.post("/jobs", json=body), 422, "invalid_value")
    assert pointer in [error["pointer"] for error in answer["errors"]]
    assert all(error["detail"] for error in answer["errors"])


@pytest.mark.parametrize("number", ["1e400", "9" * 500, "0.12345678901234567891"])
def test_a_number_out_of_reach_is_pointed_at(service, number):
    body = f'{{"source": {json.dumps(ORDERS)}, "options": {{"ttl_seconds": {number}}}}}'
    headers = {"Content-Type": "application/json"}
    answer = problem(
        service.http.post("/jobs", content=body, headers=headers), 422, "invalid_value"
    )
    assert [error["pointer"] for error in answer["errors"]] == ["#/options/ttl_seconds"]


@pytest.mark.parametrize("end", [0, 1])
def test_the_ends_of_every_range_are_allowed(service, end):
    options = {name: ends[end] for name, ends in RANGES.items()}
    options["consumers"] = [f"rank {n}" for n in range(32)] if end else ["one"]

    job = service.create(ORDERS, **options)

    assert {name: job["options"][name] for name in options} == options


def test_pages_of_chunks_follow_each_other(service, staged):
    path, indexes = f"/jobs/{staged['job_id']}", [c["chunk_index"] for c in staged["chunks"]]

    def page(suffix="", **query):
        body = service.http.get(path + suffix, params=query).json()
        return [chunk["chunk_index"] for chunk in body["chunks"]], body["next_page_token"]

    for suffix in ("", "/chunks"):
        first, token = page(suffix, page_size=2)
        assert (first, page(suffix, page_token=token)) == (indexes[:2], (indexes[2:], None))
        assert page(suffix, since_index=1) == (indexes[1:], None)
        assert page(suffix, since_index=len(indexes)) == ([], None)
        both = service.http.get(path + suffix, params={"page_token": token, "since_index": 0})
        assert both.status_code == 400
        for query in ({"page_size": 0}, {"page_size": 1001}, {"since_index": -1}, {"colour": 1}):
            problem(service.http.get(path + suffix, params=query), 422, "invalid_value")
    for listing in ("/jobs", f"{path}/chunks"):
        broken = service.http.get(listing, params={"page_token": token[:-2] + "AA"})
        problem(broken, 400, "bad_page_token")


def test_a_link_tells_the_truth_about_its_end(service, staged):
    path = f"/jobs/{staged['job_id']}"
    revision = service.http.get(path).headers["etag"]
    answer = service.http.get(f"{path}/chunks/0/refresh", params={"url_ttl_seconds": 3})
    chunk = answer.json()
    ends_at = instant(chunk["url_expires_at"])

    assert answer.headers["cache-control"] == "no-store"
    assert set(chunk) == CHUNK
    assert ends_at <= datetime.now(UTC) + timedelta(seconds=3)
    while datetime.now(UTC) < ends_at - timedelta(seconds=0.5):
        first = httpx2.get(chunk["url"], headers={"Range": "bytes=0-3"}).content
        assert first == b"PAR1" or datetime.now(UTC) > ends_at
        time.sleep(0.2)
    time.sleep(max(0.0, (ends_at - datetime.now(UTC)).total_seconds() + 0.6))
    assert httpx2.get(chunk["url"]).status_code == 403
    assert service.http.get(path).headers["etag"] == revision
    for ttl in (0, 604_801, "x"):
        refused = service.http.get(f"{path}/chunks/0/refresh", params={"url_ttl_seconds": ttl})
        problem(refused, 422, "invalid_value")


def test_a_chunk_is_named_by_id_or_index_and_only_in_its_job(service, staged):
    other = service.create(ORDERS, chunk_target_bytes=MIB)["job_id"]
    service.until_state(other, "staged")
    chunk = staged["chunks"][1]

    for name in (chunk["chunk_id"], "1"):
        found = service.http.get(f"/jobs/{staged['job_id']}/chunks/{name}/refresh").json()
        assert found["chunk_id"] == chunk["chunk_id"]
    for name in ("99", "-1", "1.0", "x", "9" * 40, "%00", "😀"):
        answer = service.http.get(f"/jobs/{staged['job_id']}/chunks/{name}/refresh")
        problem(answer, 404, "not_found")
    foreign = service.http.get(f"/jobs/{other}/chunks/{chunk['chunk_id']}/refresh")
    problem(foreign, 404, "not_found")


OPERATIONS = [
    ("POST", "/jobs"),
    ("GET", "/jobs"),
    ("GET", "/connections"),
    ("GET", "/jobs/{}"),
    ("DELETE", "/jobs/{}"),
    ("POST", "/jobs/{}/pause"),
    ("POST", "/jobs/{}/resume"),
    ("POST", "/jobs/{}/chunks/0/ack"),
    ("GET", "/jobs/{}/chunks/0/refresh"),
    ("GET", "/jobs/{}/chunks"),
    ("GET", "/jobs/{}/manifest"),
]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_a_query_parameter_is_known_and_given_once(service, staged, method, path):
    body = {"json": {"source": ORDERS}} if (method, path) == ("POST", "/jobs") else {}
    place = path.format(staged["job_id"])
    for query in ("colour=red", "page_size=1&page_size=1", "state=staged&state=failed"):
        answer = service.http.request(method, f"{place}?{query}", **body)
        errors = problem(answer, 422, "invalid_value")["errors"]
        assert errors[0]["pointer"] == f"#/query/{query.partition('=')[0]}"
    now = service.job(staged["job_id"])
    assert (now["state"], now["progress"]["chunks_acked"]) == ("staged", 0)


@pytest.mark.parametrize("token", ["", "x" * 600])
@pytest.mark.parametrize("path", ["/jobs", "/jobs/{}", "/jobs/{}/chunks"])
def test_a_bad_page_token_is_400_whatever_its_length(service, staged, path, token):
    answer = service.http.get(path.format(staged["job_id"]), params={"page_token": token})
    problem(answer, 400, "bad_page_token")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/chunks/0/ack"),
        ("GET", "/chunks/0/refresh"),
        ("GET", "/chunks"),
        ("GET", "/manifest"),
        ("PUT", ""),
    ],
)
def test_a_foreign_job_is_answered_like_an_unknown_one(api_url, staged, method, path):
    stranger = Service(api_url, org_id=2).http

    def answer(job_id):
        response = stranger.request(method, f"/jobs/{job_id}{path}")
        body = response.json()
        del body["instance"], body["request_id"]
        return response.status_code, str(body).replace(job_id, "ID")

    foreign = answer(staged["job_id"])
    assert foreign[0] == (405 if method == "PUT" else 404)
    assert foreign == answer(str(uuid.uuid4())) == answer("nonsense")


def test_methods_are_those_that_allow_names(service, staged):
    path = f"/jobs/{staged['job_id']}"
    got, head = service.http.get(path), service.http.head(path)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == got.headers["etag"]
    for method, place in (("PUT", path), ("DELETE", "/jobs"), ("GET", f"{path}/pause")):
        refused = service.http.request(method, place)
        problem(refused, 405, "method_not_allowed")
        assert method not in refused.headers["allow"]
    problem(service.http.get("/nothing/here"), 404, "not_found")


def test_the_additions_of_the_main_job_answer(service, api_url, staged):
    manifest = service.http.get(f"/jobs/{staged['job_id']}/manifest").json()
    shared = ("chunk_index", "row_count", "byte_count", "sha256")

    assert [[c[k] for k in shared] for c in manifest["chunks"]] == [
        [c[k] for k in shared] for c in staged["chunks"]
    ]
    assert {k: manifest[k] for k in staged["manifest"]} == staged["manifest"]
    connections = service.http.get("/connections").json()["connections"]
    assert {"name": "warehouse", "kind": "postgres"} in connections
    for path in ("/healthz", "/readyz", "/metrics", "/version"):
        assert httpx2.get(api_url + path).status_code == 200
