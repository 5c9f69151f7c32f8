"""Ask the running stack's Ray for its nodes, in a process of its own."""

import json
import subprocess
import sys
from typing import Any

from staging.core.errors import ClusterUnavailable
from staging.local.folder import StateFolder
from staging.local.ports import answers
from staging.local.running import running_layout

_SECONDS = 30.0


def ray_nodes(folder: StateFolder) -> list[dict[str, Any]]:
    """Give each node: node_id, address, state (alive, dead), cpus, partitions being read.

    Raises StackNotRunning, or ClusterUnavailable if Ray does not answer within 30 s.
    """
    layout = running_layout(folder)
    if not answers(layout.ray_address):
        raise ClusterUnavailable(f"no Ray cluster answers at {layout.ray_address}")
    command = [sys.executable, "-m", "cluster.nodes", layout.ray_address]
    try:
        asked = subprocess.run(
            command,
            env=layout.ray_environment(),
            capture_output=True,
            timeout=_SECONDS,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as silent:
        raise ClusterUnavailable(
            f"the Ray cluster at {layout.ray_address} does not tell its nodes; see its log: "
            "staging logs ray"
        ) from silent
    nodes: list[dict[str, Any]] = json.loads(asked.stdout)
    return nodes
