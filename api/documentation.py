"""Complete the OpenAPI document: identity, problems, headers and examples of every operation."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from api import PREFIX
from api.errors import RETRY_AFTER_SECONDS
from api.examples import ANSWERS, CHUNK_ID, JOB_ID, REQUESTS, STREAMS
from api.models.problem import ProblemAnswer
from api.problem_examples import problems_of
from api.problems import PROBLEM_JSON, problem_json

VERSION = "1.0.0"
_TITLE = "Staging Service"
_DESCRIPTION = (
    "Stages a table as Parquet chunks, readable by presigned link or by Arrow Flight while they "
    "are still being made."
)
_SCHEMAS = "#/components/schemas/"
_REQUEST_ID = "0d5f7f3e-2f5b-4f0e-9d3c-6f3a1f1b2c4d"
_PRINTABLE = "^[\\x20-\\x7e\\xa1-\\xac\\xae-\\xff]*$"
"""What a header can carry everywhere; other printable characters of UTF-8 are taken too."""
_ORGANISATION = "^([1-9][0-9]{0,17}|[1-8][0-9]{18}|9[01][0-9]{17})$"
"""As far as a short pattern goes; the ids from there to 2^63 - 1 are taken too."""
_IDENTITY: list[dict[str, Any]] = [
    {
        "name": "X-Org-ID",
        "in": "header",
        "description": "The organisation, a positive integer, 2^63 - 1 at most; 1 unless given.",
        "schema": {"type": "string", "pattern": _ORGANISATION, "default": "1"},
    },
    {
        "name": "X-User-ID",
        "in": "header",
        "description": "Recorded on what the user creates; printable characters.",
        "schema": {"type": "string", "maxLength": 128, "pattern": _PRINTABLE},
    },
]
_ETAG = {"ETag": {"description": 'The revision, `W/"7"`.', "schema": {"type": "string"}}}
_OF_DATA = {
    "ETag": {
        "description": "The SHA-256 of the Parquet file, weak with an Arrow stream.",
        "schema": {"type": "string"},
    },
    "Accept-Ranges": {
        "description": "`bytes`; `none` with an Arrow stream.",
        "schema": {"type": "string"},
    },
}
_HEADERS: dict[tuple[str, str], dict[str, Any]] = {
    ("create_job", "202"): {
        **_ETAG,
        "Location": {"description": "The job.", "schema": {"type": "string"}},
        "Idempotent-Replayed": {
            "description": "`true` if the key had made the job before.",
            "schema": {"type": "string"},
        },
    },
    ("read_job", "200"): _ETAG,
    ("amend_job", "200"): _ETAG,
    ("read_job", "304"): _ETAG,
    ("read_chunk_data", "200"): _OF_DATA,
    ("read_chunk_data", "206"): {
        **_OF_DATA,
        "Content-Range": {
            "description": "`bytes 0-99/3345678`.",
            "schema": {"type": "string"},
        },
    },
    ("refresh_chunk", "200"): {
        "Cache-Control": {"description": "`no-store`.", "schema": {"type": "string"}}
    },
}
_OF_ITS_JOB = {"job_id": "$response.body#/job_id"}
_OF_A_CHUNK = {**_OF_ITS_JOB, "chunk_id": "$response.body#/chunks/0/chunk_id"}
_LINKS: dict[tuple[str, str], dict[str, dict[str, str]]] = {
    ("create_job", "202"): dict.fromkeys(
        (
            "read_job",
            "amend_job",
            "follow_job",
            "cancel_job",
            "pause_job",
            "resume_job",
            "list_chunks",
            "read_manifest",
            "read_nodes",
        ),
        _OF_ITS_JOB,
    ),
    ("read_job", "200"): dict.fromkeys(
        ("acknowledge_chunk", "read_chunk_data", "refresh_chunk"), _OF_A_CHUNK
    ),
}
"""Where one may go from an answer, with what of it."""
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds to wait.",
        "schema": {"type": "integer", "example": RETRY_AFTER_SECONDS},
    }
}


def document(app: FastAPI) -> None:
    """Make the application give the completed document, built once."""

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = _completed(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _completed(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(title=_TITLE, version=VERSION, description=_DESCRIPTION, routes=app.routes)
    schemas = found["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    _, problem = models_json_schema(
        [(ProblemAnswer, "serialization")], ref_template=_SCHEMAS + "{model}"
    )
    schemas.update(problem["$defs"])
    for path, operation in _operations(found):
        _complete(operation, path)
    return found


def _operations(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in found["paths"].items():
        for operation in methods.values():
            yield path, operation


def _complete(operation: dict[str, Any], path: str) -> None:
    name, is_prefixed = operation["operationId"], path.startswith(PREFIX)
    responses = operation["responses"]
    responses.pop("422", None)
    for status, response in responses.items():
        response.setdefault("headers", {}).update(_HEADERS.get((name, status), {}))
        _add_example(response)
        for target, parameters in _LINKS.get((name, status), {}).items():
            link = {"operationId": target, "parameters": parameters}
            response.setdefault("links", {})[target] = link
    for parameter in operation.get("parameters", []):
        parameter["schema"] = _without_null(parameter["schema"])
    if is_prefixed:
        operation.setdefault("parameters", []).extend(_IDENTITY)
    if "requestBody" in operation:
        _add_request_examples(operation["requestBody"]["content"]["application/json"])
    instance = path.format(job_id=JOB_ID, chunk_id=CHUNK_ID)
    for code, errors in problems_of(name, is_prefixed=is_prefixed).items():
        shown = [problem_json(e, instance=instance, request_id=_REQUEST_ID) for e in errors]
        responses[str(code)] = _problem_response(code, shown)


def _problem_response(code: int, shown: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "description": "; ".join(dict.fromkeys(each["title"] for each in shown)),
        "headers": _RETRY_AFTER if code == 503 else {},
        "content": {
            PROBLEM_JSON: {
                "schema": {"$ref": _SCHEMAS + "ProblemAnswer"},
                "examples": {each["code"]: {"value": each} for each in shown},
            }
        },
    }


def _add_example(response: dict[str, Any]) -> None:
    for media_type, content in response.get("content", {}).items():
        example = STREAMS.get(media_type) or ANSWERS[_model(content["schema"])]
        content["examples"] = {"answer": {"value": example}}


def _add_request_examples(content: dict[str, Any]) -> None:
    examples = REQUESTS[_model(content["schema"])]
    content["examples"] = {name: {"value": value} for name, value in examples.items()}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Leave null out: a query or header that is not given is absent, never null."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return {**{name: value for name, value in schema.items() if name != "anyOf"}, **kinds[0]}


def _model(schema: dict[str, Any]) -> str:
    """Name the model that a schema refers to, also where it may be null."""
    reference = schema.get("$ref") or schema["anyOf"][0]["$ref"]
    return str(reference).removeprefix(_SCHEMAS)
