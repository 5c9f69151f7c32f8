"""Run one program and let nothing of it outlive whoever started it.

`python -I -S guard.py REPORT_FD STOP_SIGNAL GRACE_SECONDS UID|- PROGRAM ARGUMENT…`

Standard input is the lifeline: when its other end closes, however the starter died, the program
is stopped.  The guard is a child subreaper (prctl(2)), so processes that the program leaves
behind become the guard's children, in whatever session or group they hide, and are ended with it.
The program's pid is written to REPORT_FD.  Standard library only: it must start in no time.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_KILL_ROUNDS = 200


@dataclass(frozen=True, slots=True)
class Orders:
    """What to run and how to stop it."""

    report_fd: int
    stop_signal: int
    grace_seconds: float
    uid: int | None
    command: list[str]


def read_orders(arguments: list[str]) -> Orders:
    """Parse the command line."""
    report_fd, stop_signal, grace, uid, *command = arguments
    return Orders(
        int(report_fd), int(stop_signal), float(grace), None if uid == "-" else int(uid), command
    )


def guard(orders: Orders) -> int:
    """Run the program until it ends, or is stopped; return its exit status, shell style."""
    wake, waker = os.pipe()
    for fd in (wake, waker):
        os.set_blocking(fd, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    become_subreaper()
    child = _start(orders)
    os.write(orders.report_fd, f"{child}\n".encode())
    os.close(orders.report_fd)
    status = _watch(child, wake, orders)
    end_descendants()
    return status


def _start(orders: Orders) -> int:
    guard_pid = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        if orders.uid is not None:
            os.setgroups([])
            os.setgid(orders.uid)
            os.setuid(orders.uid)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard_pid:  # it died before we asked to be told
            os._exit(1)
        os.execvp(orders.command[0], orders.command)  # noqa: S606 - the point of a guard
    except OSError as error:
        os.write(2, f"cannot start {orders.command[0]}: {error}\n".encode())
    os._exit(127)


def _watch(child: int, wake: int, orders: Orders) -> int:
    """Wait for the program's end; stop it on SIGTERM, SIGINT or a closed lifeline."""
    poller = select.poll()
    poller.register(0, select.POLLIN | select.POLLHUP)
    poller.register(wake, select.POLLIN)
    deadline: float | None = None
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        ready = {fd for fd, _ in poller.poll(left)}
        numbers = os.read(wake, 4096) if wake in ready else b""
        if (status := _reap(child)) is not None:
            return status
        if 0 in ready:
            poller.unregister(0)
        if deadline is None and (0 in ready or {signal.SIGTERM, signal.SIGINT} & set(numbers)):
            deadline = time.monotonic() + orders.grace_seconds
            os.kill(child, orders.stop_signal)
        elif deadline is not None and time.monotonic() >= deadline:
            os.kill(child, signal.SIGKILL)
            deadline = time.monotonic() + orders.grace_seconds


def _reap(child: int) -> int | None:
    """Collect every ended child; return the program's status if it is among them."""
    status = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                code = os.waitstatus_to_exitcode(ended[1])
                status = code if code >= 0 else 128 - code
    return status


def end_descendants() -> None:
    """Kill whatever the program left behind, again until nothing is left."""
    for _ in range(_KILL_ROUNDS):
        left = descendants(os.getpid())
        if not left:
            return
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
        _reap(0)


def descendants(root: int) -> list[int]:
    """Return the pids of all processes below one, from /proc (nothing where there is none)."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found, waiting = [], [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def become_subreaper() -> None:
    """Become the parent of orphans below this process, instead of init."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(guard(read_orders(sys.argv[1:])))
