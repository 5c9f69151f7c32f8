"""Kill, stop and cut off each part in mid-job: every row once, of one instant, and no garbage."""

import time

import psycopg
import pytest

from tests.faults.processes import an_attempt_of, stopped, stopped_between_writes
from tests.rows import assert_same_rows

CHUNK = 1 << 20


def begin(service, table):
    source = {"connection": "warehouse", "table": table.name}
    return service.create(source, chunk_target_bytes=CHUNK)["job_id"]


def change_every_row(dsn, table):
    """From here on a reader outside the job's snapshot sees other rows."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"UPDATE {table.name} SET version = 2, filler = 'changed'")


def assert_whole(service, stack, job_id, table):
    """The job is staged with exactly these rows, and the bucket soon holds nothing else."""
    table.hurry()
    service.until_state(job_id, "staged")
    assert_same_rows(service.read_by_link(job_id), table.rows, "id")
    assert_same_rows(service.read_by_flight(job_id, stack.flight_location), table.rows, "id")
    count = len(service.chunks(job_id))
    service.until(job_id, lambda _: len(stack.object_keys(f"1/{job_id}/")) == count)


def test_a_killed_worker_loses_no_row_and_keeps_the_snapshot(service, stack, slow_table, dsn):
    job_id = begin(service, slow_table)
    an_attempt_of(job_id)

    stack.kill("worker")
    change_every_row(dsn, slow_table)

    assert_whole(service, stack, job_id, slow_table)


def test_a_killed_extraction_is_read_again(service, stack, slow_table):
    job_id = begin(service, slow_table)

    an_attempt_of(job_id).kill()

    assert_whole(service, stack, job_id, slow_table)


def test_a_stopped_extraction_is_given_up_and_publishes_nothing_when_it_wakes(
    service, stack, slow_table
):
    job_id = begin(service, slow_table)
    zombie = an_attempt_of(job_id)

    with stopped(zombie.pid):
        slow_table.hurry()
        service.until_state(job_id, "staged")
        before = service.chunks(job_id)
    time.sleep(8)

    after = service.chunks(job_id)
    assert [chunk["chunk_id"] for chunk in after] == [chunk["chunk_id"] for chunk in before]
    assert_whole(service, stack, job_id, slow_table)


def test_the_job_goes_on_when_the_whole_ray_cluster_is_lost(service, stack, slow_table, dsn):
    job_id = begin(service, slow_table)
    an_attempt_of(job_id)

    stack.kill("ray")
    change_every_row(dsn, slow_table)

    assert_whole(service, stack, job_id, slow_table)


def test_the_job_goes_on_after_temporal_was_silent_for_thirty_seconds(service, stack, slow_table):
    job_id = begin(service, slow_table)
    an_attempt_of(job_id)

    with stopped(stack.pid_of("temporal")):
        time.sleep(30)

    assert_whole(service, stack, job_id, slow_table)


def test_a_killed_api_forgets_nothing(service, stack, slow_table):
    job_id = begin(service, slow_table)
    an_attempt_of(job_id)

    stack.kill("api")

    service.until_state(job_id, "staged")
    assert_whole(service, stack, job_id, slow_table)


def test_the_job_waits_while_the_store_is_silent_for_a_minute(service, stack, slow_table):
    job_id = begin(service, slow_table)
    an_attempt_of(job_id)

    with stopped(stack.pid_of("s3")):
        time.sleep(60)

    assert_whole(service, stack, job_id, slow_table)


def test_a_cancel_takes_hold_when_the_worker_is_back(service, stack, slow_table):
    job_id = begin(service, slow_table)
    service.until(job_id, lambda job: job["progress"]["chunks_published"] >= 1)

    with stopped_between_writes(stack.pid_of("worker"), stack.layout.catalog_url):
        assert service.http.delete(f"/jobs/{job_id}").status_code == 202
        published = service.job(job_id)["progress"]["chunks_published"]
        time.sleep(10)
        assert service.job(job_id)["state"] == "cancelling"

    service.until_state(job_id, "cancelled")
    assert service.job(job_id)["progress"]["chunks_published"] == published
    service.until(job_id, lambda _: not stack.object_keys(f"1/{job_id}/"))


@pytest.mark.parametrize("part", ["worker", "ray"])
def test_a_job_accepted_while_a_part_is_down_is_staged_later(service, stack, slow_table, part):
    stack.kill(part)

    job_id = begin(service, slow_table)

    assert_whole(service, stack, job_id, slow_table)


def test_a_job_accepted_while_temporal_is_down_is_started_by_the_reconciler(
    service, stack, slow_table
):
    with stopped(stack.pid_of("temporal")):
        job_id = begin(service, slow_table)
        time.sleep(3)

    assert_whole(service, stack, job_id, slow_table)
