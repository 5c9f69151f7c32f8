"""Our own side, by HTTP alone, as a consumer sees it."""

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import psutil

from benchmarks.ground import Ground

_PREFIX = "/api/v1/staging"
_WAIT_SECONDS = 50
_ENDED = {"completed", "failed", "cancelled", "expired"}


def source_of(table: str) -> dict[str, str]:
    """Name a table of the ground's Postgres, as a request does."""
    return {"connection": "warehouse", "table": table}


_LINEITEM = source_of("public.lineitem")


class Jobs:
    """The few calls that a measurement needs."""

    def __init__(self, api_url: str) -> None:
        self._http = httpx2.Client(base_url=api_url + _PREFIX, timeout=_WAIT_SECONDS + 20)

    def create(self, source: Mapping[str, Any] = _LINEITEM, **options: int) -> str:
        """POST a job; give its id."""
        answer = self._http.post("/jobs", json={"source": source, "options": options})
        answer.raise_for_status()
        return str(answer.json()["job_id"])

    def changes(self, job_id: str) -> Iterator[dict[str, Any]]:
        """Give the job whenever it changed, without a poll in between."""
        headers: dict[str, str] = {}
        while True:
            query = {"wait_seconds": _WAIT_SECONDS if headers else 0, "page_size": 1}
            answer = self._http.get(f"/jobs/{job_id}", params=query, headers=headers)
            if answer.status_code == 304:
                continue
            answer.raise_for_status()
            job = answer.json()
            if job["state"] == "failed":
                raise RuntimeError(f"the job failed: {job['error']}")
            headers = {"If-None-Match": answer.headers["ETag"]}
            yield job

    def until_staged(self, job_id: str) -> None:
        """Wait until the job is staged."""
        next(job for job in self.changes(job_id) if job["state"] == "staged")

    def until_first_link(self, job_id: str) -> str:
        """Wait for the first chunk; give its link."""
        job = next(job for job in self.changes(job_id) if job["chunks"])
        return str(job["chunks"][0]["url"])

    def chunks(self, job_id: str) -> Iterator[dict[str, Any]]:
        """Give every chunk as the API shows it, in order."""
        query: dict[str, str] = {}
        while True:
            page = self._http.get(f"/jobs/{job_id}/chunks", params=query).json()
            yield from page["chunks"]
            if page["next_page_token"] is None:
                return
            query = {"page_token": page["next_page_token"]}

    def download(self, job_id: str, folder: Path) -> None:
        """Fetch every chunk by its link; the files are named by its index."""
        for chunk in self.chunks(job_id):
            body = httpx2.get(chunk["url"], timeout=120).content
            (folder / f"{chunk['chunk_index']}.parquet").write_bytes(body)

    def discard(self, job_id: str) -> None:
        """Cancel the job, and wait until it is, so that its purge is not part of the next run."""
        self._http.delete(f"/jobs/{job_id}").raise_for_status()
        next(job for job in self.changes(job_id) if job["state"] in _ENDED)


def task_peak_bytes(place: Ground) -> int:
    """Give the largest RSS that any one of the living Ray workers ever had (Linux: VmHWM).

    Asked after a run, so that watching costs the run nothing.
    """
    return max((_peak_bytes(each) for each in task_processes(place)), default=0)


def forget_task_peaks(place: Ground) -> None:
    """Let the peaks begin anew from what the workers hold now (Linux: clear_refs)."""
    for process in task_processes(place):
        with suppress(OSError):
            Path(f"/proc/{process.pid}/clear_refs").write_text("5")


def task_processes(place: Ground) -> Iterator[psutil.Process]:
    """Give the living Ray workers."""
    if place.ray_pid is None:
        return
    for process in psutil.Process(place.ray_pid).children(recursive=True):
        with suppress(psutil.Error):
            if "".join(process.cmdline()).startswith("ray::"):
                yield process


def _peak_bytes(process: psutil.Process) -> int:
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return 0
    peaks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(peaks[0]) * 1024 if peaks else 0


def timed_first_link(jobs: Jobs, target_bytes: int) -> float:
    """Give the seconds from POST until the first link answered 200, then cancel the job."""
    began = time.monotonic()
    job_id = jobs.create(chunk_target_bytes=target_bytes)
    with httpx2.stream("GET", jobs.until_first_link(job_id), timeout=30) as answer:
        seconds = time.monotonic() - began
        assert answer.status_code == 200, answer.status_code
    jobs.discard(job_id)
    return seconds
