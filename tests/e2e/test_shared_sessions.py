"""Jobs of one connection share its sessions: none waits for the end of another that reads on."""

import time

import pytest

from tests import warehouse
from tests.rows import assert_same_rows

_ENTRY = """
[connections.{name}]
kind = "postgres"
host = "127.0.0.1"
port = {port}
database = "warehouse"
user = "reader"
password = "env:WAREHOUSE_PASSWORD"
max_connections = {sessions}
"""
SESSIONS = {"one_session": 1, "five_sessions": 5}


@pytest.fixture(scope="module", autouse=True)
def registry(stack_folder, postgres):
    """Connections of few sessions, for as long as these tests run."""
    file = stack_folder / "connections.toml"
    before = file.read_text()
    entries = [
        _ENTRY.format(name=name, port=postgres.port, sessions=count)
        for name, count in SESSIONS.items()
    ]
    file.write_text(before + "".join(entries))
    time.sleep(1)
    yield
    file.write_text(before)


def begin(service, connection, slow_table, **options):
    """A long job that has read one partition of many."""
    source = {"connection": connection, "table": slow_table.name}
    job_id = service.create(source, chunk_target_bytes=1 << 20, **options)["job_id"]
    job = service.until(job_id, lambda job: job["progress"]["partitions_done"] >= 1)
    assert job["progress"]["partitions_total"] - job["progress"]["partitions_done"] >= 3
    return job_id


@pytest.mark.parametrize(
    ("connection", "consistency"),
    [("one_session", "best_effort"), ("five_sessions", "snapshot")],
)
def test_a_short_job_is_staged_while_a_long_one_reads_on(
    service, slow_table, connection, consistency
):
    options = {"consistency": consistency}
    long = begin(service, connection, slow_table, **options)

    source = {"connection": connection, "table": "public.orders"}
    short = service.create(source, **options)["job_id"]
    staged = service.until_state(short, "staged")

    assert staged["progress"]["rows"] == warehouse.ORDER_ROWS
    assert service.job(long)["state"] == "running"
    slow_table.hurry()
    service.until_state(long, "staged")
    assert_same_rows(service.read_by_link(long), slow_table.rows, "id")
