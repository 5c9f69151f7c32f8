"""A plain HTTP and Flight reader of the contract, independent of the client library."""

import hashlib
import io
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import flight

PREFIX = "/api/v1/staging"


class Service:
    """What a stranger would do with the service, by the contract's own words."""

    def __init__(self, api_url: str, org_id: int = 1) -> None:
        self.http = httpx2.Client(
            base_url=api_url + PREFIX, headers={"X-Org-ID": str(org_id)}, timeout=70
        )
        self.org_id = org_id

    def create(self, source: dict[str, Any], **options: Any) -> dict[str, Any]:
        answer = self.http.post("/jobs", json={"source": source, "options": options})
        assert answer.status_code == 202, answer.text
        return answer.json()

    def job(self, job_id: str, **query: Any) -> dict[str, Any]:
        answer = self.http.get(f"/jobs/{job_id}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def act(self, job_id: str, action: str) -> httpx2.Response:
        return self.http.post(f"/jobs/{job_id}/{action}")

    def until(
        self,
        job_id: str,
        condition: Callable[[dict[str, Any]], bool],
        seconds: float = 240,
        *,
        may_fail: bool = False,
    ) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while True:
            try:
                job = self.job(job_id)
            except httpx2.TransportError:
                job = None
            if job is not None and condition(job):
                return job
            if job is not None and job["state"] == "failed" and not may_fail:
                raise AssertionError(f"the job failed: {job['error']}")
            assert time.monotonic() < deadline, f"not in {seconds} s: {job}"
            time.sleep(0.1)

    def until_state(self, job_id: str, *states: str, seconds: float = 240) -> dict[str, Any]:
        return self.until(job_id, lambda job: job["state"] in states, seconds)

    def chunks(self, job_id: str) -> list[dict[str, Any]]:
        pages: list[dict[str, Any]] = []
        token = None
        while True:
            query = {"page_size": 7} | ({"page_token": token} if token else {})
            page = self.http.get(f"/jobs/{job_id}/chunks", params=query).json()
            pages += page["chunks"]
            token = page["next_page_token"]
            if token is None:
                return pages

    def ack(self, job_id: str, chunk: dict[str, Any]) -> dict[str, Any]:
        answer = self.http.post(
            f"/jobs/{job_id}/chunks/{chunk['chunk_id']}/ack", json={"sha256": chunk["sha256"]}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def read_by_link(self, job_id: str) -> pa.Table:
        """Read all chunks as published; indexes, offsets, counts and hashes must hold."""
        tables, offset = [], 0
        for index, chunk in enumerate(self.chunks(job_id)):
            assert (chunk["chunk_index"], chunk["row_offset"]) == (index, offset)
            body = httpx2.get(chunk["url"], headers=chunk["http_headers"], timeout=60).content
            assert len(body) == chunk["byte_count"]
            assert hashlib.sha256(body).hexdigest() == chunk["sha256"]
            table = pq.read_table(io.BytesIO(body))
            assert table.num_rows == chunk["row_count"]
            offset += table.num_rows
            tables.append(table)
        return pa.concat_tables(tables)

    def read_by_flight(self, job_id: str, location: str) -> pa.Table:
        options = flight.FlightCallOptions(headers=[(b"x-org-id", str(self.org_id).encode())])
        with flight.connect(location) as client:
            info = client.get_flight_info(flight.FlightDescriptor.for_path(job_id), options)
            tables = [client.do_get(each.ticket).read_all() for each in info.endpoints]
            assert info.total_records == sum(table.num_rows for table in tables)
        return pa.concat_tables(tables)
