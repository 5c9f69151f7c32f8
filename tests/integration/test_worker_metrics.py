"""What the worker counts about attempts that end and about garbage; no cluster is needed."""

import dataclasses
import hashlib
import io
import uuid

import pytest
from prometheus_client import generate_latest

from staging.core.chunks import object_key
from staging.core.errors import SourceChanged, StorageUnavailable
from staging.core.partitions import Attempt
from tests.contract.catalog_steps import a_failure, a_receipt, begin, running
from tests.prometheus import Samples, labels, samples
from workflows.edge import PartitionFailed
from workflows.loops import collect_garbage
from workflows.outcomes import settle
from workflows.parts import Parts
from workflows.progress import Progress

ALL = labels()


def shown(parts: Parts) -> Samples:
    return samples(generate_latest(parts.metrics.registry).decode())


def ended(parts: Parts) -> dict[tuple[str, str], float]:
    found = shown(parts)["staging_attempts_ended_total"]
    return {(dict(of)["outcome"], dict(of)["code"]): count for of, count in found.items()}


def test_attempts_are_counted_by_how_they_end_and_only_what_is_visible_is_rows(parts):
    job_id = running(parts.catalog, partitions=3)
    first, second, third = begin(parts.catalog, job_id)

    settle(parts, a_receipt(first, 5, 6), {})
    settle(parts, a_failure(second), {})
    with pytest.raises(PartitionFailed):
        settle(parts, a_receipt(third, 7, schema_fingerprint="another"), {})
    settle(parts, a_receipt(dataclasses.replace(third, fence=third.fence - 1), 7), {})

    assert ended(parts) == {
        ("published", ""): 1,
        ("failed", "source_unavailable"): 1,
        ("failed", SourceChanged.code): 1,
        ("stale", ""): 1,
    }
    found = shown(parts)
    assert found["staging_published_rows_total"] == {ALL: 11}
    assert found["staging_published_chunks_total"] == {ALL: 2}
    assert found["staging_published_bytes_total"] == {ALL: 110}
    assert found["staging_attempt_stage_seconds_sum"] == {labels(stage="read"): 0.1}


def test_garbage_is_counted_when_it_is_found_and_again_when_it_is_gone(parts):
    unknown = Attempt(1, str(uuid.uuid4()), 0, 1)
    key = object_key(unknown, uuid.uuid4().hex, 0)
    digest = hashlib.sha256(b"left behind").hexdigest()
    parts.store.put_once(key, io.BytesIO(b"left behind"), sha256=digest)

    assert collect_garbage(parts) >= 1

    found = shown(parts)
    objects, sizes = found["staging_garbage_objects_total"], found["staging_garbage_bytes_total"]
    assert objects[labels(fate="found")] == objects[labels(fate="deleted")] >= 1
    assert sizes[labels(fate="found")] == sizes[labels(fate="deleted")] >= len(b"left behind")
    assert found["staging_bucket_objects"][ALL] >= 1
    collect_garbage(parts)
    assert shown(parts)["staging_garbage_objects_total"] == objects


def test_without_a_cluster_no_cpus_are_shown(parts):
    assert shown(parts)["staging_cluster_cpus"] == {ALL: 0}


def test_the_sessions_of_a_connection_are_shown_against_its_budget(parts):
    found = shown(parts)

    budget = labels(connection="files")
    assert found["staging_source_connections_budget"] == {budget: 3}
    assert found["staging_source_connections_in_use"] == {
        labels(connection="files", use="attempt"): 0,
        labels(connection="files", use="holder"): 0,
    }


def test_sessions_in_use_are_counted_by_connection(parts):
    job_id = running(parts.catalog, partitions=3)
    begin(parts.catalog, job_id, limit=2)

    used = parts.catalog.connections_in_use()

    assert [(each.attempts, each.total) for each in used.values()] == [(2, 2)]
    assert list(used) == [parts.catalog.job_by_id(job_id).source.connection]


def test_a_round_is_counted_by_how_it_ends(parts):
    metrics = parts.metrics
    with metrics.round("janitor"):
        pass
    with pytest.raises(StorageUnavailable), metrics.round("janitor"):
        raise StorageUnavailable()

    assert shown(parts)["staging_loop_rounds_total"] == {
        labels(loop="janitor", outcome="done"): 1,
        labels(loop="janitor", outcome="failed"): 1,
    }


def test_the_job_that_waits_longest_is_told_while_it_is_staged():
    now = 100.0
    progress = Progress(lambda: now)
    with progress.of("one"):
        now = 105.0
        with progress.of("other"):
            now = 107.0
            assert progress.longest_seconds() == 7
            progress.made("one")
            assert progress.longest_seconds() == 2
    now = 168.0
    assert progress.longest_seconds() == 0


def test_a_job_that_is_tried_again_waits_on_and_one_that_rested_begins_anew():
    now = 0.0
    progress = Progress(lambda: now)
    while now < 1000:  # a store that is down ends each run of the step at once
        with progress.of("one"):
            now += 20
    assert progress.longest_seconds() == 1000
    now += 3600
    with progress.of("one"):
        assert progress.longest_seconds() == 0
