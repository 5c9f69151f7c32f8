"""What the contract adds to the eight operations, on the whole running stack."""

import hashlib
import io

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.e2e.contract import MIB, ORDERS, problem

ARROW = "application/vnd.apache.arrow.stream"


@pytest.fixture(scope="module")
def staged(service):
    """A staged job of several chunks that the tests only read."""
    job_id = service.create(ORDERS, chunk_target_bytes=MIB)["job_id"]
    return service.until_state(job_id, "staged")


def data(job, chunk) -> str:
    return f"/jobs/{job['job_id']}/chunks/{chunk['chunk_id']}/data"


def test_chunks_come_through_the_service_as_they_come_by_link(service, staged):
    for chunk in staged["chunks"]:
        through = service.http.get(data(staged, chunk))

        assert through.content == httpx2.get(chunk["url"]).content
        assert hashlib.sha256(through.content).hexdigest() == chunk["sha256"]
        assert through.headers["etag"] == f'"{chunk["sha256"]}"'
        assert through.headers["content-length"] == str(chunk["byte_count"])


def test_a_broken_download_goes_on_by_range(service, staged):
    chunk = staged["chunks"][0]
    half = chunk["byte_count"] // 2
    tag = f'"{chunk["sha256"]}"'

    first = service.http.get(data(staged, chunk), headers={"Range": f"bytes=0-{half - 1}"})
    rest = service.http.get(
        data(staged, chunk), headers={"Range": f"bytes={half}-", "If-Range": tag}
    )

    assert (first.status_code, rest.status_code) == (206, 206)
    assert hashlib.sha256(first.content + rest.content).hexdigest() == chunk["sha256"]
    beyond = service.http.get(
        data(staged, chunk), headers={"Range": f"bytes={chunk['byte_count']}-"}
    )
    problem(beyond, 416, "range_not_satisfiable")


def test_arrow_streams_hold_the_rows_of_the_parquet_files(service, staged):
    rows = 0
    for chunk in staged["chunks"]:
        answer = service.http.get(data(staged, chunk), headers={"Accept": ARROW})
        with pa.ipc.open_stream(answer.content) as stream:
            table = stream.read_all()
        assert table.equals(pq.read_table(io.BytesIO(httpx2.get(chunk["url"]).content)))
        rows += table.num_rows

    assert rows == staged["manifest"]["row_count"]


def test_the_bytes_of_a_cancelled_job_are_gone(service):
    job_id = service.create(ORDERS)["job_id"]
    job = service.until_state(job_id, "staged")
    service.http.delete(f"/jobs/{job_id}")

    gone = problem(service.http.get(data(job, job["chunks"][0])), 410, "gone")

    assert gone["reason"] == "cancelled"
