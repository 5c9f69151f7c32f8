"""End what a part left behind when its guard was killed, too."""

import contextlib
import os
import time

import psutil

from staging.local import guard

_WAIT_SECONDS = 5.0
_ROUNDS, _CALM_ROUNDS, _ROUND_SECONDS = 100, 3, 0.05


def adopt_orphans() -> None:
    """Let the orphans of this process's descendants become its own children (prctl(2))."""
    guard.become_subreaper()


def end_orphans() -> None:
    """Kill adopted processes and all below them, again until none is found for a while.

    A program that its dead guard takes along hands on its own children only as it ends, so one
    look may come too early for them.
    """
    calm = 0
    for _ in range(_ROUNDS):
        adopted = [child for child in psutil.Process().children() if _is_adopted(child)]
        for child in adopted:
            _kill_tree(child)
        calm = 0 if adopted else calm + 1
        if calm == _CALM_ROUNDS:
            return
        time.sleep(_ROUND_SECONDS)


def _is_adopted(child: psutil.Process) -> bool:
    """Tell a living orphan from what we started ourselves.

    That is either a guard (or about to become one, still with our own command line), or runs in
    our own session; an orphan is neither, because every guard begins a session.
    """
    try:
        command = child.cmdline()
        is_guard = guard.__file__ in command or command == psutil.Process().cmdline()
        return os.getsid(child.pid) != os.getsid(0) and not is_guard
    except (psutil.Error, OSError):  # it has ended
        return False


def _kill_tree(root: psutil.Process) -> None:
    tree = [*root.children(recursive=True), root]
    for each in tree:
        with contextlib.suppress(psutil.Error):
            each.kill()
    psutil.wait_procs(tree, timeout=_WAIT_SECONDS)
