"""Nothing is deleted that may still be read, and everything else is."""

import uuid
from dataclasses import replace

import pytest

from staging.core.chunks import ChunkState, object_key
from staging.core.jobs import FINAL, JobState
from staging.core.partitions import Attempt
from tests.contract.catalog_steps import (
    DAY,
    GRACE,
    NOW,
    SECOND,
    a_failure,
    a_receipt,
    begin,
    job_in,
    publish,
    running,
    staged,
)

AFTER_GRACE = NOW + GRACE


def keys_of(attempt):
    return [chunk.key for chunk in a_receipt(attempt, 5, 5).chunks]


def garbage(catalog, keys, now=AFTER_GRACE):
    return catalog.garbage_keys(keys, now=now, grace=GRACE)


@pytest.mark.parametrize("state", list(JobState))
def test_only_the_chunks_of_a_final_job_are_to_be_deleted(catalog, state):
    job_id = job_in(catalog, state).job_id
    published = catalog.chunks(1, job_id, since_index=0, limit=9)
    assert catalog.undeleted_chunks(job_id, limit=9) == (published if state in FINAL else [])


@pytest.mark.parametrize("state", [state for state in JobState if state not in FINAL])
def test_the_chunks_of_a_job_that_is_not_final_cannot_be_marked_deleted(catalog, state):
    job = job_in(catalog, state)
    chunks = catalog.chunks(1, job.job_id, since_index=0, limit=9)
    catalog.mark_deleted(job.job_id, [chunk.chunk_id for chunk in chunks], now=NOW)
    assert catalog.mark_purged(job.job_id, now=NOW) is False
    assert catalog.chunks(1, job.job_id, since_index=0, limit=9) == chunks
    assert catalog.job(1, job.job_id) == job


def test_a_final_job_is_purged_page_by_page(catalog):
    job_id = staged(catalog, partitions=5)
    catalog.expire_job(job_id, now=NOW + DAY)
    before = catalog.chunks(1, job_id, since_index=0, limit=9)

    pages = []
    while page := catalog.undeleted_chunks(job_id, limit=2):
        pages.append([chunk.chunk_index for chunk in page])
        assert catalog.mark_purged(job_id, now=NOW + DAY) is False
        catalog.mark_deleted(job_id, [chunk.chunk_id for chunk in page], now=NOW + DAY)
    assert pages == [[0, 1], [2, 3], [4]]
    assert catalog.mark_purged(job_id, now=NOW + DAY) is True
    assert catalog.mark_purged(job_id, now=NOW + 2 * DAY) is True
    after = catalog.chunks(1, job_id, since_index=0, limit=9)
    assert after == [replace(chunk, state=ChunkState.DELETED) for chunk in before]


def test_marking_a_chunk_of_another_job_deleted_does_nothing(catalog):
    job_id, other_id = staged(catalog), staged(catalog)
    foreign = catalog.chunk(1, other_id, "0")
    catalog.expire_job(job_id, now=NOW + DAY)
    catalog.mark_deleted(job_id, [foreign.chunk_id], now=NOW + DAY)
    assert catalog.chunk(1, other_id, "0") == foreign


def test_deleting_raises_the_revision(catalog):
    job_id = job_in(catalog, JobState.FAILED).job_id
    before = catalog.job(1, job_id).revision
    (first, _) = catalog.undeleted_chunks(job_id, limit=9)
    catalog.mark_deleted(job_id, [first.chunk_id], now=NOW)
    assert catalog.job(1, job_id).revision == before + 1


def test_objects_of_an_unknown_attempt_are_garbage(catalog):
    job_id = running(catalog)
    begin(catalog, job_id, limit=1)
    unknown = [
        Attempt(1, job_id, 0, 99),
        Attempt(1, job_id, 2, 1),
        Attempt(1, str(uuid.uuid4()), 0, 1),
    ]
    keys = [key for attempt in unknown for key in keys_of(attempt)]
    assert garbage(catalog, keys, NOW) == keys


def test_objects_of_a_running_attempt_are_never_garbage(catalog):
    job_id = running(catalog)
    keys = [key for attempt in begin(catalog, job_id) for key in keys_of(attempt)]
    assert garbage(catalog, keys, NOW + 1000 * DAY) == []


def test_objects_of_an_ended_attempt_are_garbage_when_the_grace_is_over(catalog):
    job_id = running(catalog)
    failed, fenced, published = begin(catalog, job_id)
    catalog.fail_attempt(a_failure(failed), retry_at=None, now=NOW)
    catalog.publish_partition(a_receipt(published, 5), now=NOW)
    catalog.take_term(job_id, now=NOW)

    keys = [key for attempt in (failed, fenced, published) for key in keys_of(attempt)]
    assert garbage(catalog, keys, AFTER_GRACE - SECOND) == []
    assert garbage(catalog, keys, AFTER_GRACE) == keys


def test_objects_of_visible_chunks_are_not_garbage_however_old(catalog):
    job_id = running(catalog)
    publish(catalog, job_id, 5, 5)
    keys = [chunk.key for chunk in catalog.chunks(1, job_id, since_index=0, limit=9)]
    assert garbage(catalog, keys, NOW + 1000 * DAY) == []


def test_objects_of_deleted_chunks_are_garbage(catalog):
    job_id = job_in(catalog, JobState.CANCELLED).job_id
    chunks = catalog.undeleted_chunks(job_id, limit=9)
    catalog.mark_deleted(job_id, [chunk.chunk_id for chunk in chunks], now=NOW)
    keys = [chunk.key for chunk in chunks]
    assert garbage(catalog, keys) == keys


FOREIGN = ["", "x", "1/2/3", "1/backup.parquet", "ünï/\ud800", "1/{job}/0/1-{hex}/0.csv",
           "0/{job}/0/1-{hex}/0.parquet", "1/{job}/99999999999999999999/1-{hex}/0.parquet",
           "1/{job}/0/99999999999999999999-{hex}/0.parquet"]  # fmt: skip


@pytest.mark.parametrize("key", FOREIGN)
def test_keys_that_are_not_ours_are_never_garbage(catalog, key):
    named = key.format(job=uuid.uuid4(), hex=uuid.uuid4().hex)
    assert garbage(catalog, [named], NOW + 1000 * DAY) == []


def test_garbage_is_found_among_many_keys_in_the_order_given(catalog):
    job_id = running(catalog, partitions=2)
    publish(catalog, job_id, *[1] * 700)
    kept = [chunk.key for chunk in catalog.chunks(1, job_id, since_index=0, limit=2000)]
    lost = [object_key(Attempt(1, job_id, 0, 7), uuid.uuid4().hex, n) for n in range(1400)]
    mixed = [key for pair in zip(kept, lost, strict=True) for key in pair]
    assert garbage(catalog, mixed) == lost
