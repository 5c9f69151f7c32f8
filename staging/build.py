"""Which build this process runs: the version, and a hash of the code itself."""

from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from prometheus_client import CollectorRegistry, Info

DISTRIBUTION = "staging-service"
_PACKAGES = ("api", "cluster", "flight_server", "staging", "workflows")


@cache
def this_build() -> str:
    """Give `VERSION+HASH`: equal for equal code, wherever it is installed.

    Read when it is first asked for, so ask before the code may change under the process.
    """
    hashed = sha256()
    for package in _PACKAGES:
        spec = find_spec(package)
        root = Path(str(spec.origin)).parent if spec is not None else Path()
        for file in sorted(root.rglob("*.py")) if spec is not None else ():
            hashed.update(f"{package}/{file.relative_to(root).as_posix()}\0".encode())
            hashed.update(file.read_bytes())
    return f"{version(DISTRIBUTION)}+{hashed.hexdigest()[:12]}"


def tell_build(registry: CollectorRegistry) -> None:
    """Show the build among the metrics, as `staging_build_info`."""
    Info("staging_build", "Which build the process runs.", registry=registry).info(
        {"build": this_build()}
    )
