"""The client library against the real API: creating, following, steering, failing."""

import threading
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from staging.core.contracts import FailureReport
from staging_client import (
    DataGone,
    FieldError,
    IdentityRefused,
    InvalidRequest,
    JobFailed,
    JobNotFound,
    Progress,
    StagingClient,
    TimedOut,
    WrongState,
)
from tests.contract.reading.shelf import rows

TABLE = rows(0, 100)
SOURCE = {"connection": "exports", "path": "orders.parquet"}


def later(seconds: float, *steps) -> threading.Thread:
    """Take steps one after the other in the background, a pause before each."""

    def take() -> None:
        for step in steps:
            time.sleep(seconds)
            step()

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    return thread


def test_a_created_job_is_what_was_asked_for(client, shelf):
    job = client.create_job(
        SOURCE, name="run 12", labels={"run": "12"}, options={"ttl_seconds": 600}
    )

    found = shelf.catalog.job(1, job.job_id)
    assert (job.state, job.view.name, dict(job.view.labels)) == ("pending", "run 12", {"run": "12"})
    assert (found.source.path, found.options.ttl_seconds) == ("orders.parquet", 600)
    assert job.view.expires_at == job.view.created_at + timedelta(seconds=600)
    assert client.job(job.job_id).view.json == job.view.json


def test_one_key_makes_one_job_and_no_key_makes_one_each_time(client):
    key = str(uuid.uuid4())
    keyed = {client.create_job(SOURCE, idempotency_key=key).job_id for _ in range(2)}
    free = {client.create_job(SOURCE).job_id for _ in range(2)}

    assert (len(keyed), len(free)) == (1, 2)


def test_an_invalid_request_points_at_what_is_wrong(client):
    with pytest.raises(InvalidRequest) as refused:
        client.create_job({"connection": "export", "path": "orders.parquet"})

    assert (refused.value.status, refused.value.code) == (422, "unknown_connection")
    [error] = refused.value.errors
    assert isinstance(error, FieldError)
    assert error.pointer == "#/source/connection"
    assert "exports" in error.detail


def test_a_job_is_changed_and_what_is_not_named_stays(client, shelf):
    job = client.create_job(SOURCE, name="first", labels={"run": "12"})

    longer = job.amend(ttl_seconds=172_800)
    other = job.amend(labels={"run": "13"}, name="second")

    assert longer.expires_at == longer.created_at + timedelta(days=2)
    assert (longer.name, dict(longer.labels)) == ("first", {"run": "12"})
    assert (other.name, dict(other.labels), other.expires_at) == (
        "second",
        {"run": "13"},
        longer.expires_at,
    )
    assert job.view == client.job(job.job_id).view
    job.cancel()
    with pytest.raises(WrongState):
        job.amend(ttl_seconds=60)


def test_unknown_jobs_and_those_of_others_are_not_found(client, as_client, shelf):
    for job_id in (str(uuid.uuid4()), "no-uuid", shelf.draft(2)):
        with pytest.raises(JobNotFound):
            client.job(job_id)
    with pytest.raises(JobNotFound):
        as_client(2).job(shelf.draft(1))


def test_a_malformed_organisation_is_an_identity_refused(as_client):
    with pytest.raises(IdentityRefused):
        as_client("none").job(str(uuid.uuid4()))


def test_the_jobs_of_the_organisation_are_listed_newest_first(as_client, shelf):
    ids = [shelf.draft(31), shelf.stage(TABLE, org_id=31), shelf.draft(31)]
    client = as_client(31)

    assert [job.job_id for job in client.jobs()] == ids[::-1]
    assert [job.job_id for job in client.jobs(state="staged")] == [ids[1]]
    assert [job.job_id for job in client.jobs(label="run:12")] == ids[::-1]
    assert list(client.jobs(label="run:13")) == []


def test_the_connections_are_named_without_their_secrets(client):
    assert [(each.name, each.kind) for each in client.connections()] == [("exports", "parquet")]


def test_waiting_ends_when_the_job_is_staged(client, shelf):
    job_id = shelf.draft()
    thread = later(
        0.2,
        lambda: shelf.plan(job_id, 1),
        lambda: shelf.publish(job_id, TABLE),
        lambda: shelf.seal(job_id),
    )

    job = client.job(job_id).wait(timeout=60)

    thread.join()
    assert (job.state, job.view.manifest.is_sealed) == ("staged", True)
    assert [column.name for column in job.view.manifest.schema] == TABLE.column_names


def test_waiting_for_a_completed_job_is_over_at_once(client, shelf):
    job = client.job(shelf.stage(TABLE))
    job.ack_all()

    assert job.wait(timeout=10).state == "completed"


def test_waiting_longer_than_allowed_is_timed_out(client, shelf):
    job = client.job(shelf.draft())
    began = time.monotonic()

    with pytest.raises(TimedOut, match=r"is pending after 1\.5 s"):
        job.wait(timeout=1.5)

    assert 1 < time.monotonic() - began < 20


def test_a_job_that_fails_meanwhile_raises_with_its_code(client, shelf):
    job_id = shelf.draft()
    shelf.plan(job_id, 2)
    report = FailureReport(job_id, "source_auth", "the source refuses", partition_id=1)
    thread = later(0.3, lambda: shelf.catalog.fail_job(report, now=datetime.now(UTC)))

    with pytest.raises(JobFailed, match="the source refuses") as failed:
        client.job(job_id).wait(timeout=60)

    thread.join()
    error = failed.value
    assert (error.state, error.code, error.partition_id) == ("failed", "source_auth", 1)
    with pytest.raises(JobFailed):
        list(client.job(job_id).chunks())


def test_a_cancelled_job_raises_with_its_state(client, shelf):
    job = client.job(shelf.stage(TABLE))
    assert job.cancel().state == "cancelling"

    with pytest.raises(JobFailed) as failed:
        job.read_links()

    assert (failed.value.state, failed.value.code) == ("cancelling", "cancelling")
    shelf.catalog.finish_cancel(job.job_id, now=datetime.now(UTC))
    assert job.wait("cancelled", timeout=60).state == "cancelled"
    assert job.cancel().state == "cancelled"


def test_pausing_and_resuming_are_idempotent_and_a_wrong_state_says_what_is_allowed(client, shelf):
    job_id = shelf.draft()
    shelf.plan(job_id, 1)
    job = client.job(job_id)

    assert [job.pause().state, job.pause().state] == ["pausing", "pausing"]
    assert [job.resume().state, job.resume().state] == ["running", "running"]
    staged = client.job(shelf.stage(TABLE))
    with pytest.raises(WrongState) as refused:
        staged.pause()
    assert refused.value.current_state == "staged"
    assert set(refused.value.allowed) == {"cancel", "ack"}


def test_progress_is_how_far_the_job_is(client, shelf):
    job_id = shelf.draft()
    job = client.job(job_id)
    assert job.progress() == Progress(None, 0, 0, 0, 0, 0, None)

    shelf.plan(job_id, 4)
    shelf.publish(job_id, TABLE)

    seen = job.progress()
    assert seen == Progress(4, 1, 1, 0, 100, seen.bytes, 0.25)


def test_changes_are_told_until_the_job_is_final(client, shelf):
    job_id = shelf.draft()
    thread = later(
        0.3,
        lambda: shelf.plan(job_id, 1),
        lambda: shelf.catalog.request_cancel(1, job_id, now=datetime.now(UTC)),
        lambda: shelf.catalog.finish_cancel(job_id, now=datetime.now(UTC)),
    )

    states = [view.state for view in client.job(job_id).changes(timeout=60)]

    thread.join()
    assert list(dict.fromkeys(states)) == ["pending", "running", "cancelling", "cancelled"]


def test_the_first_ack_counts_and_the_last_completes(client, shelf):
    job = client.job(shelf.stage(TABLE, TABLE))
    one, two = job.chunks()

    first, again, last = one.ack(), one.ack(), two.ack()

    assert again.acked_at == first.acked_at
    assert [(ack.chunk_index, ack.chunks_acked, ack.job_state) for ack in (first, again, last)] == [
        (0, 1, "staged"),
        (0, 1, "staged"),
        (1, 2, "completed"),
    ]


def test_an_undeclared_consumer_is_invalid_and_declared_ones_count_together(client, shelf):
    job = client.job(shelf.stage(TABLE, consumers=("a", "b")))
    [chunk] = job.chunks()

    with pytest.raises(InvalidRequest):
        chunk.ack()

    assert [chunk.ack("a").job_state, chunk.ack("b").job_state] == ["staged", "completed"]


def test_an_ack_that_comes_too_late_is_gone_with_the_reason(client, shelf):
    job = client.job(shelf.stage(TABLE))
    [chunk] = job.chunks()
    job.cancel()

    with pytest.raises(DataGone) as gone:
        chunk.ack()

    assert gone.value.reason == "cancelled"


def test_a_client_says_who_creates(as_client, shelf):
    job = as_client(1, user_id="ada").create_job(SOURCE)

    assert shelf.catalog.job(1, job.job_id).user_id == "ada"


def test_the_first_argument_is_the_only_positional_one(api_url):
    with StagingClient(api_url, 1, "ada") as client, pytest.raises(TypeError):
        client.create_job(SOURCE, "a name")
