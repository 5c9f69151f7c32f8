"""A job is inserted once and read by its organisation only."""

import itertools
import os
import uuid
from dataclasses import replace

import pytest

from staging.catalog import IdempotencyKey, Inserted
from staging.core import ids
from staging.core.errors import IdempotencyMismatch, InvalidValue, UnknownJob
from staging.core.jobs import Job, JobState, Progress
from tests.contract.catalog_steps import DAY, NOW, SECOND, a_draft, accepted, job_in

BODY, OTHER_BODY = "a" * 64, "b" * 64


@pytest.fixture
def org_id():
    return int.from_bytes(os.urandom(7), "big") + 1


@pytest.fixture
def key():
    return IdempotencyKey(str(uuid.uuid4()), BODY)


def test_a_job_is_read_as_it_was_asked_for(catalog):
    draft = a_draft(consumers=("a", "b"), compression_level=None, parallelism=3, ttl_seconds=60)

    inserted = catalog.insert_job(draft, now=NOW)

    expected = Job(
        job_id=draft.job_id,
        org_id=1,
        user_id="someone",
        name="lineitem for run 12",
        labels={"run": "12"},
        state=JobState.PENDING,
        source=draft.source,
        options=draft.options,
        progress=Progress(),
        created_at=NOW,
        started_at=None,
        staged_at=None,
        finished_at=None,
        expires_at=NOW + 60 * SECOND,
        revision=1,
    )
    assert inserted == Inserted(expected, is_replayed=False)
    assert catalog.job(1, draft.job_id) == catalog.job_by_id(draft.job_id) == expected
    assert catalog.job(1, draft.job_id).revision == 1


def test_inserting_one_draft_twice_makes_one_job(catalog):
    draft = a_draft()
    first = catalog.insert_job(draft, now=NOW)
    assert catalog.insert_job(draft, now=NOW + SECOND) == first


def test_a_repeated_key_with_the_same_body_gives_the_job_as_it_is_now(catalog, key):
    first = catalog.insert_job(a_draft(), now=NOW, idempotency=key).job
    catalog.start_job(first.job_id, now=NOW)
    now_running = catalog.job(1, first.job_id)

    assert catalog.replayed_job(1, key, now=NOW + DAY - SECOND) == now_running
    again = catalog.insert_job(a_draft(), now=NOW + DAY - SECOND, idempotency=key)
    assert again == Inserted(now_running, is_replayed=True)


def test_a_key_with_another_body_is_refused_and_makes_no_job(catalog, key, org_id):
    catalog.insert_job(a_draft(org_id), now=NOW, idempotency=key)
    other = replace(key, body_sha256=OTHER_BODY)

    with pytest.raises(IdempotencyMismatch):
        catalog.replayed_job(org_id, other, now=NOW)
    with pytest.raises(IdempotencyMismatch):
        catalog.insert_job(a_draft(org_id), now=NOW, idempotency=other)
    assert len(catalog.list_jobs(org_id, limit=10)) == 1


def test_a_key_belongs_to_its_organisation(catalog, key):
    catalog.insert_job(a_draft(), now=NOW, idempotency=key)
    assert catalog.replayed_job(2, key, now=NOW) is None
    assert not catalog.insert_job(a_draft(2), now=NOW, idempotency=key).is_replayed


def test_a_key_is_forgotten_after_24_hours(catalog, key):
    first = catalog.insert_job(a_draft(), now=NOW, idempotency=key).job

    assert catalog.replayed_job(1, key, now=NOW + DAY) is None
    other = replace(key, body_sha256=OTHER_BODY)
    second = catalog.insert_job(a_draft(), now=NOW + DAY, idempotency=other)
    assert (second.is_replayed, second.job.job_id == first.job_id) == (False, False)


def test_old_keys_are_deleted_and_young_ones_kept(catalog, key):
    young = IdempotencyKey(str(uuid.uuid4()), BODY)
    catalog.insert_job(a_draft(), now=NOW - DAY, idempotency=key)
    kept = catalog.insert_job(a_draft(), now=NOW - DAY + SECOND, idempotency=young).job

    assert catalog.forget_keys(now=NOW) >= 1
    assert catalog.replayed_job(1, young, now=NOW) == kept
    assert catalog.replayed_job(1, key, now=NOW - SECOND) is None


def test_another_organisations_unknown_and_malformed_ids_are_one(catalog):
    job_id = accepted(catalog)
    for org_id, asked in [(2, job_id), (1, ids.job_id(NOW, os.urandom(10))), (1, job_id.upper()),
                          (1, "nonsense"), (1, "\x00"), (1, "\ud800")]:  # fmt: skip
        with pytest.raises(UnknownJob) as refused:
            catalog.job(org_id, asked)
        assert refused.value.detail == f"there is no job {asked}"
        assert catalog.revisions([(org_id, asked), (1, job_id)]) == {(1, job_id): 1}


def test_jobs_are_listed_newest_first_in_pages(catalog, org_id):
    made = [accepted(catalog, a_draft(org_id, NOW + n * SECOND)) for n in range(5)]
    accepted(catalog, a_draft(org_id + 1))

    pages, before = [], None
    while page := catalog.list_jobs(org_id, before=before, limit=2):
        pages.append([job.job_id for job in page])
        before = page[-1].job_id
    assert list(itertools.chain(*pages)) == made[::-1]
    assert [len(page) for page in pages] == [2, 2, 1]


def test_jobs_are_listed_by_state(catalog, org_id):
    by_state = {state: job_in(catalog, state, a_draft(org_id)) for state in JobState}
    for state, job in by_state.items():
        assert catalog.list_jobs(org_id, state=state, limit=10) == [job]


LABELS = [("run", "12"), ("with.dot", "a:b"), ('q"uote', "it's"), ("$", "[0]"), ("0", ""),
          ("ünï", "50%"), ("a", "null")]  # fmt: skip


@pytest.mark.parametrize("label", LABELS)
def test_jobs_are_listed_by_label(catalog, org_id, label):
    wanted = accepted(catalog, replace(a_draft(org_id), labels=dict([label, ("else", "x")])))
    accepted(catalog, replace(a_draft(org_id), labels={label[0]: label[1] + "!"}))
    accepted(catalog, replace(a_draft(org_id), labels={label[0] + "!": label[1]}))
    accepted(catalog, replace(a_draft(org_id), labels={}))

    found = catalog.list_jobs(org_id, label=label, limit=10)
    assert [job.job_id for job in found] == [wanted]


@pytest.mark.parametrize("change", [{"user_id": "\ud800"}, {"org_id": 10**30}])
def test_what_the_database_cannot_hold_is_an_invalid_value(catalog, change):
    with pytest.raises(InvalidValue):
        catalog.insert_job(replace(a_draft(), **change), now=NOW)
