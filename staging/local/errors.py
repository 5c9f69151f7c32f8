"""What can go wrong with the embedded stack; part of the one tree of `staging.core.errors`."""

from staging.core.errors import InvalidValue, NotFound, StagingError, StateConflict, Unavailable


def in_a_line(failure: Exception) -> str:
    """Say why something failed; a failure that nobody foresaw is named by its kind, too."""
    why = next(iter(str(failure).splitlines()), "")
    foreseen = isinstance(failure, StagingError | OSError)
    return why if foreseen else f"{type(failure).__name__}: {why}"


class StackError(StagingError):
    """The embedded stack could not do it."""

    code = "stack_error"


class ServerMissing(StackError):
    """A server program of the embedded stack is not installed."""

    code = "server_missing"


class PortTaken(StackError):
    """Another process listens on the port."""

    code = "port_taken"


class PartFailed(StackError):
    """A part ended again and again, or did not start."""

    code = "part_failed"


class PartTimedOut(Unavailable):
    """A part did not become ready in time."""

    code = "part_timed_out"


class StackTimedOut(Unavailable):
    """The stack did not start or stop in time."""

    code = "stack_timed_out"


class StackNotRunning(Unavailable):
    """The stack does not run; start it: staging up -d."""

    code = "stack_not_running"


class UnknownPart(NotFound):
    """The stack has no such part."""

    code = "unknown_part"


class UnknownNode(NotFound):
    """The cluster has no such node."""

    code = "unknown_node"


class ClusterBusy(Unavailable):
    """Another command is changing the cluster."""

    code = "cluster_busy"


class NodesLate(Unavailable):
    """The cluster did not become as it was wanted in time."""

    code = "nodes_late"


class ProviderUnavailable(Unavailable):
    """What starts and ends the nodes does not do it."""

    code = "provider_unavailable"


class NodeStays(StateConflict):
    """The node cannot be taken out of the cluster."""

    code = "node_stays"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, current_state="alive", allowed=[])


class AutoscaleIsOn(StateConflict):
    """The autoscaler says how many nodes there are."""

    code = "autoscale_is_on"

    def __init__(self) -> None:
        super().__init__(
            "the autoscaler says how many nodes there are; change its limits with staging cluster "
            "autoscale on, or switch it off: staging cluster autoscale off",
            current_state="on",
            allowed=["autoscale"],
        )


class BadExisting(InvalidValue):
    """`--use-existing` takes temporal=HOST:PORT, s3=URL, catalog=URL or ray=HOST:PORT."""

    code = "bad_existing"


class StackRunning(StateConflict):
    """The stack is running."""

    code = "stack_running"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, current_state="running", allowed=["down"])
