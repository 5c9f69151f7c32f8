"""Start the parts of the embedded stack side by side, keep them, and stop them in reverse."""

import contextlib
import fcntl
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

from staging.core.errors import StagingError
from staging.local.autoscaler import Autoscaler
from staging.local.board import Board
from staging.local.errors import PartFailed, StackRunning
from staging.local.fleet import Fleet
from staging.local.folder import StateFolder
from staging.local.keeper import Keeper
from staging.local.layout import Layout, lay_out
from staging.local.options import UpOptions
from staging.local.orphans import adopt_orphans
from staging.local.parts import PARTS, Part
from staging.local.ports import PortBook
from staging.local.probes import NotReady
from staging.local.providers import node_provider
from staging.local.runfile import (
    RETRY_SIGNAL,
    PartState,
    PartStatus,
    Run,
    StackState,
    read_run,
    started_at,
    write_run,
)
from staging.settings import Settings
from staging.signals import heard_signals

_EXISTING_SECONDS, _EXISTING_POLL_SECONDS = 10.0, 0.5


class Supervisor:
    """One start of the stack; `run` returns when it was told to stop or could not start."""

    def __init__(self, layout: Layout, say: Callable[[str], None]) -> None:
        self.layout = layout
        self.say = say
        self.stop_asked, self.retry_asked = threading.Event(), threading.Event()
        self.failure: StagingError | None = None
        self.board = Board(layout.folder, first_run(layout), say)
        self.fleet = Fleet(layout, lambda: self.board.ready_pid("ray"), say)
        self.autoscaler = Autoscaler(layout, node_provider(layout), say)
        self.keepers = [
            Keeper(part, layout, self.board, self._note_failure, self._ends_with(part))
            for part in PARTS
            if part.name not in layout.options.existing
        ]

    def run(self) -> None:
        """Start, keep, stop; raises what kept the stack from starting."""
        for notice in self.layout.notices:
            self.say(notice)
        try:
            if self._finds_existing():
                self._start()
            while not self.stop_asked.wait(0.2):
                if self.retry_asked.is_set():
                    self._retry_failed()
                self._judge()
        finally:
            self._stop()
        if self.board.run.state is StackState.FAILED and self.failure is not None:
            raise self.failure

    def _finds_existing(self) -> bool:
        """Ask the parts that are said to run already; note the first that does not answer."""
        for part in PARTS:
            address = self.layout.options.existing.get(part.name)
            if address is not None and (why := self._why_silent(part)) is not None:
                self._note_failure(
                    PartFailed(f"the existing {part.name} at {address} does not work: {why}")
                )
                return False
        return True

    def _why_silent(self, part: Part) -> str | None:
        deadline = time.monotonic() + _EXISTING_SECONDS
        while True:
            try:
                part.check(self.layout)
            except NotReady as not_yet:
                if time.monotonic() > deadline or self.stop_asked.wait(_EXISTING_POLL_SECONDS):
                    return str(not_yet)
            else:
                return None

    def _start(self) -> None:
        by_name = {keeper.part.name: keeper for keeper in self.keepers}
        for keeper in self.keepers:
            keeper.start([by_name[name] for name in keeper.part.after if name in by_name])
        if "ray" in by_name:
            self.fleet.start()
        self.autoscaler.start()

    def _ends_with(self, part: Part) -> Callable[[], None] | None:
        return self.fleet.end_all if part.name == "ray" else None

    def _retry_failed(self) -> None:
        """Start again what was given up."""
        self.retry_asked.clear()
        self.failure = None
        self.board.stack(StackState.RECOVERING)
        for keeper in self.keepers:
            keeper.retry.set()

    def _judge(self) -> None:
        """Tell the state of the whole from the states of the parts."""
        self.board.rewrite()
        state = self.board.run.state
        if self.failure is not None and state is StackState.STARTING:
            self.board.stack(StackState.FAILED, self.failure)
            self.stop_asked.set()
        elif self.board.all_settled() and state is not StackState.READY:
            self.failure = None
            self.board.stack(StackState.READY)
            self.say(f"ready      {self.layout.api_url}")
        elif self.failure is not None and state is not StackState.DEGRADED:
            self.board.stack(StackState.DEGRADED, self.failure)

    def _note_failure(self, failure: StagingError) -> None:
        self.failure = failure
        self.say(f"error: {failure.detail}")

    def _stop(self) -> None:
        failed = self.board.run.state is StackState.FAILED
        if not failed:
            self.board.stack(StackState.STOPPING)
        self.autoscaler.stop()
        for keeper in reversed(self.keepers):
            if keeper.part.name == "ray":
                self.fleet.stop()
            keeper.stop()
            if not keeper.part.is_step:
                self.board.part(keeper.part.name, PartState.STOPPED)
        if not failed:
            self.board.stack(StackState.STOPPED)


def first_run(layout: Layout) -> Run:
    """Describe the stack before anything of it runs."""
    existing = layout.options.existing
    parts = [
        PartStatus(
            name=part.name,
            state=PartState.EXTERNAL if part.name in existing else PartState.WAITING,
            url=part.url(layout),
            log=None if part.name in existing else str(layout.folder.log(part.name)),
        )
        for part in PARTS
        if not part.is_step
    ]
    return Run(
        pid=os.getpid(),
        started_at=started_at(os.getpid()),
        state=StackState.STARTING,
        parts=tuple(parts),
        notices=layout.notices,
        environment=layout.public_environment(),
        ports=layout.ports.flat(),
        ray_folder=str(layout.ray_folder),
    )


def supervise(settings: Settings, options: UpOptions, say: Callable[[str], None]) -> None:
    """Run the stack of the settings' state folder until SIGTERM, SIGINT or SIGHUP.

    SIGUSR1 starts again what was given up.  Main thread only; the environment becomes the parts'.
    Raises StackRunning if another supervisor has the folder, PortTaken, PartFailed, PartTimedOut.
    """
    folder = StateFolder(settings.state_dir.absolute())
    folder.create()
    with _alone(folder):
        folder.turn_logs()
        layout = _lay_out(settings, options, folder)
        environment = layout.environment()
        os.environ.clear()
        os.environ.update(environment)
        adopt_orphans()
        supervisor = Supervisor(layout, say)
        _obey_signals(supervisor)
        if options.is_bound:
            _end_with_starter(supervisor)
        supervisor.run()


def _lay_out(settings: Settings, options: UpOptions, folder: StateFolder) -> Layout:
    last = read_run(folder)
    try:
        return lay_out(settings, options, folder, last, PortBook())
    except StagingError as refused:
        here = os.getpid()
        told = Run(
            here,
            started_at(here),
            StackState.FAILED,
            error=refused.detail,
            error_code=refused.code,
            ports=last.ports if last else {},
            ray_folder=last.ray_folder if last else None,
        )
        write_run(folder, told)
        raise


def _obey_signals(supervisor: Supervisor) -> None:
    wait_for_next = heard_signals(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, RETRY_SIGNAL)

    def obey() -> None:
        while True:
            is_retry = wait_for_next() == RETRY_SIGNAL
            (supervisor.retry_asked if is_retry else supervisor.stop_asked).set()

    threading.Thread(target=obey, name="signals", daemon=True).start()


def _end_with_starter(supervisor: Supervisor) -> None:
    """Stop when standard input closes: it is held open by whoever started us, however they end."""

    def watch() -> None:
        while sys.stdin.buffer.read(1):
            pass
        supervisor.stop_asked.set()

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


@contextlib.contextmanager
def _alone(folder: StateFolder) -> Iterator[None]:
    """Hold the folder's lock; it goes with the process, so a stale file is no obstacle."""
    with folder.lock_file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as held:
            raise StackRunning(
                f"the stack of {folder.root} runs already; see: staging status"
            ) from held
        yield
