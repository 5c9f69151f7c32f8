"""End a command that was told to end as Ctrl-C does, so that it stops what it started."""

import signal


def end_as_ctrl_c() -> None:
    """Raise KeyboardInterrupt for SIGTERM and SIGHUP too."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
