"""What the parts of the running stack show to Prometheus."""

import json
import subprocess
import time

from tests import warehouse
from tests.metrics_page import TEMPORAL
from tests.prometheus import labels, scrape
from tests.stack import STAGING

ALL = labels()
PUBLISHED = labels(outcome="published", code="")


def until_nothing_runs(api: str, seconds: float = 60) -> None:
    """Jobs of other tests may still be under way on this stack, and would be counted too."""
    deadline = time.monotonic() + seconds
    while any(scrape(api)["staging_jobs"][labels(state=each)] for each in ("pending", "running")):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_the_worker_counts_what_it_stages(service, stack):
    status = subprocess.run(
        [STAGING, "status", "--json"], env=stack.environment, capture_output=True, check=True
    )
    shown = json.loads(status.stdout)["metrics"]
    ours, temporal = shown["worker"]
    until_nothing_runs(shown["api"][0])
    before = scrape(ours)

    job = service.create({"connection": "warehouse", "table": "public.orders"})
    staged = service.until_state(job["job_id"], "staged")

    after = scrape(ours)

    def more(name: str, of: frozenset = ALL) -> float:
        return after[name][of] - before.get(name, {}).get(of, 0)

    partitions = staged["progress"]["partitions_total"]
    assert more("staging_attempts_started_total") >= partitions
    assert more("staging_attempts_ended_total", PUBLISHED) == partitions
    assert more("staging_published_rows_total") == warehouse.ORDER_ROWS
    assert more("staging_published_bytes_total") == staged["progress"]["bytes"]
    assert more("staging_published_chunks_total") == staged["progress"]["chunks_published"]
    for stage in ("read", "encode", "upload"):
        assert more("staging_attempt_stage_seconds_count", labels(stage=stage)) == partitions
    assert after["staging_source_connections_budget"][labels(connection="warehouse")] > 0
    assert (
        labels(connection="warehouse", use="holder") in after["staging_source_connections_in_use"]
    )
    assert after["staging_cluster_cpus"][ALL] >= 2
    assert after["staging_loop_rounds_total"][labels(loop="reconcile", outcome="done")] > 0
    assert scrape(shown["api"][0])["staging_catalog_up"] == {ALL: 1}
    assert "staging_flight_streams_open" in scrape(shown["flight"][0])

    named = {name.removesuffix("_seconds") for name, _ in TEMPORAL if "fail" not in name}
    found = " ".join(scrape(temporal))
    assert [name for name in named if name not in found] == []
