"""A job goes on in its snapshot, in a new one, or not at all; no cluster is needed."""

import pytest

from staging.core.errors import SnapshotLost
from tests.contract.catalog_steps import NOW, publish, running
from workflows.batch import keep_snapshot


def test_a_job_whose_snapshot_was_let_go_before_its_first_chunk_is_planned_anew(parts):
    job_id = running(parts.catalog)
    parts.catalog.record_exports(job_id, (), now=NOW)

    assert keep_snapshot(parts, job_id) is False

    assert not parts.catalog.job_by_id(job_id).is_planned


def test_a_job_whose_snapshot_was_let_go_after_its_first_chunk_is_lost(parts):
    job_id = running(parts.catalog)
    publish(parts.catalog, job_id, 5, partitions=1)
    parts.catalog.record_exports(job_id, (), now=NOW)

    with pytest.raises(SnapshotLost, match="let go"):
        keep_snapshot(parts, job_id)

    job = parts.catalog.job_by_id(job_id)
    assert (job.is_planned, job.progress.chunks_published) == (True, 1)
