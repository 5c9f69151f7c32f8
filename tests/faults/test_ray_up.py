"""`ray-cluster.yaml` for real: launched over SSH, read on, grown, cut off and shrunk."""

import json
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import yaml

from tests import warehouse
from tests.e2e.service import Service
from tests.launched import Launched, launched
from tests.ray_hosts import missing_programs
from tests.rows import assert_same_rows

_MISSING = missing_programs()
if _MISSING is not None:
    pytest.skip(_MISSING, allow_module_level=True)

CHUNK = 1 << 20


@pytest.fixture(scope="module")
def cluster(s3, postgres, dsn) -> Iterator[Launched]:
    port = urlsplit(s3.endpoint).port
    with launched(port, postgres.port, urlsplit(dsn).path[1:]) as one:
        yield one


@pytest.fixture
def longest_table(dsn: str) -> Iterator[warehouse.SlowTable]:
    """A table that is read for longer than a busy machine takes to start a host: 960 s."""
    name = f"longest_{uuid.uuid4().hex}"
    with warehouse.slow_table(dsn, name, 3 * warehouse.SLOW_ROWS, seconds=0.4) as table:
        yield table


def addresses(nodes):
    return [each["address"] for each in nodes if each["state"] == "alive"]


def test_rays_own_autoscaler_has_the_say_between_our_limits(cluster, longest_table):
    network, operator = cluster.network, cluster.operator
    head, host = network.address(0), network.address(1)
    operator.until(lambda nodes: addresses(nodes) == [head, host])

    operator.do("autoscale", "on", "--min", "1", "--max", "2", "--cool-down", "6")
    operator.until(lambda nodes: addresses(nodes) == [head])
    service = Service(cluster.stack.api_url)
    source = {"connection": "warehouse", "table": longest_table.name}
    job_id = service.create(source, chunk_target_bytes=CHUNK)["job_id"]
    operator.until(lambda nodes: any(is_reading(each, host) for each in nodes))
    operator.do("autoscale", "off")

    longest_table.hurry()
    service.until_state(job_id, "staged")
    assert_same_rows(service.read_by_link(job_id), longest_table.rows, "id")
    assert addresses(operator.nodes()) == [head, host]


def test_a_host_is_added_and_another_lost_in_mid_job_and_no_row_is(cluster, longest_table):
    network, operator = cluster.network, cluster.operator
    operator.until(lambda nodes: addresses(nodes) == [network.address(0), network.address(1)])
    adding = operator.begin("add", "--deadline", "240")
    assert adding.stderr is not None
    assert adding.stderr.readline() == "adds 1 node, CPUs each: 1\n"
    assert adding.stderr.readline() == "waits for 1 worker to start\n"
    service = Service(cluster.stack.api_url)
    source = {"connection": "warehouse", "table": longest_table.name}
    job_id = service.create(source, chunk_target_bytes=CHUNK)["job_id"]
    operator.until(lambda nodes: [bool(each["partitions"]) for each in nodes[:2]] == [True] * 2)

    network.add()  # the host is switched on only now
    operator.until(lambda nodes: any(is_reading(each, network.address(2)) for each in nodes))
    network.hosts[1].kill()

    assert adding.wait(100) == 0
    assert service.job(job_id)["state"] == "running", "the job was over too early"
    longest_table.hurry()
    service.until_state(job_id, "staged")
    assert_same_rows(service.read_by_link(job_id), longest_table.rows, "id")
    log = (cluster.stack.folder.logs / "worker.log").read_text()
    assert any("attempt_failed" in line and job_id in line for line in log.splitlines())


def is_reading(node, address):
    return node["address"] == address and node["partitions"] > 0


def test_a_host_whose_disk_is_full_loses_no_row(cluster, longest_table):
    network, operator = cluster.network, cluster.operator
    service = Service(cluster.stack.api_url)
    source = {"connection": "warehouse", "table": longest_table.name}

    with network.hosts[2].full_disk():
        job_id = service.create(source, chunk_target_bytes=CHUNK)["job_id"]
        operator.until(lambda nodes: any(is_reading(each, network.address(2)) for each in nodes))
        longest_table.hurry()
        service.until_state(job_id, "staged")

    assert_same_rows(service.read_by_link(job_id), longest_table.rows, "id")
    log = (cluster.stack.folder.logs / "worker.log").read_text().splitlines()
    failed = [json.loads(line) for line in log if "attempt_failed" in line and job_id in line]
    codes = {each["code"] for each in failed}
    assert set() < codes <= {"storage_unavailable", "cluster_unavailable"}  # nor can Ray write


def test_a_lost_host_is_given_up_and_another_drained_for_good(cluster):
    network, operator = cluster.network, cluster.operator
    lost = network.address(1)
    operator.until(lambda nodes: lost not in addresses(nodes))

    operator.do("scale", "2", "--deadline", "240")
    assert addresses(operator.nodes()) == [network.address(0), network.address(2)]

    drained = operator.do("drain", network.address(2), "--deadline", "240")
    assert f"drains {network.address(2)}" in drained.stderr
    assert addresses(operator.nodes()) == [network.address(0)]
    assert operator.do("scale", "1").stderr == "nothing to do\n"


def test_what_the_file_does_not_allow_and_a_launcher_that_fails_are_told(cluster):
    operator, whole = cluster.operator, cluster.file.read_text()
    try:
        too_many = operator.run("scale", "4")
        cluster.file.write_text(yaml.safe_dump(yaml.safe_load(whole) | {"cluster_name": "other"}))
        unknown = operator.run("scale", "2")
        cluster.file.write_text("provider: 3")
        no_file = operator.run("scale", "2")
    finally:
        cluster.file.write_text(whole)

    assert (too_many.returncode, unknown.returncode, no_file.returncode) == (2, 6, 2)
    assert "3 workers are more than the 2 hosts" in too_many.stderr
    assert "'other' was not launched from this machine" in unknown.stderr
    assert "is no file of Ray's cluster launcher" in no_file.stderr
    assert len(operator.nodes()) == 1
