"""Find and hurt processes of the running stack, by pid and only our own."""

import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Iterator

import psutil

from tests import postgres_catalog


def attempts_of(job_id: str) -> list[psutil.Process]:
    """List the Ray worker processes that run an attempt of the job now.

    Ray shows a task's name, ours is the attempt's, as the title of its process.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if f"staging {job_id}" in " ".join(process.cmdline()):
                found.append(process)
    return found


def an_attempt_of(job_id: str, seconds: float = 180) -> psutil.Process:
    """Wait until an attempt of the job runs."""
    deadline = time.monotonic() + seconds
    while not (running := attempts_of(job_id)):
        assert time.monotonic() < deadline, "no attempt has started"
        time.sleep(0.05)
    return running[0]


def ray_workers_of(ray_pid: int) -> set[int]:
    """Give the pids of the worker processes, idle ones too, of the Ray that runs as `ray_pid`."""
    found = set()
    for process in psutil.Process(ray_pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "".join(process.cmdline()).startswith("ray::"):
                found.add(process.pid)
    return found


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a process for the length of the block; it goes on afterwards, unless Ray ended it."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def stopped_between_writes(pid: int, catalog_url: str) -> Iterator[None]:
    """Stop a process at an instant when it has no lock of the catalog.

    One that is stopped inside a transaction shuts other writers out, with 503: that is the
    database's way, and not what is asked here.
    """
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with stopped(pid):
            if _may_be_written(catalog_url):
                yield
                return
        time.sleep(0.05)
    raise AssertionError("the process always has a lock of the catalog")


def _may_be_written(catalog_url: str) -> bool:
    if not catalog_url.startswith("sqlite"):
        return postgres_catalog.may_be_written(catalog_url)
    file = catalog_url.removeprefix("sqlite:///")
    connection = sqlite3.connect(file, timeout=1, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()
    return True
