"""Delete the state of a stopped stack."""

import shutil
from pathlib import Path

from staging.local.errors import StackRunning
from staging.local.folder import StateFolder
from staging.local.runfile import living_run, read_run


def check_stopped(folder: StateFolder) -> None:
    """Raise StackRunning if a supervisor is alive in the folder."""
    if living_run(folder) is not None:
        raise StackRunning("the stack is running; stop it first: staging down")


def delete_state(folder: StateFolder) -> None:
    """Delete all that the stack made; raises StackRunning if it runs."""
    check_stopped(folder)
    last = read_run(folder)
    if last is not None and last.ray_folder:
        shutil.rmtree(Path(last.ray_folder), ignore_errors=True)
    folder.clear()
