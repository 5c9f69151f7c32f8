"""Keep one part running: start it, wait until it works, start it again when it ends."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from staging.core.errors import StagingError
from staging.local.board import Board
from staging.local.child import Child, start
from staging.local.errors import PartFailed, PartTimedOut, in_a_line
from staging.local.layout import Layout
from staging.local.orphans import end_orphans
from staging.local.parts import Part
from staging.local.probes import NotReady
from staging.local.runfile import PartState

_RESTARTS = 3
_BACKOFF_SECONDS = 0.5
"""Doubled at each restart."""
_POLL_SECONDS = 0.1
_STOP_SECONDS, _PROBE_SECONDS = 20.0, 1.0


@dataclass(slots=True)
class Keeper:
    """The thread that keeps one part running, and the events that steer it."""

    part: Part
    layout: Layout
    board: Board
    on_failure: Callable[[StagingError], None]
    on_end: Callable[[], None] | None = None
    """Called at the end of each life, before the next begins."""
    is_ready: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)
    retry: threading.Event = field(default_factory=threading.Event)
    child: Child | None = None
    thread: threading.Thread | None = None

    def start(self, before: "list[Keeper]") -> None:
        """Begin in a thread of its own, once the parts before are ready."""
        self.thread = threading.Thread(
            target=self._keep, args=(before,), name=self.part.name, daemon=True
        )
        self.thread.start()

    def stop(self) -> None:
        """Stop the part; return when it is gone, even if its probe still waits for an answer."""
        self.stopping.set()
        self.retry.set()
        child = self.child
        if child is not None:
            child.stop()
        if self.thread is not None:
            self.thread.join(_PROBE_SECONDS if child is not None else _STOP_SECONDS)

    def _keep(self, before: "list[Keeper]") -> None:
        for each in before:
            while not each.is_ready.wait(_POLL_SECONDS):
                if self.stopping.is_set():
                    return
        failures = 0
        while not self.stopping.is_set():
            lived = self._lived()
            if self.stopping.is_set() or (self.part.is_step and self.is_ready.is_set()):
                return
            is_healthy = lived.ready_seconds >= self.layout.settings.restart_reset_seconds
            failures = 1 if is_healthy else failures + 1
            if failures > _RESTARTS or lived.is_hopeless:
                self._give_up(lived)
                failures = 0
            else:
                self._report(PartState.RESTARTING, why=lived.why)
                self.stopping.wait(_BACKOFF_SECONDS * 2 ** (failures - 1))

    def _lived(self) -> "Life":
        try:
            return self._live()
        except Exception as failed:  # noqa: BLE001  # the edge of a thread: it may live next time
            return Life(why=in_a_line(failed))

    def _live(self) -> "Life":
        """Run the part once, from its start to its end."""
        self._report(PartState.STARTING)
        try:
            child = self.child = start(self.part.program(self.layout))
        except (StagingError, OSError) as refused:
            return Life(why=str(refused), is_hopeless=True)
        self._report(PartState.STARTING, pid=child.pid)
        try:
            return self._watch(child)
        finally:
            child.stop()
            if child.poll() != 0:
                end_orphans()
            if self.on_end is not None:
                self.on_end()
            self.part.tidy(self.layout)

    def _watch(self, child: Child) -> "Life":
        begun = time.monotonic()
        why = self._until_ready(child, begun + self.part.deadline_seconds)
        if self.stopping.is_set():
            return Life(why="stopped")
        if why is not None:
            late = child.poll() is None
            return Life(why=why, is_late=late, is_hopeless=late and not self.is_ready.is_set())
        took = time.monotonic() - begun
        self.is_ready.set()
        self._report(PartState.READY, pid=child.pid, why=f"{took:.1f} s")
        while child.poll() is None and not self.stopping.wait(_POLL_SECONDS):
            pass
        return Life(why=_ended(child), ready_seconds=time.monotonic() - begun - took)

    def _until_ready(self, child: Child, deadline: float) -> str | None:
        """Wait until the part does its work; say why not if it does not."""
        why = "did not answer"
        while not self.stopping.is_set():
            status = child.poll()
            if status is not None and not (self.part.is_step and status == 0):
                return _ended(child)
            try:
                if not self.part.is_step:
                    self.part.check(self.layout)
                if status is not None or not self.part.is_step:
                    return None
            except NotReady as not_yet:
                why = str(not_yet)
            if time.monotonic() > deadline:
                return f"not ready in {self.part.deadline_seconds:.0f} s: {why}"
            self.stopping.wait(_POLL_SECONDS)
        return why

    def _give_up(self, lived: "Life") -> None:
        kind = PartTimedOut if lived.is_late else PartFailed
        log = self.layout.folder.log(self.part.name)
        again = "" if lived.is_hopeless else f" {_RESTARTS + 1} times"
        self._report(PartState.FAILED, why=lived.why)
        self.on_failure(kind(f"{self.part.name} failed{again}: {lived.why}; see {log}"))
        self.retry.clear()
        self.retry.wait()

    def _report(self, state: PartState, *, pid: int | None = None, why: str = "") -> None:
        if not self.part.is_step:
            self.board.part(self.part.name, state, pid=pid, why=why)


@dataclass(frozen=True, slots=True)
class Life:
    """How one start of a part ended; a hopeless one is not repeated."""

    why: str
    ready_seconds: float = 0.0
    is_late: bool = False
    is_hopeless: bool = False


def _ended(child: Child) -> str:
    status = child.poll()
    if status is None:
        return "stopped"
    if status < 0:
        return f"its guard was ended by signal {-status}"
    return f"ended by signal {status - 128}" if status > 128 else f"ended with {status}"
