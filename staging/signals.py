"""Heed the signals that a process is sent."""

import os
import signal
from collections.abc import Callable


def heard_signals(*numbers: int) -> Callable[[], int]:
    """Hear these signals from now on; what is given waits for the next one and tells its number.

    Main thread only, once in a process.  No Python handler takes part, for it would run in the
    main thread alone: setting an Event there blocks for good if the main thread is just entering
    its `wait`, and it does not run at all while a lock is waited for since just after the signal.
    The interpreter writes each number into a pipe at once (`signal.set_wakeup_fd`).
    """
    heard, told = os.pipe()
    os.set_blocking(told, False)
    for number in numbers:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(told)

    def wait_for_next() -> int:
        while (number := os.read(heard, 1)[0]) not in numbers:
            pass
        return number

    return wait_for_next


def end_as_ctrl_c() -> None:
    """Raise KeyboardInterrupt for SIGTERM and SIGHUP too: a command stops what it started."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
