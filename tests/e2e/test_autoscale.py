"""`staging cluster autoscale` on the running stack: it grows with the jobs and shrinks after."""

import json
import time

import pytest

from tests.cluster import Operator
from tests.faults.processes import an_attempt_of
from tests.rows import assert_same_rows


@pytest.fixture
def operator(stack):
    """An operator who leaves the cluster as small as it was, and the autoscaler off."""
    one = Operator(stack.environment)
    yield one
    one.do("autoscale", "off")
    one.do("scale", "1", "--deadline", "0")


def status(operator):
    return json.loads(operator.do("autoscale", "status", "--json").stdout)


def until_told(operator, expected, seconds=180):
    """The autoscaler tells what it saw in its last round."""
    deadline = time.monotonic() + seconds
    while not (told := status(operator)).items() >= expected.items():
        assert time.monotonic() < deadline, told


def test_the_cluster_grows_with_what_is_left_to_read_and_shrinks_when_it_is_read(
    operator, service, longer_table
):
    operator.do("autoscale", "on", "--max", "3", "--cool-down", "4", "--drain-deadline", "60")
    source = {"connection": "warehouse", "table": longer_table.name}
    job_id = service.create(source, chunk_target_bytes=1 << 20)["job_id"]
    an_attempt_of(job_id)

    operator.until(lambda nodes: [bool(each["partitions"]) for each in nodes] == [True] * 3)

    assert service.job(job_id)["state"] == "running"
    told = status(operator)
    assert (told["is_on"], told["min"], told["max"], told["wanted"]) == (True, 1, 3, 3)
    longer_table.hurry()
    service.until_state(job_id, "staged")
    operator.until(lambda nodes: len(nodes) == 1)
    assert_same_rows(service.read_by_link(job_id), longer_table.rows, "id")
    until_told(operator, {"readers": 0, "nodes": 1, "wanted": 1, "why": ""})


def test_a_cpu_is_wanted_only_for_so_many_bytes_that_are_left(operator, service, longer_table):
    operator.do("autoscale", "on", "--max", "3", "--mib-per-cpu", "1024")
    source = {"connection": "warehouse", "table": longer_table.name}
    job_id = service.create(source, chunk_target_bytes=1 << 20)["job_id"]
    an_attempt_of(job_id)

    until_told(operator, {"bytes_per_cpu": 1 << 30, "readers": 1, "wanted": 1})

    assert service.job(job_id)["state"] == "running"
    longer_table.hurry()
    service.until_state(job_id, "staged")
    assert len(operator.nodes()) == 1


def test_the_floor_is_kept_without_a_job_and_nobody_scales_by_hand_meanwhile(operator):
    operator.do("autoscale", "on", "--min", "2", "--max", "2")

    operator.until(lambda nodes: len(nodes) == 2)

    refused = operator.run("scale", "3")
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "staging cluster autoscale off" in refused.stderr
    assert json.loads(operator.do("autoscale", "off", "--json").stdout) == {"is_on": False}
    assert len(operator.nodes()) == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["on", "--min", "3", "--max", "2"], "--min 3 is more than --max 2"),
        (["on", "--min", "0"], "--min"),
        (["on", "--max", "17"], "--yes"),
        (["on", "--cool-down", "-1"], "--cool-down"),
    ],
)
def test_limits_that_make_no_sense_are_refused(operator, words, says):
    refused = operator.run("autoscale", *words)

    assert (refused.returncode, refused.stdout) == (2, "")
    assert says in refused.stderr
    assert status(operator) == {"is_on": False}
