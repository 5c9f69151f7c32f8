"""Who calls, and what each request goes by."""

import uuid

import pytest

from tests.contract.api.service import problem_of


@pytest.mark.parametrize(
    ("headers", "org_id"),
    [({}, 1), ({"X-Org-ID": "7"}, 7), ({"X-Org-ID": str(2**63 - 1)}, 2**63 - 1)],
)
def test_the_organisation_is_the_header_or_one(service, headers, org_id):
    job = service.post(
        "/jobs", json={"source": {"connection": "app", "table": "users"}}, headers=headers
    )

    assert job.json()["org_id"] == org_id


@pytest.mark.parametrize(
    "given",
    ["0", "-1", "+1", "01", "1.0", "one", "", " ", "1 2", "9" * 30, str(2**63), "9" * 19, "\u0661"],
)
def test_another_organisation_header_is_a_bad_request(service, given):
    answer = service.get("/jobs", headers=[(b"X-Org-ID", given.encode())])

    assert problem_of(answer) == (400, "bad_identity")


def test_an_organisation_given_twice_is_a_bad_request(service):
    answer = service.get("/jobs", headers=[("X-Org-ID", "1"), ("X-Org-ID", "2")])

    assert problem_of(answer) == (400, "bad_identity")


@pytest.mark.parametrize("user", [None, "a" * 128, "Zoë"])
def test_the_user_is_recorded_on_what_it_creates(service, user):
    headers = [] if user is None else [(b"X-User-ID", user.encode())]
    body = {"source": {"connection": "app", "table": "users"}}

    assert service.post("/jobs", json=body, headers=headers).json()["user_id"] == user


@pytest.mark.parametrize("user", [b"a" * 129, b"tab\there", "a\u200bb".encode()])
def test_a_long_or_unprintable_user_is_a_bad_request(service, user):
    assert problem_of(service.get("/jobs", headers=[(b"X-User-ID", user)])) == (400, "bad_identity")


@pytest.mark.parametrize("given", ["run-12/step 3", "x" * 1024])
def test_a_request_id_is_echoed(service, given):
    answer = service.get("/nowhere", headers={"X-Request-ID": given})

    assert answer.headers["x-request-id"] == answer.json()["request_id"] == given


@pytest.mark.parametrize("headers", [{}, {"X-Request-ID": ""}, {"X-Request-ID": "x" * 1025}])
def test_a_request_id_is_made_up_when_missing_or_unusable(service, headers):
    first, second = (service.get("/nowhere", headers=headers) for _ in range(2))

    made_up = [uuid.UUID(answer.headers["x-request-id"]) for answer in (first, second)]
    assert made_up[0] != made_up[1]
    assert first.json()["request_id"] == str(made_up[0])
