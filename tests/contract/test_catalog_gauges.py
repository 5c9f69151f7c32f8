"""What is under way is counted, over all organisations, until its objects are gone."""

import pytest

from staging.core.jobs import FINAL, JobState
from tests.contract.catalog_steps import DAY, NOW, a_draft, ack_all, begin, job_in, running, staged


@pytest.fixture
def grown(catalog):
    """Give how much each count has grown: a database of tests may hold other jobs."""
    before = catalog.gauges()

    def counts():
        now = catalog.gauges()
        return {
            "jobs": {
                state: count - before.jobs[state]
                for state, count in now.jobs.items()
                if count != before.jobs[state]
            },
            "running": now.partitions_running - before.partitions_running,
            "left": now.partitions_left - before.partitions_left,
            "unacked": now.chunks_unacked - before.chunks_unacked,
        }

    return counts


@pytest.mark.parametrize("state", list(JobState))
def test_a_job_is_counted_by_its_state_until_it_is_purged(catalog, grown, state):
    job_id = job_in(catalog, state, a_draft(org_id=7)).job_id
    assert grown()["jobs"] == {state: 1}

    if state in FINAL:
        chunks = catalog.undeleted_chunks(job_id, limit=9)
        catalog.mark_deleted(job_id, [chunk.chunk_id for chunk in chunks], now=NOW + DAY)
        assert catalog.mark_purged(job_id, now=NOW + DAY)
        assert grown() == {"jobs": {}, "running": 0, "left": 0, "unacked": 0}


def test_partitions_are_counted_while_they_are_read_and_until_they_are_published(catalog, grown):
    job_id = running(catalog, partitions=5)
    begin(catalog, job_id, limit=2)

    found = grown()
    assert (found["running"], found["left"]) == (2, 5)


def test_a_chunk_is_counted_until_it_is_acked(catalog, grown):
    job_id = staged(catalog, partitions=3)
    assert grown() == {"jobs": {JobState.STAGED: 1}, "running": 0, "left": 0, "unacked": 3}

    ack_all(catalog, job_id)
    assert grown()["unacked"] == 0


def test_the_time_of_the_job_that_is_longest_in_a_state_is_told(catalog):
    long_ago = NOW - 400 * DAY
    catalog.insert_job(a_draft(), now=long_ago)
    catalog.insert_job(a_draft(), now=NOW)

    found = catalog.gauges()

    assert found.oldest_moved_at[JobState.PENDING] == long_ago
    assert set(found.oldest_moved_at) == {state for state, count in found.jobs.items() if count}
