"""News of a job: what it became and which chunks appeared, since somebody looked."""

import pytest

from staging.catalog import Move, News
from staging.core.errors import UnknownJob
from staging.core.jobs import Amendment, JobState
from tests.contract.catalog_steps import HOUR, NOW, job_in, publish, running, staged

S = JobState


def news(catalog, job_id, **asked) -> News:
    """All news of a job, or those that are asked for."""
    since = {"since_revision": 0, "since_index": 0, "limit": 100}
    return catalog.job_news(asked.pop("org_id", 1), job_id, **since | asked)


def test_news_from_the_beginning_are_every_move_and_chunk_in_order(catalog):
    job_id = staged(catalog, partitions=3)

    found = news(catalog, job_id)

    assert found.job == catalog.job(1, job_id)
    assert [move.state for move in found.moves] == [S.PENDING, S.RUNNING, S.STAGED]
    assert found.moves[-1] == Move(found.job.revision, S.STAGED, NOW)
    assert found.chunks == tuple(catalog.chunks(1, job_id, since_index=0, limit=9))


def test_only_what_is_new_is_given(catalog):
    job_id = running(catalog, partitions=3)
    publish(catalog, job_id, 5, partitions=2)
    seen = news(catalog, job_id)
    catalog.request_pause(1, job_id, now=NOW + HOUR)

    found = news(
        catalog,
        job_id,
        since_revision=seen.moves[-1].revision,
        since_index=len(seen.chunks),
    )

    assert found.moves == (Move(seen.job.revision + 1, S.PAUSING, NOW + HOUR),)
    assert found.chunks == ()
    assert news(catalog, job_id, since_index=99).chunks == ()


def test_a_page_is_at_most_as_long_as_asked(catalog):
    job_id = staged(catalog, partitions=5)

    found = news(catalog, job_id, since_index=1, limit=2)

    assert [move.state for move in found.moves] == [S.PENDING, S.RUNNING]
    assert [chunk.chunk_index for chunk in found.chunks] == [1, 2]


def test_a_change_that_moves_nothing_is_no_move(catalog):
    job = job_in(catalog, S.RUNNING)
    catalog.amend_job(1, job.job_id, Amendment(name="x", is_renamed=True), now=NOW)

    assert news(catalog, job.job_id, since_revision=job.revision).moves == ()


@pytest.mark.parametrize("job_id", [None, "x"])
def test_another_organisation_hears_nothing(catalog, job_id):
    known = running(catalog)
    with pytest.raises(UnknownJob):
        news(catalog, job_id or known, org_id=2)
