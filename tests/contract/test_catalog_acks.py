"""An ack counts once, and the last one completes the job."""

import pytest

from staging.core.chunks import Acknowledgement, ChunkState
from staging.core.errors import (
    ChecksumMismatch,
    Gone,
    UndeclaredConsumer,
    UnknownChunk,
    UnknownJob,
)
from staging.core.jobs import JobState, Retain
from tests.contract.catalog_steps import (
    DAY,
    HOUR,
    NOW,
    SECOND,
    a_draft,
    ack_all,
    job_in,
    publish,
    running,
    staged,
)

LATER = NOW + HOUR


def ack(catalog, job_id, ref="0", *, consumer="default", sha256=None, now=NOW, org_id=1):
    return catalog.acknowledge_chunk(org_id, job_id, ref, consumer=consumer, sha256=sha256, now=now)


def test_an_ack_is_answered_with_the_chunk_and_the_job(catalog):
    job_id = staged(catalog)
    chunk = catalog.chunk(1, job_id, "1")
    before = catalog.job(1, job_id).revision

    answer = ack(catalog, job_id, chunk.chunk_id, sha256=chunk.sha256.upper())

    assert answer == Acknowledgement(chunk.chunk_id, 1, NOW, 1, JobState.STAGED)
    acked = catalog.chunk(1, job_id, "1")
    assert (acked.state, acked.acked_at) == (ChunkState.ACKED, NOW)
    assert catalog.job(1, job_id).progress.chunks_acked == 1
    assert catalog.job(1, job_id).revision == before + 1


def test_a_repeated_ack_gives_the_moment_of_the_first_and_changes_nothing(catalog):
    job_id = staged(catalog)
    first = ack(catalog, job_id)
    before = catalog.job(1, job_id)
    assert ack(catalog, job_id, now=LATER) == first
    assert catalog.job(1, job_id) == before


def test_the_last_ack_completes_the_job(catalog):
    job_id = staged(catalog)
    answers = [ack(catalog, job_id, str(n), now=NOW + n * SECOND) for n in range(3)]

    assert [answer.state for answer in answers] == ["staged", "staged", "completed"]
    assert [answer.chunks_acked for answer in answers] == [1, 2, 3]
    job = catalog.job(1, job_id)
    assert (job.state, job.finished_at) == (JobState.COMPLETED, NOW + 2 * SECOND)


def test_acks_before_the_seal_complete_the_job_when_it_is_sealed(catalog):
    job_id = running(catalog)
    publish(catalog, job_id, 5)
    ack_all(catalog, job_id)
    assert catalog.job(1, job_id).state is JobState.RUNNING

    catalog.seal_job(job_id, now=LATER)
    job = catalog.job(1, job_id)
    assert (job.state, job.is_sealed) == (JobState.COMPLETED, True)
    assert (job.staged_at, job.finished_at) == (LATER, LATER)


def test_a_chunk_counts_as_acked_when_every_consumer_acked_it(catalog):
    job_id = staged(catalog, partitions=1, draft=a_draft(consumers=("a", "b", "c")))
    answers = [
        ack(catalog, job_id, consumer=consumer, now=NOW + n * SECOND)
        for n, consumer in enumerate(["c", "a", "a", "b"])
    ]
    assert [answer.chunks_acked for answer in answers] == [0, 0, 0, 1]
    assert [answer.state for answer in answers] == ["staged", "staged", "staged", "completed"]
    assert [answer.acked_at - NOW for answer in answers] == [0 * SECOND, SECOND, SECOND, 3 * SECOND]
    assert catalog.chunk(1, job_id, "0").acked_at == NOW + 3 * SECOND


def test_each_consumers_ack_raises_the_revision(catalog):
    job_id = staged(catalog, draft=a_draft(consumers=("a", "b")))
    before = catalog.job(1, job_id).revision
    ack(catalog, job_id, consumer="a")
    assert catalog.job(1, job_id).revision == before + 1


def test_a_job_that_retains_until_expiry_is_not_completed_by_acks(catalog):
    job_id = staged(catalog, draft=a_draft(retain=Retain.UNTIL_EXPIRED))
    ack_all(catalog, job_id)
    job = catalog.job(1, job_id)
    assert (job.state, job.progress.chunks_acked) == (JobState.STAGED, 3)


def test_a_job_without_chunks_stays_staged(catalog):
    assert catalog.job(1, staged(catalog, partitions=0)).state is JobState.STAGED


def test_an_undeclared_consumer_is_refused(catalog):
    job_id = staged(catalog)
    with pytest.raises(UndeclaredConsumer):
        ack(catalog, job_id, consumer="else")
    assert catalog.chunk(1, job_id, "0").acked_at is None


def test_another_hash_is_refused_and_is_no_ack(catalog):
    job_id = staged(catalog)
    before = catalog.job(1, job_id)
    with pytest.raises(ChecksumMismatch):
        ack(catalog, job_id, sha256="f" * 64)
    assert catalog.job(1, job_id) == before
    assert (
        ack(catalog, job_id, sha256=catalog.chunk(1, job_id, "0").sha256, now=LATER).acked_at
        == LATER
    )


def test_a_repeated_ack_with_another_hash_is_refused(catalog):
    job_id = staged(catalog)
    ack(catalog, job_id)
    with pytest.raises(ChecksumMismatch):
        ack(catalog, job_id, sha256="f" * 64)


def test_unknown_jobs_and_chunks_cannot_be_acked(catalog):
    job_id = staged(catalog)
    with pytest.raises(UnknownJob):
        ack(catalog, job_id, org_id=2)
    with pytest.raises(UnknownChunk):
        ack(catalog, job_id, "3")


@pytest.mark.parametrize("state", ["running", "pausing", "paused", "staged"])
def test_a_chunk_can_be_acked_while_its_job_is_not_ending(catalog, state):
    job = job_in(catalog, JobState(state))
    assert ack(catalog, job.job_id).state == state


ENDS = [("cancelling", "cancelled"), ("cancelled", "cancelled"), ("failed", "failed"),
        ("expired", "expired")]  # fmt: skip


@pytest.mark.parametrize(("state", "reason"), ENDS)
def test_a_chunk_never_acked_is_gone_when_its_job_ends(catalog, state, reason):
    job = job_in(catalog, JobState(state))
    with pytest.raises(Gone) as gone:
        ack(catalog, job.job_id)
    assert gone.value.reason == reason
    assert catalog.job(1, job.job_id) == job


@pytest.mark.parametrize("ref", ["0", "1"])
def test_an_ack_repeated_after_deletion_gives_the_first_moment(catalog, ref):
    job_id = staged(catalog, partitions=2)
    first = ack(catalog, job_id, "0")
    catalog.expire_job(job_id, now=NOW + DAY)
    chunks = catalog.undeleted_chunks(job_id, limit=9)
    catalog.mark_deleted(job_id, [chunk.chunk_id for chunk in chunks], now=NOW + DAY)

    if ref == "0":
        again = ack(catalog, job_id, ref, now=NOW + 2 * DAY)
        assert (again.acked_at, again.state) == (first.acked_at, JobState.EXPIRED)
    else:
        with pytest.raises(Gone) as gone:
            ack(catalog, job_id, ref, now=NOW + 2 * DAY)
        assert gone.value.reason == "expired"


def test_a_consumer_that_is_late_while_another_has_acked_comes_too_late(catalog):
    job_id = staged(catalog, draft=a_draft(consumers=("a", "b")))
    ack(catalog, job_id, consumer="a")
    catalog.request_cancel(1, job_id, now=NOW)
    with pytest.raises(Gone):
        ack(catalog, job_id, consumer="b")
    assert ack(catalog, job_id, consumer="a", now=LATER).acked_at == NOW
