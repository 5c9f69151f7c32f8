"""The Ray task of one attempt: pulses while it lives, then its outcome."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import ray

from cluster.extract import Extraction, ExtractRequest
from staging.core.chunks import Failure, Receipt

PULSE_SECONDS = 2.0
_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Pulse:
    """The task's process is alive; it says nothing of progress."""


Outcome = Receipt | Failure


def run_attempt(request: ExtractRequest) -> Iterator[Pulse | Outcome]:
    """Extract in a thread of its own, so that a pulse and a cancel never wait for the source.

    `ray.cancel` raises KeyboardInterrupt here; a read in C code would not hear it.
    """
    extraction = Extraction(request)
    outcomes: list[Outcome] = []
    worker = threading.Thread(target=lambda: outcomes.append(extraction.run()), daemon=True)
    worker.start()
    try:
        yield Pulse()
        while worker.is_alive():
            worker.join(PULSE_SECONDS)
            if worker.is_alive():
                yield Pulse()
    finally:
        if worker.is_alive():
            extraction.cancel()
            worker.join(_STOP_SECONDS)
    yield outcomes[0]


remote_attempt = ray.remote(max_retries=0, retry_exceptions=False, num_cpus=1)(run_attempt)
