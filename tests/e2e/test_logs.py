"""What the parts of the running stack log: who did what for which job, and no secret."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.e2e.connections import SECRETS

ORDERS = {"connection": "warehouse", "table": "public.orders"}


def log_files(stack) -> list[Path]:
    """Every log of the stack, those of Ray's own processes and of its tasks among them."""
    sessions = Path(stack.run.ray_folder).rglob("*")
    return [*stack.folder.logs.iterdir(), *(each for each in sessions if "logs" in each.parts)]


def lines_about(stack, job_id: str) -> Iterator[dict[str, Any]]:
    for file in log_files(stack):
        if file.suffix in {".log", ".err"} and file.is_file():
            for line in file.read_text(errors="replace").splitlines():
                if line.startswith("{") and job_id in line:
                    yield json.loads(line)


def events(stack, job_id: str, name: str) -> list[dict[str, Any]]:
    found = [line for line in lines_about(stack, job_id) if line["event"] == name]
    return sorted(found, key=lambda line: line["timestamp"])


def test_a_job_that_fails_is_told_by_state_and_its_password_by_no_file(service, stack):
    source = {"connection": "wrong_password", "table": "orders"}
    answer = service.http.post("/jobs", json={"source": source})
    job_id = answer.json()["job_id"]
    service.until(job_id, lambda job: job["state"] in {"failed", "staged"}, may_fail=True)

    moves = events(stack, job_id, "job_moved")

    assert [(move["from_state"], move["to_state"]) for move in moves] == [
        (None, "pending"),
        ("pending", "running"),
        ("running", "failed"),
    ]
    assert moves[0]["request_id"] == answer.headers["x-request-id"]
    assert moves[-1]["code"] == "source_auth"
    secrets = [SECRETS["WRONG_PASSWORD"]]
    secrets += [file.read_text() for file in stack.folder.secrets.iterdir()]
    held = {
        str(file): secret
        for file in log_files(stack)
        if file.is_file() and not file.is_symlink()
        for secret in secrets
        if secret.encode() in file.read_bytes()
    }
    assert held == {}


def test_an_attempt_is_told_by_the_worker_and_by_its_ray_task(service, stack):
    job_id = service.create(ORDERS)["job_id"]
    service.until_state(job_id, "staged")
    service.read_by_flight(job_id, stack.flight_location)

    for event in ("attempt_begun", "attempt_read", "partition_published"):
        [line] = events(stack, job_id, event)
        assert (line["job_id"], line["partition_id"], line["attempt"]) == (job_id, 0, 1)
    [read] = events(stack, job_id, "flight.call")
    assert (read["method"], read["outcome"], read["rows"]) == ("DoGet", "ok", 90_000)


def test_each_line_of_the_api_and_of_flight_is_json(service, stack):
    service.http.get("/jobs")

    for part in ("api", "flight"):
        lines = (stack.folder.logs / f"{part}.log").read_text().splitlines()
        assert {"timestamp", "level", "event"} <= set.intersection(
            *(set(json.loads(line)) for line in lines)
        )
