"""Where commands show things: a terminal, or a pipe that is never folded or coloured."""

from rich.console import Console

_PIPE_COLUMNS = 4096


def console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """Give the console of standard output, or of standard error."""
    found = Console(stderr=stderr, quiet=quiet, highlight=False)
    if not found.is_terminal:
        found.width = _PIPE_COLUMNS
    return found
