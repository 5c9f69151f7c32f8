"""Every failure is a problem, and none tells more than it should."""

import uuid

import httpx2
import pytest

from staging.catalog import Catalog
from staging.core.jobs import JobState
from tests.contract.api.service import (
    APP,
    PREFIX,
    Clock,
    Recorder,
    Service,
    make_wiring,
    pointers,
    problem_of,
)
from tests.contract.api.test_api_openapi import OPERATIONS
from tests.contract.catalog_steps import job_in

JOBS = f"{PREFIX}/jobs"
MIB = 1024 * 1024


def test_an_unknown_path_is_not_found(service):
    answer = service.client.get("/api/v1/staging/nowhere?page_token=secret")

    assert problem_of(answer) == (404, "not_found")
    assert answer.json()["instance"] == "/api/v1/staging/nowhere"


@pytest.mark.parametrize(
    "path", ["/jobs/", "/jobs//pause", "", "/", "/jobs/x/event", "/jobs/x/plan"]
)
def test_paths_are_taken_as_they_are_written(service, path):
    assert problem_of(service.get(path)) == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/jobs", "GET, HEAD, OPTIONS, POST"),
        ("/jobs/x", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("/jobs/x/pause", "OPTIONS, POST"),
        ("/jobs/x/chunks/0/refresh", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_method_that_a_path_does_not_take_is_refused_with_all_it_takes(service, path, allow):
    refused, asked = service.request("PUT", path), service.request("OPTIONS", path)

    assert problem_of(refused) == (405, "method_not_allowed")
    assert (refused.headers["allow"], asked.status_code, asked.headers["allow"]) == (
        allow,
        204,
        allow,
    )


def test_options_of_an_unknown_path_is_not_found(service):
    assert problem_of(service.request("OPTIONS", "/nowhere")) == (404, "not_found")


@pytest.mark.parametrize("path", ["/connections", "/jobs/x"])
def test_head_is_get_without_its_body(service, path):
    head, get = service.request("HEAD", path), service.get(path)

    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    assert int(head.headers["content-length"]) > 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"source=app",
        b'{"source": NaN}',
        b'{"name": -Infinity}',
        b"\xff\xfe{}",
        '{"name": "x"}'.encode("utf-16"),
        b'{"name": "a", "name": "b"}',
        b"[" * 200_000,
    ],
)
def test_a_body_that_is_not_json_is_a_bad_request(service, body):
    answer = service.client.post(JOBS, content=body, headers={"Content-Type": "application/json"})

    assert problem_of(answer) == (400, "not_json")


@pytest.mark.parametrize(
    "number",
    ["0.12345678901234567890123", "1e999", f"1e{10**18}", f"1e-{10**18}", f"1e{10**30}", "9" * 500],
)
def test_a_number_that_would_be_rounded_is_pointed_at(service, number):
    body = f'{{"name": {number}, "labels": {{"a/b": [7, 0.5, {number}]}}}}'

    answer = service.client.post(JOBS, content=body)
    whole = service.client.post(JOBS, content=number)

    assert problem_of(answer) == (422, "invalid_value")
    assert pointers(answer) == ["#/name", "#/labels/a~1b/2"]
    assert pointers(whole) == ["#"]
    assert number not in answer.text


@pytest.mark.parametrize(
    "given",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin-1",
        "application/problem+json",
        "nonsense",
    ],
)
def test_a_body_of_another_type_is_refused(service, given):
    answer = service.client.post(JOBS, content=b"{}", headers={"Content-Type": given})

    assert problem_of(answer) == (415, "unsupported_media_type")


@pytest.mark.parametrize("given", [None, "application/json", "Application/JSON; charset=UTF-8"])
def test_json_is_read_by_its_type_or_without_one(service, given):
    headers = {} if given is None else {"Content-Type": given}

    answer = service.client.post(JOBS, content=b"{}", headers=headers)

    assert pointers(answer) == ["#/source"]


def test_a_body_over_one_mib_is_refused_announced_or_chunked(service):
    announced = service.client.post(JOBS, content=b" " * (MIB + 1))
    chunked = service.client.post(JOBS, content=iter([b" " * MIB, b" "]))
    just_fits = service.client.post(JOBS, content=iter([b" " * (MIB - 2), b"{}"]))

    assert problem_of(announced) == problem_of(chunked) == (413, "body_too_large")
    assert pointers(just_fits) == ["#/source"]


def test_an_unexpected_failure_tells_nothing_of_itself(service, monkeypatch):
    def crash():
        raise RuntimeError("postgresql://user:password@host")

    object.__setattr__(service.wiring, "now", crash)

    answer = service.get("/jobs/00000000-0000-0000-0000-000000000000/manifest")
    crashed = service.delete("/jobs/00000000-0000-0000-0000-000000000000")

    assert problem_of(answer) == (404, "not_found")
    assert problem_of(crashed) == (500, "internal")
    assert "password" not in crashed.text


def test_a_catalog_that_is_down_is_unavailable_and_says_when_to_come_back(folder):
    catalog = Catalog.open(f"sqlite:///{folder}/no such folder/catalog.db")
    service = Service(
        catalog, folder, make_wiring(catalog, folder, Recorder(), Clock()), Recorder(), Clock()
    )
    body = {"source": {"connection": "app", "table": "users"}}

    job = f"/jobs/{uuid.uuid4()}"
    answers = [
        service.get("/jobs"),
        service.get(job),
        service.get(f"{job}?wait_seconds=1", headers={"If-None-Match": "*"}),
        service.delete(job),
        service.post("/jobs", json=body),
    ]

    assert [problem_of(answer) for answer in answers] == [(503, "catalog_unavailable")] * 5
    assert {answer.headers["retry-after"] for answer in answers} == {"5"}
    assert str(folder) not in "".join(answer.text for answer in answers)


def test_a_registry_that_cannot_be_read_is_our_fault(service):
    file = service.folder / "connections.toml"
    body = {"source": {"connection": "app", "table": "users"}}

    file.write_text("[connections")
    answers = [service.get("/connections"), service.post("/jobs", json=body)]
    file.unlink()
    file.mkdir()
    answers += [service.get("/connections"), service.post("/jobs", json=body)]

    assert [problem_of(answer) for answer in answers] == [(503, "unavailable")] * 4
    assert str(service.folder) not in "".join(answer.text for answer in answers)


@pytest.mark.parametrize(
    ("path", "query", "pointer"),
    [
        ("/jobs", "page_size=0", "#/query/page_size"),
        ("/jobs", "page_size=201", "#/query/page_size"),
        ("/jobs", "page_size=1.0", "#/query/page_size"),
        ("/jobs", "page_size=%20", "#/query/page_size"),
        ("/jobs", "page_size=" + "9" * 5000, "#/query/page_size"),
        ("/jobs", "state=asleep", "#/query/state"),
        ("/jobs", "label=run", "#/query/label"),
        ("/jobs", "label=run%00:1", "#/query/label"),
        ("/jobs", "pagesize=1", "#/query/pagesize"),
        ("/jobs/x", "wait_seconds=51", "#/query/wait_seconds"),
        ("/jobs/x", "wait_seconds=nan", "#/query/wait_seconds"),
        ("/jobs/x", "since_index=-1", "#/query/since_index"),
        ("/jobs/x/chunks", "page_size=1001", "#/query/page_size"),
        ("/jobs/x/chunks/0/refresh", "url_ttl_seconds=604801", "#/query/url_ttl_seconds"),
        ("/jobs/x/chunks/0/refresh", "url_ttl_seconds=0", "#/query/url_ttl_seconds"),
    ],
)
def test_a_query_out_of_range_is_pointed_at(service, path, query, pointer):
    answer = service.get(f"{path}?{query}")

    assert problem_of(answer) == (422, "invalid_value")
    assert pointers(answer) == [pointer]


@pytest.mark.parametrize(
    ("path", "query", "pointer"),
    [
        ("/jobs", "state=staged&state=failed", "#/query/state"),
        ("/jobs", "label=a:1&label=a:1", "#/query/label"),
        ("/jobs/x", "page_size=1&wait_seconds=0&page_size=2", "#/query/page_size"),
        ("/jobs/x/chunks", "since_index=1&since_index=", "#/query/since_index"),
        (
            "/jobs/x/chunks/0/refresh",
            "url_ttl_seconds=1&url_ttl_seconds=9",
            "#/query/url_ttl_seconds",
        ),
    ],
)
def test_a_parameter_given_twice_is_pointed_at(service, path, query, pointer):
    answer = service.get(f"{path}?{query}")

    assert problem_of(answer) == (422, "invalid_value")
    assert pointers(answer) == [pointer]
    assert "given twice" in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize(
    "name", [name for name, (path, _, _) in OPERATIONS.items() if PREFIX in path]
)
def test_every_operation_refuses_a_parameter_that_it_does_not_know(service, name):
    path, method, operation = OPERATIONS[name]
    job_id = job_in(service.catalog, JobState.STAGED).job_id
    body = {"create_job": {"json": {"source": APP}}, "amend_job": {"json": {}}}.get(name, {})

    answer = service.client.request(
        method.upper(), path.format(job_id=job_id, chunk_id=0) + "?colour=red", **body
    )

    assert problem_of(answer) == (422, "invalid_value")
    assert pointers(answer) == ["#/query/colour"]
    assert "422" in operation["responses"]
    assert service.get(f"/jobs/{job_id}").json()["state"] == "staged"


def test_the_first_line_of_a_refusal_names_the_place(service):
    answer = service.post(
        "/jobs", json={"source": {"connection": "app", "table": "users"}, "a/b~c d": 1}
    )

    assert pointers(answer) == ["#/a~1b~0c%20d"]
    assert "#/a~1b~0c%20d" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (r'{"\ud800": 1e999}', "#/%5Cud800"),
        (r'{"labels": {"\udfff/": [1e999]}}', "#/labels/%5Cudfff~1/0"),
        (r'{"source": {"connection": "app", "table": "users"}, "\ud800": 1}', "#"),
        (r'{"source": {"connection": "app", "table": "users", "\ud800": 1}}', "#/source"),
    ],
)
def test_half_a_surrogate_pair_in_a_name_is_pointed_at(service, body, pointer):
    answer = service.client.post(JOBS, content=body.encode())

    assert problem_of(answer) == (422, "invalid_value")
    assert pointers(answer) == [pointer]


def test_an_answer_has_a_length_and_json_in_utf_8(service):
    answer: httpx2.Response = service.get("/connections")

    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.content)
