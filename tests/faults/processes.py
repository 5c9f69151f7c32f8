"""Find and hurt processes of the running stack, by pid and only our own."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator

import psutil


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


def an_attempt_of(job_id: str, seconds: float = 30) -> psutil.Process:
    """Wait until an attempt of the job runs."""
    deadline = time.monotonic() + seconds
    while not (running := attempts_of(job_id)):
        assert time.monotonic() < deadline, "no attempt has started"
        time.sleep(0.05)
    return running[0]


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a process for the length of the block; it goes on afterwards."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
