"""The OpenAPI document: as committed, with an example of every body and problem."""

import json
from pathlib import Path

import jsonschema
import pytest
from jsonschema import Draft202012Validator

from api.errors import STATUS_OF
from api.models.requests import AckBody, AmendBody, JobBody
from api.openapi import DEFAULT_PATH, openapi_text
from api.problems import PROBLEM_JSON

ROOT = Path(__file__).parents[3]
DOCUMENT = json.loads(openapi_text())
OPERATIONS = {
    operation["operationId"]: (path, method, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
BODIES = [
    pytest.param(content["schema"], example["value"], id=f"{name} {status}")
    for name, (_, _, operation) in OPERATIONS.items()
    for status, response in operation["responses"].items()
    for content in response.get("content", {}).values()
    for example in content["examples"].values()
]
PREFIX = "/api/v1/staging"
EIGHT = {
    ("post", "/jobs"),
    ("get", "/jobs"),
    ("get", "/jobs/{job_id}"),
    ("delete", "/jobs/{job_id}"),
    ("post", "/jobs/{job_id}/pause"),
    ("post", "/jobs/{job_id}/resume"),
    ("post", "/jobs/{job_id}/chunks/{chunk_id}/ack"),
    ("get", "/jobs/{job_id}/chunks/{chunk_id}/refresh"),
}
ADDITIONS = {
    ("patch", "/jobs/{job_id}"),
    ("get", "/jobs/{job_id}/events"),
    ("get", "/jobs/{job_id}/chunks"),
    ("get", "/jobs/{job_id}/manifest"),
    ("get", "/jobs/{job_id}/nodes"),
    ("get", "/jobs/{job_id}/chunks/{chunk_id}/data"),
    ("get", "/connections"),
}
AT_THE_ROOT = {("get", f"/{name}") for name in ("healthz", "readyz", "metrics", "version")}


def test_the_committed_document_is_the_services_own(service):
    committed = (ROOT / DEFAULT_PATH).read_text()

    assert committed == openapi_text(), "run `python -m api.openapi`"
    assert service.client.get("/openapi.json").json() == DOCUMENT


def test_every_operation_of_the_contract_is_there_and_no_other():
    found = {(method, path) for path, method, _ in OPERATIONS.values()}

    assert found == AT_THE_ROOT | {(m, PREFIX + path) for m, path in EIGHT | ADDITIONS}


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_declares_its_problems_with_an_example_each(name):
    path, _, operation = OPERATIONS[name]
    statuses = {int(status) for status in operation["responses"]}

    assert statuses & set(STATUS_OF.values()) >= (
        {400, 413, 500, 503} if PREFIX in path else {413, 500}
    )
    assert (404 in statuses) == ("job_id" in path)
    assert (415 in statuses) == ("requestBody" in operation)
    for status in sorted(each for each in statuses if each >= 400):
        [(media_type, content)] = operation["responses"][str(status)]["content"].items()
        assert media_type == PROBLEM_JSON
        for code, example in content["examples"].items():
            assert (example["value"]["code"], example["value"]["status"]) == (code, status)
            assert example["value"]["instance"].startswith(path.split("{")[0])


@pytest.mark.parametrize(("schema", "example"), BODIES)
def test_each_example_is_what_its_schema_says(schema, example):
    whole = schema | {"components": DOCUMENT["components"]}

    Draft202012Validator(
        whole, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    ).validate(example)


@pytest.mark.parametrize(
    ("name", "model"),
    [("create_job", JobBody), ("amend_job", AmendBody), ("acknowledge_chunk", AckBody)],
)
def test_each_example_of_a_request_is_accepted_by_its_model(name, model):
    content = OPERATIONS[name][2]["requestBody"]["content"]["application/json"]

    assert content["examples"]
    for example in content["examples"].values():
        model.model_validate(example["value"])


def test_operations_of_an_organisation_declare_the_identity_headers():
    for path, _, operation in OPERATIONS.values():
        named = {each["name"] for each in operation.get("parameters", []) if each["in"] == "header"}
        assert ({"X-Org-ID", "X-User-ID"} <= named) == (PREFIX in path)
