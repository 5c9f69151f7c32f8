"""The main job, from POST to an empty bucket, on the running stack."""

import os
import shutil
import time

import httpx2
import psycopg
import pyarrow as pa
import pytest
from pyarrow import flight

from tests import warehouse
from tests.e2e.service import Service
from tests.faults.processes import attempts_of, ray_workers_of
from tests.rows import assert_same_rows

CPUS = max(2, os.cpu_count() or 1)
ORDERS = {"connection": "warehouse", "table": "public.orders"}


@pytest.fixture
def many_csv_files(stack_folder):
    """A path of as many files as take the best part of a minute to plan: links to one of 2 MB."""
    folder = stack_folder / "csv" / "many"
    folder.mkdir()
    first = folder / "0.csv"
    first.write_text("number,text\n" + "".join(f"{n}.5,text {n}\n" for n in range(100_000)))
    for name in range(1, 4_000):
        os.link(first, folder / f"{name}.csv")
    yield folder.name
    shutil.rmtree(folder)


def test_a_table_is_staged_and_read_by_link_and_by_flight_as_it_is_in_the_source(
    service, stack, dsn
):
    job = service.create(ORDERS, chunk_target_bytes=1 << 20)
    staged = service.until_state(job["job_id"], "staged")

    expected = warehouse.read(dsn, "orders")
    by_link = service.read_by_link(job["job_id"])
    by_flight = service.read_by_flight(job["job_id"], stack.flight_location)

    assert_same_rows(by_link, expected, "id")
    assert by_flight.equals(by_link)
    manifest = staged["manifest"]
    assert (manifest["sealed"], manifest["row_count"]) == (True, warehouse.ORDER_ROWS)
    assert manifest["snapshot"]["class"] == "exported"
    assert [str(field.type) for field in by_link.schema] == [c["type"] for c in manifest["schema"]]
    assert staged["progress"]["fraction"] == 1.0


def test_the_last_ack_completes_the_job_and_its_objects_go_after_the_grace(service, stack):
    job_id = service.create(ORDERS, chunk_target_bytes=1 << 20)["job_id"]
    service.until_state(job_id, "staged")
    chunks = service.chunks(job_id)

    answers = [service.ack(job_id, chunk) for chunk in chunks]

    assert [a["job"]["state"] for a in answers] == ["staged"] * (len(chunks) - 1) + ["completed"]
    service.until(job_id, lambda _: not stack.object_keys(f"1/{job_id}/"))
    gone = service.http.get(f"/jobs/{job_id}/chunks/0/refresh")
    assert (gone.status_code, gone.json()["reason"]) == (410, "completed")
    again = service.ack(job_id, chunks[0])
    assert again["acked_at"] == answers[0]["acked_at"]


def test_ray_starts_no_process_beside_those_that_read(service, stack, longer_table):
    source = {"connection": "warehouse", "table": longer_table.name}
    job_id = service.create(source, chunk_target_bytes=1 << 20)["job_id"]
    service.until(job_id, lambda _: len(attempts_of(job_id)) == CPUS)
    time.sleep(5)  # what was started for the attempts themselves comes and goes
    before = ray_workers_of(stack.pid_of("ray"))

    started: set[int] = set()
    until = time.monotonic() + 10
    while time.monotonic() < until:
        started |= ray_workers_of(stack.pid_of("ray")) - before
        time.sleep(0.1)

    assert not started
    assert len(attempts_of(job_id)) == CPUS
    service.http.delete(f"/jobs/{job_id}")


def test_a_plan_of_many_files_is_given_up_when_its_job_is_paused_or_cancelled(
    service, many_csv_files
):
    job_id = service.create({"connection": "shelf_csv", "path": many_csv_files})["job_id"]

    def until_it_is_being_planned():
        service.until(job_id, lambda job: job["state"] == "running" and job["started_at"])
        time.sleep(1)

    until_it_is_being_planned()
    service.act(job_id, "pause")
    service.until_state(job_id, "paused", seconds=15)

    service.act(job_id, "resume")
    until_it_is_being_planned()
    service.http.delete(f"/jobs/{job_id}")
    job = service.until_state(job_id, "cancelled", seconds=15)

    assert job["progress"]["partitions_total"] is None


def test_first_chunks_are_readable_while_the_rest_is_still_read(service, slow_table):
    source = {"connection": "warehouse", "table": slow_table.name}
    job_id = service.create(source, chunk_target_bytes=1 << 20, parallelism=1)["job_id"]

    job = service.until(job_id, lambda job: job["progress"]["chunks_published"] >= 1)

    assert job["state"] == "running"
    assert httpx2.get(job["chunks"][0]["url"]).status_code == 200
    service.act(job_id, "pause")
    assert service.http.delete(f"/jobs/{job_id}").status_code == 202


def test_a_paused_job_stands_still_and_a_resumed_one_reads_only_what_is_missing(
    service, slow_table
):
    source = {"connection": "warehouse", "table": slow_table.name}
    job_id = service.create(source, chunk_target_bytes=1 << 20)["job_id"]
    service.until(job_id, lambda job: job["progress"]["partitions_done"] >= 1)

    assert service.act(job_id, "pause").json()["state"] in {"pausing", "paused"}
    paused = service.until_state(job_id, "paused")
    before = service.chunks(job_id)
    time.sleep(1.5)
    still = service.job(job_id)
    assert (still["state"], still["expires_at"]) == ("paused", None)
    assert still["progress"] == paused["progress"]

    slow_table.hurry()
    assert service.act(job_id, "resume").status_code == 202
    service.until_state(job_id, "staged")
    after = service.chunks(job_id)
    assert [c["chunk_id"] for c in after[: len(before)]] == [c["chunk_id"] for c in before]
    assert_same_rows(service.read_by_link(job_id), slow_table.rows, "id")


@pytest.mark.parametrize("moment", ["running", "paused", "staged"])
def test_a_cancelled_job_publishes_nothing_more_and_leaves_no_object(
    service, stack, slow_table, moment
):
    table = slow_table.name if moment != "staged" else "orders"
    job_id = service.create(
        {"connection": "warehouse", "table": table}, chunk_target_bytes=1 << 20
    )["job_id"]
    service.until(job_id, lambda job: job["progress"]["partitions_done"] >= 1)
    if moment == "paused":
        service.act(job_id, "pause")
    service.until_state(job_id, moment)

    cancelled = service.http.delete(f"/jobs/{job_id}")
    published = service.job(job_id)["progress"]["chunks_published"]

    assert (cancelled.status_code, cancelled.json()["state"]) == (202, "cancelling")
    service.until_state(job_id, "cancelled")
    service.until(job_id, lambda _: not stack.object_keys(f"1/{job_id}/"))
    assert service.job(job_id)["progress"]["chunks_published"] == published
    again = service.http.delete(f"/jobs/{job_id}")
    assert (again.status_code, again.json()["state"]) == (200, "cancelled")


def test_an_expired_job_loses_its_objects_and_answers_410(service, stack):
    job_id = service.create(ORDERS)["job_id"]
    service.until_state(job_id, "staged")

    service.http.patch(f"/jobs/{job_id}", json={"ttl_seconds": 1})

    service.until_state(job_id, "expired")

    service.until(job_id, lambda _: not stack.object_keys(f"1/{job_id}/"))
    gone = service.http.get(f"/jobs/{job_id}/chunks/0/refresh")
    assert (gone.status_code, gone.json()["reason"]) == (410, "expired")


def test_an_expired_link_is_refreshed(service):
    job_id = service.create(ORDERS, url_ttl_seconds=1)["job_id"]
    chunk = service.until_state(job_id, "staged")["chunks"][0]
    time.sleep(2.5)

    assert httpx2.get(chunk["url"]).status_code in {400, 401, 403}
    fresh = service.http.get(
        f"/jobs/{job_id}/chunks/{chunk['chunk_index']}/refresh", params={"url_ttl_seconds": 60}
    )

    assert httpx2.get(fresh.json()["url"]).status_code == 200
    assert fresh.headers["cache-control"] == "no-store"


def test_an_empty_table_is_staged_with_a_schema_and_no_chunks(service):
    job_id = service.create({"connection": "warehouse", "table": "nothing"})["job_id"]
    job = service.until_state(job_id, "staged")

    assert job["manifest"]["sealed"] is True
    assert (job["manifest"]["chunk_count"], job["chunks"]) == (0, [])
    assert [column["name"] for column in job["manifest"]["schema"]] == ["id", "name"]


def test_columns_and_filters_narrow_what_is_read(service, dsn):
    source = ORDERS | {
        "columns": ["note", "id"],
        "filters": [
            {"column": "price", "op": "<", "value": 500},
            {"column": "is_open", "op": "=", "value": True},
            {"column": "note", "op": "not_null"},
        ],
    }
    job_id = service.create(source)["job_id"]
    service.until_state(job_id, "staged")

    expected = warehouse.read(
        dsn,
        "(SELECT note, id FROM orders WHERE price < 500 AND is_open AND note IS NOT NULL) AS kept",
    )
    assert_same_rows(service.read_by_link(job_id), expected, "id")


@pytest.mark.parametrize(
    "kind", ["sqlite", "duckdb", "parquet", "csv", "json", "delta", "iceberg", "parquet-s3"]
)
def test_files_are_staged_as_they_are(service, stack, file_sources, kind):
    assert_staged(service, stack, *file_sources[kind])


def test_a_table_of_any_other_database_is_staged_as_it_is(service, stack, other_source):
    assert_staged(service, stack, *other_source)


def assert_staged(service, stack, source, expected):
    job_id = service.create(source)["job_id"]
    service.until_state(job_id, "staged")

    assert_same_rows(service.read_by_link(job_id), expected, "id")
    assert_same_rows(service.read_by_flight(job_id, stack.flight_location), expected, "id")


@pytest.mark.parametrize("kind", ["delta", "iceberg"])
def test_the_snapshot_of_a_lake_table_s_manifest_can_be_staged_again(service, file_sources, kind):
    source, expected = file_sources[kind]
    first = service.until_state(service.create(source)["job_id"], "staged")
    snapshot = first["manifest"]["snapshot"]
    assert snapshot["class"] == "pinned"

    again = service.create(source | {"version": int(snapshot["value"])})["job_id"]
    assert service.until_state(again, "staged")["manifest"]["snapshot"] == snapshot
    assert_same_rows(service.read_by_link(again), expected, "id")


def test_another_organisation_sees_nothing(service, stack, api_url):
    job_id = service.create(ORDERS)["job_id"]
    chunk = service.until_state(job_id, "staged")["chunks"][0]
    stranger = Service(api_url, org_id=2)
    path = f"/jobs/{job_id}"

    answers = [
        stranger.http.get(path),
        stranger.http.delete(path),
        stranger.http.post(f"{path}/pause"),
        stranger.http.post(f"{path}/resume"),
        stranger.http.post(f"{path}/chunks/{chunk['chunk_id']}/ack"),
        stranger.http.get(f"{path}/chunks/{chunk['chunk_id']}/refresh"),
        stranger.http.get(f"{path}/manifest"),
    ]

    assert [answer.status_code for answer in answers] == [404] * len(answers)
    assert job_id not in [job["job_id"] for job in stranger.http.get("/jobs").json()["jobs"]]
    with flight.connect(stack.flight_location) as client:
        headers = flight.FlightCallOptions(headers=[(b"x-org-id", b"2")])
        with pytest.raises(pa.ArrowKeyError, match="not_found"):  # gRPC's NOT_FOUND in pyarrow
            client.get_flight_info(flight.FlightDescriptor.for_path(job_id), headers)
        ticket = client.get_flight_info(flight.FlightDescriptor.for_path(job_id)).endpoints[0]
        with pytest.raises(flight.FlightUnauthorizedError):
            client.do_get(ticket.ticket, headers).read_all()


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ({"connection": "wrong_password", "table": "orders"}, "source_auth"),
        ({"connection": "host_down", "table": "orders"}, "source_unavailable"),
        ({"connection": "warehouse", "table": "odd"}, "unrepresentable_value"),
    ],
)
def test_a_source_that_cannot_be_read_fails_the_job_and_names_no_secret(service, source, code):
    job_id = service.create(source)["job_id"]

    deadline = time.monotonic() + 60
    while (job := service.job(job_id))["state"] != "failed":
        assert time.monotonic() < deadline, job
        time.sleep(0.2)

    assert job["error"]["code"] == code
    assert warehouse.READER_PASSWORD not in str(job)
    assert "NaN" not in str(job["error"])


def test_a_table_that_is_dropped_while_it_is_read_fails_the_job(service, slow_table, dsn):
    source = {"connection": "warehouse", "table": slow_table.name}
    job_id = service.create(source, chunk_target_bytes=1 << 20)["job_id"]
    service.until(job_id, lambda job: job["progress"]["partitions_done"] >= 1)
    service.act(job_id, "pause")
    service.until_state(job_id, "paused")

    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"DROP TABLE {slow_table.name}")
    service.act(job_id, "resume")

    failed = service.until(job_id, lambda job: job["state"] == "failed", may_fail=True)
    assert failed["error"]["code"] == "source_changed"


def test_the_clients_of_one_idempotency_key_share_one_job(service):
    body = {"source": ORDERS}
    headers = {"Idempotency-Key": f"run-{time.time()}"}

    first = service.http.post("/jobs", json=body, headers=headers)
    second = service.http.post("/jobs", json=body, headers=headers)

    assert first.json()["job_id"] == second.json()["job_id"]
    assert second.headers["idempotent-replayed"] == "true"
