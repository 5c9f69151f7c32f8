"""Drain, remove, cut off and kill nodes in mid-job: every row once."""

import json
import time

import pytest

from tests.cluster import Operator, raylet_of
from tests.faults.processes import an_attempt_of
from tests.rows import assert_same_rows

CHUNK = 4 << 20
"""Large enough for a partition to take some 20 s, unless the table hurries."""


@pytest.fixture(scope="module")
def cluster(stack):
    """An operator who leaves the cluster as small as it was."""
    one = Operator(stack.environment)
    yield one
    one.do("scale", "1", "--deadline", "0")


@pytest.fixture
def operator(cluster):
    """An operator of three nodes."""
    cluster.do("scale", "3")
    return cluster


@pytest.fixture
def fresh_worker(stack, operator):
    """The pid of a worker that has joined the cluster when it had three nodes."""
    stack.kill("worker")
    return stack.pid_of("worker")


@pytest.fixture
def job_id(service, longer_table, operator):
    """A job that is read on every node now."""
    source = {"connection": "warehouse", "table": longer_table.name}
    job_id = service.create(source, chunk_target_bytes=CHUNK)["job_id"]
    an_attempt_of(job_id)
    operator.until(lambda nodes: all(each["partitions"] for each in nodes))
    return job_id


@pytest.fixture
def assert_whole(service, stack, job_id, longer_table):
    """Fail unless the job is still read, and is then staged with exactly its rows."""

    def check():
        rows = longer_table.rows
        assert service.job(job_id)["state"] == "running", "the job was over too early"
        longer_table.hurry()
        service.until_state(job_id, "staged")
        assert_same_rows(service.read_by_link(job_id), rows, "id")
        assert_same_rows(service.read_by_flight(job_id, stack.flight_location), rows, "id")

    return check


def failed_attempts(stack, job_id):
    log = (stack.folder.logs / "worker.log").read_text().splitlines()
    return [line for line in log if "attempt_failed" in line and job_id in line]


def test_a_drained_node_ends_with_what_it_reads_and_no_attempt_fails(
    operator, stack, job_id, assert_whole
):
    leaving = operator.nodes()[1]
    draining = operator.begin("drain", leaving["node_id"], "--json")
    operator.until(lambda nodes: any(each["state"] == "draining" for each in nodes))

    assert_whole()

    removed, waited_for = draining.communicate(timeout=100)
    assert json.loads(removed)["removed"] == [leaving["node_id"]]
    assert "to end: it reads 1 partition\n" in waited_for
    assert leaving["node_id"] not in [each["node_id"] for each in operator.nodes()]
    assert failed_attempts(stack, job_id) == []


@pytest.mark.parametrize("words", [["drain", "--deadline", "0.5"], ["remove"]])
def test_what_a_leaving_node_still_reads_is_read_again_elsewhere(
    operator, stack, job_id, assert_whole, words
):
    leaving = operator.nodes()[1]

    operator.do(*words, leaving["node_id"])

    assert len(operator.nodes()) == 2
    assert_whole()
    assert failed_attempts(stack, job_id)


def test_a_cluster_that_is_scaled_down_reads_on(operator, job_id, assert_whole):
    operator.do("scale", "1", "--deadline", "5")

    assert len(operator.nodes()) == 1
    assert_whole()


def test_a_killed_node_loses_no_row_and_doubles_none(operator, stack, job_id, assert_whole):
    lost = operator.nodes()[1]

    raylet_of(lost["node_id"]).kill()

    deadline = time.monotonic() + 120
    while not failed_attempts(stack, job_id):
        assert time.monotonic() < deadline, "nobody missed the node"
        time.sleep(0.2)
    assert_whole()
    assert len(operator.until(lambda nodes: all(is_alive(each) for each in nodes))) == 3


def test_a_node_that_dies_while_it_drains_loses_no_row(operator, job_id, assert_whole):
    leaving = operator.nodes()[1]
    draining = operator.begin("drain", leaving["node_id"])
    operator.until(lambda nodes: any(each["state"] == "draining" for each in nodes))

    raylet_of(leaving["node_id"]).kill()

    assert draining.wait(100) == 0
    assert len(operator.nodes()) == 2
    assert_whole()


def test_a_worker_that_was_started_among_many_nodes_survives_their_end(
    operator, stack, fresh_worker, job_id, assert_whole
):
    """It joins through a node of this machine: that must be the head, which never leaves."""
    operator.do("scale", "1", "--deadline", "0")

    assert_whole()
    assert stack.pid_of("worker") == fresh_worker


def is_alive(node):
    return node["state"] == "alive"
