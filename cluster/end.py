"""End a node of a Ray cluster now: `python -m cluster.end ADDRESS NODE_ID`.

A process of its own, for the reason that `cluster.nodes` has.
"""

import sys

from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled

_SECONDS = 10


def end(address: str, node_id: str) -> None:
    """Let the head shut the node's raylet down, with what it runs; idempotent.

    Ray calls that draining, but waits for nothing (autoscaler.py, drain_nodes_via_gcs).
    """
    GcsClient(address=address).drain_nodes([bytes.fromhex(node_id)], timeout=_SECONDS)


if __name__ == "__main__":
    end(sys.argv[1], sys.argv[2])
