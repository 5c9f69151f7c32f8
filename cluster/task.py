"""The Ray task of one attempt: pulses while it lives, then its outcome."""

import pickle
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

import ray

from cluster.attempt_log import logged
from cluster.extract import Extraction, ExtractRequest
from cluster.lean import lean_process
from staging.build import task_build
from staging.core.chunks import Failure, Receipt

PULSE_SECONDS = 2.0
_HEAR_SECONDS = 0.1
"""How long the task may be deaf to a cancel: Ray's interrupt does not end a wait that began."""
_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Pulse:
    """The task's process is alive; it says nothing of progress."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The node runs other code than who asks: nothing was read, not even the request."""

    node_id: str
    build: str


Outcome = Receipt | Failure


def run_attempt(build: str, request: bytes) -> Iterator[Pulse | Outcome | Refusal]:
    """Give pulses while the partition is read, then the outcome, or a refusal at once.

    `request` is a pickled ExtractRequest, which code of another `build` may take for what it
    is not.
    """
    node_id = ray.get_runtime_context().get_node_id()
    if build != task_build():
        yield Refusal(node_id, task_build())
        return
    asked: ExtractRequest = pickle.loads(request)  # noqa: S301  # the worker made it
    with lean_process(has_pandas=bool(asked.connection.dialect)):
        outcome = yield from _outcome(asked)
    yield replace(outcome, node_id=node_id)


def _outcome(request: ExtractRequest) -> Generator[Pulse, None, Outcome]:
    """Extract in a thread of its own, so that a pulse and a cancel never wait for the source.

    `ray.cancel` raises KeyboardInterrupt here; a read in C code would not hear it.
    """
    extraction = Extraction(request)
    outcomes: list[Outcome] = []
    ended = threading.Event()

    def extract() -> None:
        try:
            outcomes.append(logged(request, extraction.run))
        finally:
            ended.set()

    threading.Thread(target=extract, daemon=True).start()
    try:
        yield from _pulses_until(ended)
    finally:
        if not ended.is_set():
            extraction.cancel()
            ended.wait(_STOP_SECONDS)
    return outcomes[0]


def _pulses_until(ended: threading.Event) -> Iterator[Pulse]:
    """Give a pulse, unless it ends at once, and then one every PULSE_SECONDS.

    An event is waited for, not the thread: a join that is interrupted takes the thread for
    ended (CPython 3.11, `_wait_for_tstate_lock`).
    """
    due = time.monotonic() + _HEAR_SECONDS
    while not ended.is_set():
        if time.monotonic() >= due:
            yield Pulse()
            due = time.monotonic() + PULSE_SECONDS
        ended.wait(_HEAR_SECONDS)


remote_attempt = ray.remote(max_retries=0, retry_exceptions=False, num_cpus=1)(run_attempt)
