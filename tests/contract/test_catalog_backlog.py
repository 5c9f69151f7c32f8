"""What is left to read is told job by job, for as long as it is read."""

import pytest

from staging.core.autoscale import Backlog
from staging.core.jobs import JobState
from tests.contract.catalog_steps import NOW, a_draft, a_receipt, begin, job_in, running


@pytest.fixture
def left(catalog):
    """Give the backlogs of one connection: a database of tests may hold other jobs."""

    def of(draft):
        name = draft.source.connection
        return [each for each in catalog.backlogs() if each.connection == name]

    return of


def test_a_running_job_has_what_is_not_published(catalog, left):
    draft = a_draft(parallelism=3)
    name, target = draft.source.connection, draft.options.chunk_target_bytes
    job_id = running(catalog, 5, draft)
    attempts = begin(catalog, job_id, limit=2)
    assert left(draft) == [Backlog(name, 5, 3, 0, 5 * target)]

    receipt = a_receipt(attempts[0], 5)
    catalog.publish_partition(receipt, now=NOW)
    published = sum(each.byte_count for each in receipt.chunks)
    assert left(draft) == [Backlog(name, 4, 3, 0, 4 * published)]


@pytest.mark.parametrize("state", [each for each in JobState if each is not JobState.RUNNING])
def test_a_job_that_is_not_read_has_nothing_left(catalog, left, state):
    draft = a_draft()
    job_in(catalog, state, draft)

    assert left(draft) == []


def test_the_holders_of_a_job_count_also_while_it_is_planned_or_paused(catalog, left):
    draft = a_draft()
    job_id = catalog.insert_job(draft, now=NOW).job.job_id
    assert catalog.admit_holders(job_id, 2, budget=8)

    assert left(draft) == [Backlog(draft.source.connection, 0, None, 2, 0)]
