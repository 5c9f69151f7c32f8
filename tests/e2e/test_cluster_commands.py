"""`staging cluster` on the running stack: what the nodes are, what they read, more and fewer."""

import json
import os

import pytest

from tests.cluster import Operator
from tests.faults.processes import an_attempt_of
from tests.rows import assert_same_rows

COLUMNS = ["node", "address", "state", "cpus", "partitions", "name"]


@pytest.fixture
def operator(stack):
    """An operator who leaves the cluster as small as it was."""
    one = Operator(stack.environment)
    yield one
    one.do("scale", "1", "--deadline", "0")


def test_nodes_and_what_they_read_are_listed(operator, service, slow_table):
    [node] = operator.nodes()
    cpus = max(2, os.cpu_count() or 1)
    assert list(node) == ["node_id", "address", "state", "cpus", "partitions"]
    assert (node["state"], node["cpus"], node["partitions"]) == ("alive", cpus, 0)

    source = {"connection": "warehouse", "table": slow_table.name}
    job_id = service.create(source, parallelism=1)["job_id"]
    an_attempt_of(job_id)

    [busy] = operator.nodes()
    assert busy == node | {"partitions": 1}
    assert json.loads(operator.do("status", "--json").stdout) == {
        "nodes": 1,
        "cpus": cpus,
        "partitions": 1,
    }
    shown = operator.do("nodes").stdout.splitlines()
    assert shown[0].split() == COLUMNS
    assert shown[1].split() == [*(str(value) for value in busy.values()), "head"]
    service.http.delete(f"/jobs/{job_id}")


def test_without_a_stack_the_commands_say_so(tmp_path):
    nobody = Operator(os.environ | {"STAGING_STATE_DIR": str(tmp_path)})
    for words in (["nodes"], ["scale", "2"], ["add"], ["drain", "node-1"], ["remove", "node-1"]):
        done = nobody.run(*words)

        assert (done.returncode, done.stdout) == (6, ""), words
        assert done.stderr == "error: The stack does not run; start it: staging up -d.\n"


def test_new_nodes_read_waiting_partitions_of_a_running_job(operator, service, longer_table):
    source = {"connection": "warehouse", "table": longer_table.name}
    job_id = service.create(source, chunk_target_bytes=1 << 20)["job_id"]
    an_attempt_of(job_id)

    scaled = operator.do("scale", "3", "--json")
    operator.until(lambda nodes: all(each["partitions"] for each in nodes[1:]))

    told = json.loads(scaled.stdout)
    assert (told["is_dry_run"], told["added"], told["removed"]) == (False, 2, [])
    assert [each["state"] for each in told["nodes"][:3]] == ["alive"] * 3
    assert [each["cpus"] for each in told["nodes"][1:3]] == [1, 1]
    assert "waits for node-" in scaled.stderr
    assert service.job(job_id)["state"] == "running"
    longer_table.hurry()
    service.until_state(job_id, "staged")
    assert_same_rows(service.read_by_link(job_id), longer_table.rows, "id")


def test_scaling_to_what_is_there_changes_nothing(operator):
    operator.do("scale", "2")
    before = operator.nodes()

    again = operator.do("scale", "2")

    assert again.stderr == "nothing to do\n"
    assert operator.nodes() == before
    assert len(before) == 2
