"""The sealed manifest."""

from dataclasses import replace

import pytest

from staging.core.jobs import JobState
from staging.core.source_spec import Incremental, SourceSpec
from tests.contract.api.service import problem_of
from tests.contract.catalog_steps import (
    COLUMNS,
    FINGERPRINT,
    NOW,
    a_draft,
    a_receipt,
    begin,
    job_in,
    running,
    staged,
)


def test_a_sealed_manifest_lists_every_chunk_with_the_totals(service):
    job_id = staged(service.catalog, partitions=2)
    stored = service.catalog.chunks(1, job_id, since_index=0, limit=10)

    assert service.get(f"/jobs/{job_id}/manifest").json() == {
        "job_id": job_id,
        "sealed": True,
        "chunk_count": 2,
        "row_count": 10,
        "byte_count": 100,
        "schema": [
            {"name": column.name, "type": column.type, "nullable": column.nullable}
            for column in COLUMNS
        ],
        "schema_fingerprint": FINGERPRINT,
        "snapshot": {"class": "exported", "value": "00000003-0000001B-1"},
        "chunks": [
            {
                "chunk_id": chunk.chunk_id,
                "chunk_index": chunk.chunk_index,
                "partition_id": chunk.partition_id,
                "row_offset": chunk.row_offset,
                "row_count": 5,
                "byte_count": 50,
                "sha256": chunk.sha256,
            }
            for chunk in stored
        ],
    }


@pytest.mark.parametrize(
    "state", [JobState.PENDING, JobState.RUNNING, JobState.PAUSED, JobState.FAILED]
)
def test_an_unsealed_manifest_is_a_conflict(service, state):
    job_id = job_in(service.catalog, state).job_id

    answer = service.get(f"/jobs/{job_id}/manifest")

    assert problem_of(answer) == (409, "not_sealed")
    assert answer.json()["current_state"] == state.value


def test_a_manifest_stays_readable_after_the_purge(service):
    job_id = job_in(service.catalog, JobState.COMPLETED).job_id
    before = service.get(f"/jobs/{job_id}/manifest").json()
    chunks = service.catalog.undeleted_chunks(job_id, limit=10)
    service.catalog.mark_deleted(job_id, [chunk.chunk_id for chunk in chunks], now=NOW)
    service.catalog.mark_purged(job_id, now=NOW)

    assert service.get(f"/jobs/{job_id}/manifest").json() == before


def test_a_manifest_counts_the_values_that_became_null(service):
    job_id = running(service.catalog, partitions=1, draft=a_draft(on_unrepresentable="null"))
    [attempt] = begin(service.catalog, job_id)
    service.catalog.publish_partition(a_receipt(attempt, 5, nulled={"price": 2}), now=NOW)
    service.catalog.seal_job(job_id, now=NOW)

    assert service.get(f"/jobs/{job_id}/manifest").json()["nulled"] == {"price": 2}
    assert service.get(f"/jobs/{job_id}").json()["manifest"]["nulled"] == {"price": 2}


def test_a_manifest_has_the_mark_of_an_incremental_job_once_it_is_sealed(service):
    draft = replace(a_draft(), source=SourceSpec("w", "t", incremental=Incremental("id", 3)))
    job_id = running(service.catalog, partitions=3, draft=draft)
    for attempt, mark in zip(begin(service.catalog, job_id, 3), [9, 12, None], strict=True):
        service.catalog.publish_partition(a_receipt(attempt, 5, high_water=mark), now=NOW)
    before = service.get(f"/jobs/{job_id}").json()
    service.catalog.seal_job(job_id, now=NOW)
    sealed = service.get(f"/jobs/{job_id}/manifest").json()

    assert before["manifest"]["incremental"] == {"column": "id", "after": 3, "high_water": None}
    assert sealed["incremental"] == {"column": "id", "after": 3, "high_water": 12}
    assert before["source"]["incremental"] == {"column": "id", "after": 3}


def test_an_incremental_job_without_new_rows_keeps_its_mark(service):
    draft = replace(a_draft(), source=SourceSpec("w", "t", incremental=Incremental("id", 3)))
    job_id = running(service.catalog, partitions=1, draft=draft)
    [attempt] = begin(service.catalog, job_id)
    service.catalog.publish_partition(a_receipt(attempt), now=NOW)
    service.catalog.seal_job(job_id, now=NOW)

    manifest = service.get(f"/jobs/{job_id}/manifest").json()

    assert manifest["incremental"]["high_water"] == 3


def test_a_manifest_of_many_chunks_is_whole(service):
    job_id = running(service.catalog, partitions=1)
    [attempt] = begin(service.catalog, job_id)
    service.catalog.publish_partition(a_receipt(attempt, *[1] * 2345), now=NOW)
    service.catalog.seal_job(job_id, now=NOW)

    manifest = service.get(f"/jobs/{job_id}/manifest").json()

    assert [chunk["chunk_index"] for chunk in manifest["chunks"]] == list(range(2345))
    assert manifest["row_count"] == 2345
