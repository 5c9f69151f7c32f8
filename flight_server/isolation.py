"""Keep out of this process what cannot share it with Arrow Flight."""

import sys

FORBIDDEN = ("grpc", "ray", "temporalio")
"""Arrow Flight carries its own gRPC; a second one in the process may crash both."""


class ForeignRuntime(Exception):
    """A module that must not share a process with Arrow Flight is loaded."""


def check_isolation() -> None:
    """Raise ForeignRuntime if the process has loaded grpcio, Ray or Temporal."""
    loaded = [name for name in FORBIDDEN if name in sys.modules]
    if loaded:
        raise ForeignRuntime(
            f"the Flight server cannot run beside {', '.join(loaded)}; start it in its own process"
        )
