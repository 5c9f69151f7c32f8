"""Chunks become visible once, all of a partition or none, in an order without gaps."""

import pytest

from staging.core.chunks import Chunk, ChunkState
from staging.core.errors import SourceChanged, StaleAttempt, UnknownChunk, UnknownJob
from staging.core.ids import chunk_id
from staging.core.jobs import JobState, Progress
from tests.contract.catalog_steps import (
    NOW,
    a_failure,
    a_plan,
    a_receipt,
    accepted,
    begin,
    publish,
    running,
    staged,
)


def all_chunks(catalog, job_id):
    return catalog.chunks(1, job_id, since_index=0, limit=1000)


def test_published_chunks_are_read_as_they_were_written(catalog):
    job_id = running(catalog)
    first, _, third = begin(catalog, job_id)
    receipts = a_receipt(third, 7, 2), a_receipt(first, 30)
    assert [catalog.publish_partition(each, now=NOW) for each in receipts] == [2, 1]

    (a, b), (c,) = receipts[0].chunks, receipts[1].chunks
    assert all_chunks(catalog, job_id) == [
        Chunk(chunk_id(stored.key), job_id, index, partition, offset, stored.row_count,
              stored.byte_count, stored.sha256, stored.key, ChunkState.AVAILABLE, None)
        for index, (stored, partition, offset) in enumerate([(a, 2, 0), (b, 2, 7), (c, 0, 9)])
    ]  # fmt: skip
    assert catalog.job(1, job_id).progress == Progress(
        partitions_total=3, partitions_done=2, chunks_published=3, rows=39, bytes=390
    )


def test_publishing_twice_shows_the_chunks_once(catalog):
    job_id = running(catalog)
    receipt = a_receipt(begin(catalog, job_id)[0], 5, 5)
    catalog.publish_partition(receipt, now=NOW)
    before = catalog.job(1, job_id), all_chunks(catalog, job_id)

    assert catalog.publish_partition(receipt, now=NOW) == 2
    other_objects = a_receipt(receipt.attempt, 5, 5, 5)
    assert catalog.publish_partition(other_objects, now=NOW) == 2
    assert (catalog.job(1, job_id), all_chunks(catalog, job_id)) == before


def test_publishing_again_after_a_cancel_says_what_was_published_before_it(catalog):
    job_id = running(catalog)
    receipt = a_receipt(begin(catalog, job_id)[0], 5)
    catalog.publish_partition(receipt, now=NOW)
    catalog.request_cancel(1, job_id, now=NOW)
    assert catalog.publish_partition(receipt, now=NOW) == 1


def test_an_empty_partition_is_done_without_chunks(catalog):
    job_id = running(catalog, partitions=1)
    (attempt,) = begin(catalog, job_id)
    assert catalog.publish_partition(a_receipt(attempt), now=NOW) == 0
    assert catalog.publish_partition(a_receipt(attempt), now=NOW) == 0
    assert catalog.job(1, job_id).progress == Progress(partitions_total=1, partitions_done=1)


def _failed(catalog, attempt):
    catalog.fail_attempt(a_failure(attempt), retry_at=None, now=NOW)


def _retried(catalog, attempt):
    _failed(catalog, attempt)
    begin(catalog, attempt.job_id)


def _of_an_older_term(catalog, attempt):
    catalog.take_term(attempt.job_id, now=NOW)


def _of_a_dropped_plan(catalog, attempt):
    catalog.reset_plan(attempt.job_id, now=NOW)


@pytest.mark.parametrize("overtaken", [_failed, _retried, _of_an_older_term, _of_a_dropped_plan])
def test_a_stale_attempt_cannot_publish(catalog, overtaken):
    job_id = running(catalog, partitions=1)
    (attempt,) = begin(catalog, job_id)
    overtaken(catalog, attempt)
    before = catalog.job(1, job_id)

    with pytest.raises(StaleAttempt):
        catalog.publish_partition(a_receipt(attempt, 5), now=NOW)
    assert (catalog.job(1, job_id), all_chunks(catalog, job_id)) == (before, [])


def test_an_attempt_at_an_older_plan_cannot_publish_into_the_new_one(catalog):
    job_id = running(catalog, partitions=2)
    zombies = begin(catalog, job_id)
    catalog.reset_plan(job_id, now=NOW)
    catalog.record_plan(job_id, a_plan(2), now=NOW)
    fresh = begin(catalog, job_id)

    for zombie in zombies:
        with pytest.raises(StaleAttempt):
            catalog.publish_partition(a_receipt(zombie, 5), now=NOW)
    assert [catalog.publish_partition(a_receipt(each, 6), now=NOW) for each in fresh] == [1, 1]
    assert [chunk.row_count for chunk in all_chunks(catalog, job_id)] == [6, 6]


def test_an_attempt_that_read_another_schema_publishes_nothing(catalog):
    job_id = running(catalog)
    receipt = a_receipt(begin(catalog, job_id)[0], 5, schema_fingerprint="0" * 64)
    with pytest.raises(SourceChanged):
        catalog.publish_partition(receipt, now=NOW)
    assert all_chunks(catalog, job_id) == []


def test_values_that_became_null_are_counted_over_partitions(catalog):
    job_id = running(catalog)
    first, second, third = begin(catalog, job_id)
    for attempt, nulled in [(first, {"price": 2}), (second, {"price": 3, "id": 1}), (third, {})]:
        catalog.publish_partition(a_receipt(attempt, 5, nulled=nulled), now=NOW)
    assert catalog.job(1, job_id).nulled == {"price": 5, "id": 1}


def test_each_publish_raises_the_revision(catalog):
    job_id = running(catalog)
    before = catalog.job(1, job_id).revision
    publish(catalog, job_id, 5)
    assert catalog.job(1, job_id).revision == before + 3


def test_a_chunk_is_found_by_its_id_and_by_its_index(catalog):
    job_id = running(catalog)
    publish(catalog, job_id, 5)
    second = all_chunks(catalog, job_id)[1]
    assert catalog.chunk(1, job_id, second.chunk_id) == catalog.chunk(1, job_id, "1") == second


@pytest.mark.parametrize("ref", ["3", "-1", "1.0", "٣", "", "x", "9" * 30, "\x00", "\ud800",
                                 "018f2d6c-5c58-7b0e-9a55-0d6f3f6b7a01"])  # fmt: skip
def test_an_unknown_or_malformed_chunk_is_unknown(catalog, ref):
    job_id = running(catalog)
    publish(catalog, job_id, 5)
    with pytest.raises(UnknownChunk):
        catalog.chunk(1, job_id, ref)


def test_a_chunk_of_another_job_is_unknown(catalog):
    job_id, other_id = running(catalog), running(catalog)
    publish(catalog, other_id, 5)
    foreign = all_chunks(catalog, other_id)[0]
    with pytest.raises(UnknownChunk):
        catalog.chunk(1, job_id, foreign.chunk_id)


def test_chunks_of_another_organisation_are_unknown(catalog):
    job_id = running(catalog)
    publish(catalog, job_id, 5)
    with pytest.raises(UnknownJob):
        catalog.chunk(2, job_id, "0")
    with pytest.raises(UnknownJob):
        catalog.chunks(2, job_id, since_index=0, limit=1)


def test_chunks_are_listed_in_pages_from_an_index(catalog):
    job_id = running(catalog, partitions=5)
    publish(catalog, job_id, 5)
    pages = [catalog.chunks(1, job_id, since_index=n, limit=2) for n in (0, 2, 4, 5)]
    assert [[chunk.chunk_index for chunk in page] for page in pages] == [[0, 1], [2, 3], [4], []]


def test_a_job_without_a_plan_has_no_chunks(catalog):
    job_id = accepted(catalog)
    assert all_chunks(catalog, job_id) == []
    assert catalog.job(1, job_id).state is JobState.PENDING


def test_some_chunks_are_read_with_their_job_by_index_or_id(catalog):
    job_id = staged(catalog, partitions=3)
    first, second, third = catalog.chunks(1, job_id, since_index=0, limit=9)
    refs = ["0", "01", third.chunk_id, "9", "nonsense", job_id, "9" * 18]

    job, found = catalog.job_and_chunks(1, job_id, refs)

    assert job == catalog.job(1, job_id)
    assert found == {"0": first, "01": second, third.chunk_id: third}
    assert catalog.job_and_chunks(1, job_id, [])[1] == {}
    assert catalog.job_and_chunk(1, job_id, "2") == (job, third)
    with pytest.raises(UnknownChunk):
        catalog.job_and_chunk(1, job_id, "3")
    for org_id, asked in [(2, job_id), (1, "nonsense")]:
        with pytest.raises(UnknownJob):
            catalog.job_and_chunks(org_id, asked, ["0"])
