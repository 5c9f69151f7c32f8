"""End what a part left behind when its guard was killed, too."""

import contextlib
import os

import psutil

from staging.local import guard

_WAIT_SECONDS = 5.0


def adopt_orphans() -> None:
    """Let the orphans of this process's descendants become its own children (prctl(2))."""
    guard.become_subreaper()


def end_orphans() -> None:
    """Kill adopted processes and all below them.

    What we started ourselves is either a guard, or runs in our own session; what we adopted is
    neither, because every guard begins a session.
    """
    ours = os.getsid(0)
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(child.pid) != ours and guard.__file__ not in child.cmdline():
                _kill_tree(child)


def _kill_tree(root: psutil.Process) -> None:
    tree = [*root.children(recursive=True), root]
    for each in tree:
        with contextlib.suppress(psutil.Error):
            each.kill()
    psutil.wait_procs(tree, timeout=_WAIT_SECONDS)
