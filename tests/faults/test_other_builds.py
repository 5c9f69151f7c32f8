"""A node whose code is another than the worker's: it reads nothing, and the log says why."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from staging.local.child import start
from staging.local.local_node import node_program
from staging.local.node_orders import Order
from tests.cluster import Operator
from tests.rows import assert_same_rows

ROOT = Path(__file__).parents[2]
CHUNK = 1 << 20
"""Small enough for every node to be given partitions."""


@pytest.fixture
def foreign_node(stack, tmp_path) -> Iterator[str]:
    """The id of a node that runs code which differs from ours by a comment."""
    for package in ("cluster", "staging"):
        leave_out = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=leave_out)
    with (tmp_path / "cluster" / "extract.py").open("a") as code:
        code.write("# of another build\n")
    operator = Operator(stack.environment)
    ours = {each["node_id"] for each in operator.nodes()}
    program = node_program(stack.layout, Order("foreign-99", cpus=2))
    foreign = {**(program.environment or {}), "PYTHONPATH": str(tmp_path)}
    child = start(replace(program, environment=foreign))
    nodes = operator.until(lambda found: any(each["node_id"] not in ours for each in found))
    node_id = next(each["node_id"] for each in nodes if each["node_id"] not in ours)
    yield node_id
    child.stop()
    operator.until(lambda found: all(each["node_id"] != node_id for each in found))


def test_a_node_of_another_build_reads_nothing_and_no_row_is_lost(
    stack, service, longer_table, foreign_node
):
    source = {"connection": "warehouse", "table": longer_table.name}

    job_id = service.create(source, chunk_target_bytes=CHUNK)["job_id"]
    service.until(job_id, lambda _: refusals(stack, job_id))
    longer_table.hurry()
    service.until_state(job_id, "staged")

    assert_same_rows(service.read_by_link(job_id), longer_table.rows, "id")
    readers = service.http.get(f"/jobs/{job_id}/nodes").json()["nodes"]
    assert foreign_node not in [each["node_id"] for each in readers]
    told = f"Ray node {foreign_node} runs build "
    assert all(told in line for line in refusals(stack, job_id))


def refusals(stack, job_id):
    log = (stack.folder.logs / "worker.log").read_text().splitlines()
    return [line for line in log if job_id in line and '"code": "foreign_build"' in line]
