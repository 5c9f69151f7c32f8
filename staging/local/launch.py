"""Start the supervisor in the background and wait for the stack; stop it again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

from staging.core.errors import StagingError
from staging.local.errors import (
    PartFailed,
    PartTimedOut,
    PortTaken,
    StackError,
    StackRunning,
    StackTimedOut,
)
from staging.local.folder import StateFolder
from staging.local.options import UpOptions
from staging.local.runfile import RETRY_SIGNAL, Run, StackState, living_run, read_run

_POLL_SECONDS = 0.1
_START_SECONDS = 600.0
_STOP_SECONDS = 90.0
_HEED_SECONDS = 5.0
_KINDS = {each.code: each for each in (PortTaken, PartFailed, PartTimedOut)}


def start_in_background(
    folder: StateFolder, options: UpOptions, environment: Mapping[str, str] = os.environ
) -> Run:
    """Start the stack unless it runs already, and wait until it is ready.

    Idempotent; parts of a running stack that were given up are started again.  A bound stack ends
    with this process.
    Raises what kept it from starting, StackRunning if it runs on another port than is asked for;
    a stack that did not start leaves nothing behind.
    """
    running = living_run(folder)
    if running is None:
        supervisor = _spawn(folder, options, environment)
        return _until_ready(folder, lambda: supervisor.poll() is None, supervisor.pid)
    _check_port(running, options)
    if running.state is StackState.DEGRADED:
        _ask_to_recover(folder, running)
    return _until_ready(folder, running.is_alive, running.pid)


def stop(folder: StateFolder) -> bool:
    """Stop the stack and wait until all of it is gone; False if it did not run.

    Raises StackTimedOut if it is still there after 90 s.
    """
    running = living_run(folder)
    if running is None:
        return False
    os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while running.is_alive():
        if time.monotonic() > deadline:
            raise StackTimedOut(
                f"the stack (pid {running.pid}) did not stop in {_STOP_SECONDS:.0f} s; "
                f"see {folder.log('supervisor')}"
            )
        time.sleep(_POLL_SECONDS)
    return True


def _ask_to_recover(folder: StateFolder, running: Run) -> None:
    os.kill(running.pid, RETRY_SIGNAL)
    deadline = time.monotonic() + _HEED_SECONDS
    while time.monotonic() < deadline:
        run = read_run(folder)
        if run is not None and run.state is not StackState.DEGRADED:
            return
        time.sleep(_POLL_SECONDS)


def _check_port(running: Run, options: UpOptions) -> None:
    port = running.environment.get("STAGING_PORT")
    if options.port and port is not None and int(port) != options.port:
        raise StackRunning(
            f"the stack runs already, on port {port}; to move it: staging down, then "
            f"staging up -d --port {options.port}"
        )


def _spawn(
    folder: StateFolder, options: UpOptions, environment: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    folder.create()
    with folder.log("supervisor").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "staging.local", options.to_json()],
            stdin=_lifeline() if options.is_bound else subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=dict(environment) | {"STAGING_STATE_DIR": str(folder.root)},
            start_new_session=True,
        )


def _lifeline() -> int:
    """Give the end of a pipe to read from; the other end closes when this process ends."""
    reads, _writes = os.pipe()
    return reads


def _until_ready(folder: StateFolder, is_alive: Callable[[], bool], pid: int) -> Run:
    deadline = time.monotonic() + _START_SECONDS
    try:
        while time.monotonic() < deadline:
            alive = is_alive()
            run = read_run(folder)
            if run is not None and run.pid == pid and run.state is StackState.READY:
                return run
            if run is not None and run.pid == pid and run.state is StackState.DEGRADED:
                raise _failure(folder, pid)
            if not alive:
                other = _someone_quicker(folder, pid)
                return _until_ready(folder, other.is_alive, other.pid)
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        os.kill(pid, signal.SIGTERM)
        raise
    raise StackTimedOut(
        f"the stack is not ready after {_START_SECONDS:.0f} s; see {folder.log('supervisor')}"
    )


def _someone_quicker(folder: StateFolder, pid: int) -> Run:
    """Find the supervisor that was in the way of ours; raises what ended ours if none was."""
    deadline = time.monotonic() + _HEED_SECONDS
    while time.monotonic() < deadline:
        run = read_run(folder)
        if run is not None and run.pid == pid:
            break
        if run is not None and run.is_alive():
            return run
        time.sleep(_POLL_SECONDS)
    raise _failure(folder, pid)


def _failure(folder: StateFolder, pid: int) -> StagingError:
    run = read_run(folder)
    if run is None or run.pid != pid or run.error is None:
        return StackError(f"the supervisor ended; see {folder.log('supervisor')}")
    return _KINDS.get(run.error_code or "", StackError)(run.error)
