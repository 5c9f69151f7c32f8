"""Let a node of a Ray cluster end: `python -m cluster.drain ADDRESS NODE_ID SECONDS`.

A process of its own, for the reason that `cluster.nodes` has.
"""

import sys
import time

from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled
from ray.core.generated.autoscaler_pb2 import DrainNodeReason  # type: ignore[attr-defined]  # generated

_WHY = "an operator makes the cluster smaller"
_IN_ANY_CASE = DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
"""The other reason lets a node that is not idle refuse (Ray 2.60, autoscaler.proto)."""


def drain(address: str, node_id: str, seconds: float) -> None:
    """Start nothing more on the node, which then ends with its last task; idempotent.

    Ray ends it after so many seconds at the latest.  Raises RuntimeError if Ray refuses.
    """
    deadline_ms = int((time.time() + seconds) * 1000)
    answer = GcsClient(address=address).drain_node(node_id, _IN_ANY_CASE, _WHY, deadline_ms)
    is_accepted, refusal = answer
    if not is_accepted:
        raise RuntimeError(refusal)


if __name__ == "__main__":
    drain(sys.argv[1], sys.argv[2], float(sys.argv[3]))
