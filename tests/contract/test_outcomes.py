"""How often a partition is tried again is counted for each cause by itself."""

from types import SimpleNamespace

import pytest

from staging.core.chunks import Failure
from tests.contract.catalog_steps import SECOND, running
from workflows.clock import now
from workflows.edge import PartitionFailed
from workflows.metrics import WorkerMetrics
from workflows.outcomes import settle


@pytest.fixture
def fail(catalog):
    """Fail the next attempt at a job's only partition with a code; it is due again at once."""
    parts = SimpleNamespace(catalog=catalog, metrics=WorkerMetrics())
    job_id = running(catalog, partitions=1)
    term = catalog.take_term(job_id, now=now())

    def once(code, *, is_retryable=True):
        later = now() + 3600 * SECOND
        [(partition, attempt)] = catalog.begin_attempts(job_id, term, limit=1, budget=9, now=later)
        settle(parts, Failure(attempt, code, "why", is_retryable), partition.failures)
        return attempt

    once.parts = parts
    return once


def test_lost_nodes_use_up_no_patience_with_memory(fail):
    for _ in range(11):
        fail("cluster_unavailable")
    for _ in range(2):
        fail("out_of_memory")

    with pytest.raises(PartitionFailed) as failed:
        fail("out_of_memory")
    assert failed.value.failure_code == "out_of_memory"


def test_a_store_that_is_away_is_waited_for_however_long(fail):
    for _ in range(50):
        fail("storage_unavailable")

    for _ in range(4):
        fail("source_unavailable")
    with pytest.raises(PartitionFailed):
        fail("source_unavailable")


def test_what_cannot_be_read_fails_at_once_but_not_by_an_attempt_that_is_over(fail):
    over = fail("source_unavailable")

    settle(fail.parts, Failure(over, "source_changed", "why", is_retryable=False), {})
    with pytest.raises(PartitionFailed):
        fail("source_changed", is_retryable=False)
