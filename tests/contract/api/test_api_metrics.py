"""What Prometheus is shown: the requests of this process, and what is under way."""

import os

import pytest
from prometheus_client.parser import text_string_to_metric_families

from staging.core.jobs import JobState
from tests.contract.catalog_steps import NOW, job_in, staged


def metrics(service) -> dict[str, dict[frozenset, float]]:
    answer = service.client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found: dict[str, dict[frozenset, float]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return found


def labels(**named: str) -> frozenset:
    return frozenset(named.items())


def test_jobs_are_shown_by_state_every_state_from_the_start(service):
    assert set(metrics(service)["staging_jobs"].values()) == {0}

    job_in(service.catalog, JobState.PAUSED)
    staged(service.catalog, partitions=4)

    found = metrics(service)
    assert {next(iter(of))[1] for of, count in found["staging_jobs"].items() if count} == {
        "paused",
        "staged",
    }
    assert found["staging_chunks_unacked"] == {frozenset(): 6}
    assert found["staging_partitions_left"] == {frozenset(): 1}
    assert found["staging_catalog_up"] == {frozenset(): 1}


def test_the_time_of_the_job_that_is_longest_in_a_state_is_shown(service):
    job_in(service.catalog, JobState.CANCELLING)

    assert metrics(service)["staging_oldest_job_moved_timestamp_seconds"] == {
        labels(state="cancelling"): NOW.timestamp()
    }


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/jobs/{job_id}", "/jobs/{job_id}", "200"),
        ("HEAD", "/jobs/{job_id}", "/jobs/{job_id}", "200"),
        ("GET", "/jobs/no-such", "/jobs/{job_id}", "404"),
        ("BREW", "/jobs", "/jobs", "405"),
        ("GET", "/nowhere/at/all", "none", "404"),
    ],
)
def test_requests_are_counted_by_route_never_by_path(service, method, path, route, status):
    job_id = staged(service.catalog)

    for _ in range(3):
        service.request(method, path.format(job_id=job_id))

    shown = "other" if method == "BREW" else method
    found = metrics(service)
    of = {"method": shown, "route": route}
    assert found["staging_http_requests_total"] == {labels(**of, status=status): 3}
    assert found["staging_http_request_seconds_count"] == {labels(**of): 3}
    assert job_id not in service.client.get("/metrics").text


def test_a_catalog_that_is_away_is_shown_as_such(service, folder):
    (folder / "catalog.db").rename(folder / "elsewhere.db")
    os.mkdir(folder / "catalog.db")
    service.catalog.close()

    found = metrics(service)

    assert found["staging_catalog_up"] == {frozenset(): 0}
    assert "staging_jobs" not in found
    assert "process_resident_memory_bytes" in found
