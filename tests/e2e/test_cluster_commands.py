"""`staging cluster` on the running stack: what the nodes are and what they read."""

import json
import os
import subprocess

from tests.faults.processes import an_attempt_of
from tests.stack import STAGING, RunningStack


def cluster(stack: RunningStack, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [STAGING, "cluster", *words],
        env=stack.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_nodes_and_what_they_read_are_listed(stack, service, slow_table):
    idle = json.loads(cluster(stack, "nodes", "--json").stdout)
    [node] = idle["nodes"]
    cpus = max(2, os.cpu_count() or 1)
    assert list(node) == ["node_id", "address", "state", "cpus", "partitions"]
    assert (node["state"], node["cpus"], node["partitions"]) == ("alive", cpus, 0)

    table, _ = slow_table
    job_id = service.create({"connection": "warehouse", "table": table}, parallelism=1)["job_id"]
    an_attempt_of(job_id)

    [busy] = json.loads(cluster(stack, "nodes", "--json").stdout)["nodes"]
    assert busy == node | {"partitions": 1}
    assert json.loads(cluster(stack, "status", "--json").stdout) == {
        "nodes": 1,
        "cpus": cpus,
        "partitions": 1,
    }
    shown = cluster(stack, "nodes").stdout.splitlines()
    assert shown[0].split() == ["node", "address", "state", "cpus", "partitions"]
    assert shown[1].split() == [str(value) for value in busy.values()]
    service.http.delete(f"/jobs/{job_id}")


def test_without_a_stack_the_command_says_so(tmp_path):
    done = subprocess.run(
        [STAGING, "cluster", "nodes"],
        env=os.environ | {"STAGING_STATE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (6, "")
    assert done.stderr.startswith("error: ")
