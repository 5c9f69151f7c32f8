"""Heartbeats for a step that makes one long call and cannot beat between two of its own."""

import contextvars
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from temporalio import activity

from workflows.policies import HEARTBEAT


@contextmanager
def beating() -> Iterator[None]:
    """Beat from a thread of its own for as long as the block runs."""
    ended = threading.Event()
    context = contextvars.copy_context()

    def beat() -> None:
        while not ended.wait(HEARTBEAT.total_seconds()):
            activity.heartbeat()

    thread = threading.Thread(target=lambda: context.run(beat), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
