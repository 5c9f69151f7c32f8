"""The attempts that one stage activity has running on Ray, and how they end."""

import pickle
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ray
import ray.exceptions
import structlog

from cluster.extract import ExtractRequest
from cluster.session import RaySession, deadline_in
from cluster.silence import Silence
from cluster.task import Outcome, Pulse, Refusal, remote_attempt
from staging.build import ForeignBuild, task_build
from staging.core.chunks import Failure
from staging.core.errors import ClusterUnavailable, OutOfMemory
from staging.core.partitions import Attempt

STALL_SECONDS = 20.0
"""A task that has begun and gives no pulse for so long is given up; the fence makes that safe."""
_SOFT_SECONDS = 5.0
_FORCED_SECONDS = 5.0
_NOTICE_SECONDS = 1.0
"""A server notices within half a second that the process of a reader is gone."""
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Running:
    attempt: Attempt
    stream: Any  # ray's ObjectRefGenerator has no type that can be named
    generation: int


class Dispatch:
    """Starts attempts on the cluster and gives back each one's outcome, once."""

    def __init__(self, session: RaySession) -> None:
        self._session = session
        self._running: dict[Any, _Running] = {}
        self._silence = Silence(STALL_SECONDS)

    def __len__(self) -> int:
        return len(self._running)

    def start(self, request: ExtractRequest, memory_bytes: int) -> None:
        """Hand one attempt to Ray; it waits there until a CPU and so much memory are free."""
        with self._session.use():
            stream = remote_attempt.options(
                num_returns="streaming", name=request.attempt.name, memory=memory_bytes
            ).remote(task_build(), pickle.dumps(request))
        running = _Running(request.attempt, stream, self._session.generation)
        self._running[stream] = running
        self._silence.hand_over(stream, memory_bytes)

    def poll(self, seconds: float) -> list[Outcome]:
        """Wait at most so long for outcomes; what died or stalled gives a retryable Failure."""
        outcomes = list(self._lost())
        if outcomes or not self._running:
            return outcomes
        try:
            with self._session.use():
                streams = list(self._running)
                ray.wait(streams, timeout=seconds, fetch_local=False)
                ready, _ = ray.wait(streams, num_returns=len(streams), timeout=0, fetch_local=False)
                outcomes += [each for stream in ready for each in self._advance(stream)]
        except ClusterUnavailable:
            return list(self._lost())
        return outcomes + list(self._stalled())

    def stop(self) -> None:
        """Cancel what runs: first softly, so that the source's queries end too, then by force.

        Comes back once the tasks have ended and their connections are closed, within some 11 s.
        Nothing is returned: the caller ends the attempts in the catalog, whose fence, not this
        cancel, is what keeps them from publishing.
        """
        self._cancel(force=False)
        self._await_end(_SOFT_SECONDS)
        if self._running:
            self._cancel(force=True)
            self._await_end(_FORCED_SECONDS)
            time.sleep(_NOTICE_SECONDS)
        for stream in list(self._running):
            self._forget(stream)

    def _await_end(self, seconds: float) -> None:
        left = deadline_in(seconds)
        while self._running and left() > 0:
            self.poll(min(0.5, left()))

    def _advance(self, stream: Any) -> Iterator[Outcome]:
        running = self._running[stream]
        try:
            value = ray.get(next(stream), timeout=5)
        except StopIteration:
            yield self._give_up(running, "the extraction task ended without an outcome")
        except ray.exceptions.GetTimeoutError:
            return
        except ray.exceptions.OutOfMemoryError:
            yield self._give_up(running, OutOfMemory().detail, OutOfMemory.code)
        except ray.exceptions.RayError as dead:
            yield self._give_up(running, f"the extraction task died ({type(dead).__name__})")
        else:
            self._silence.hear(stream)
            if isinstance(value, Refusal):
                yield self._give_up(running, _foreign(value), ForeignBuild.code)
            elif not isinstance(value, Pulse):
                self._forget(stream)
                yield value

    def _stalled(self) -> Iterator[Outcome]:
        for stream in self._silence.too_long():
            self._kill(stream, force=True)
            silent = f"the extraction task was silent for {STALL_SECONDS:g} s"
            yield self._give_up(self._running[stream], silent)

    def _lost(self) -> Iterator[Outcome]:
        """Give up what was started in a cluster that is no more."""
        current = self._session.generation if self._session.is_connected() else None
        for running in list(self._running.values()):
            if running.generation != current:
                yield self._give_up(running, "the Ray cluster was lost")

    def _give_up(
        self, running: _Running, detail: str, code: str = ClusterUnavailable.code
    ) -> Failure:
        self._forget(running.stream)
        return Failure(running.attempt, code, detail, is_retryable=True)

    def _forget(self, stream: Any) -> None:
        del self._running[stream]
        self._silence.forget(stream)

    def _cancel(self, *, force: bool) -> None:
        for stream in list(self._running):
            self._kill(stream, force=force)

    def _kill(self, stream: Any, *, force: bool) -> None:
        try:
            with self._session.use():
                ray.cancel(stream, force=force)
        except (ClusterUnavailable, ray.exceptions.RayError, ValueError) as ended:
            _log.debug("cancel_missed", error=type(ended).__name__)


def _foreign(refusal: Refusal) -> str:
    return (
        f"Ray node {refusal.node_id} runs build {refusal.build}, the worker {task_build()}: "
        "bring both to one version"
    )
