"""Readers that come and go for a while: Flight counts every row for them, and holds nothing."""

import json
from collections.abc import Iterator
from typing import Any

from benchmarks.soak import described, flight_part, soak

SECONDS = 12


def test_flight_holds_nothing_of_readers_that_come_and_go(service, stack):
    pid, location = flight_part(stack.folder)

    def plans() -> Iterator[list[dict[str, Any]]]:
        """Give the chunks of a job, then those of another while the first is deleted."""
        last = None
        while True:
            source = {"connection": "warehouse", "table": "public.orders"}
            job_id = service.create(source, chunk_target_bytes=1 << 20)["job_id"]
            service.until_state(job_id, "staged")
            plan = described(iter(service.chunks(job_id)))
            if last is not None:
                service.http.delete(f"/jobs/{last}")
            yield plan
            last = job_id

    soaked = soak(pid, location, SECONDS, plans())

    assert soaked.faults() == [], json.dumps(soaked.counts)
