"""Which build this process runs: the version, and a hash of the code itself."""

from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from staging.core.errors import Unavailable

DISTRIBUTION = "staging-service"
_ALL = ("api", "cluster", "flight_server", "staging", "workflows")
_OF_TASKS = ("cluster", "staging.core", "staging.sources", "staging.storage")


class ForeignBuild(Unavailable):
    """The Ray node runs other code than the worker."""

    code = "foreign_build"


def this_build() -> str:
    """Give `VERSION+HASH`: equal for equal code, wherever it is installed.

    Read when it is first asked for, so ask before the code may change under the process.
    """
    return _build_of(_ALL)


def task_build() -> str:
    """Give the same of the code alone that an extraction task runs."""
    return _build_of(_OF_TASKS)


@cache
def _build_of(packages: tuple[str, ...]) -> str:
    hashed = sha256()
    for package in packages:
        spec = find_spec(package)
        root = Path(str(spec.origin)).parent if spec is not None else Path()
        for file in sorted(root.rglob("*.py")) if spec is not None else ():
            hashed.update(f"{package}/{file.relative_to(root).as_posix()}\0".encode())
            hashed.update(file.read_bytes())
    return f"{version(DISTRIBUTION)}+{hashed.hexdigest()[:12]}"
