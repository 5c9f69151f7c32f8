"""What the keepers report, written to the run file at every change."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from staging.core.errors import StagingError
from staging.local.folder import StateFolder
from staging.local.runfile import PartState, PartStatus, Run, StackState, write_run

_SETTLED = (PartState.READY, PartState.EXTERNAL)


class Board:
    """The state of every part, shared by the keepers' threads."""

    def __init__(self, folder: StateFolder, run: Run, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._run = run
        self._say = say
        self._lock = threading.Lock()
        self._written = run
        write_run(folder, run)

    @property
    def run(self) -> Run:
        """The state of now."""
        with self._lock:
            return self._run

    def ready_pid(self, name: str) -> int | None:
        """Give the pid of a part of ours that does its work now."""
        part = next(each for each in self.run.parts if each.name == name)
        return part.pid if part.state is PartState.READY else None

    def part(self, name: str, state: PartState, *, pid: int | None = None, why: str = "") -> None:
        """Report what a part does now."""
        with self._lock:
            old = next(each for each in self._run.parts if each.name == name)
            new = replace(old, state=state, pid=pid)
            parts = tuple(new if each is old else each for each in self._run.parts)
            self._write(replace(self._run, parts=parts))
        if new.state is not old.state:
            self._say(_line(new, why))

    def stack(self, state: StackState, failure: StagingError | None = None) -> None:
        """Report what the whole stack does now, and what failed."""
        error, code = (failure.detail, failure.code) if failure else (None, None)
        with self._lock:
            self._write(replace(self._run, state=state, error=error, error_code=code))

    def all_settled(self) -> bool:
        """Tell whether every part is ready."""
        return all(each.state in _SETTLED for each in self.run.parts)

    def rewrite(self) -> None:
        """Write the state again if it could not be written when it changed."""
        with self._lock:
            if self._written is not self._run:
                with suppress(OSError):  # said when it changed
                    self._try_to_write()

    def _write(self, run: Run) -> None:
        if run == self._run:
            return
        self._run = run
        try:
            self._try_to_write()
        except OSError as refused:  # a full disk, say; the parts live on, and so must we
            self._say(f"the state of the stack is not written: {refused}")

    def _try_to_write(self) -> None:
        write_run(self._folder, self._run)
        self._written = self._run


def _line(part: PartStatus, why: str) -> str:
    at = f"  {part.url}" if part.url and part.state is PartState.READY else ""
    return f"{part.state.value:<10} {part.name:<8}{at}{'  ' + why if why else ''}"
