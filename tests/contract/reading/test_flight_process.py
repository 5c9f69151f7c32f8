"""The Flight process: how it starts, how much it holds, how it stops."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pytest
from pyarrow import flight

from staging.local.ports import free_port
from staging.settings import Settings, is_loopback
from tests.contract.reading.narrow import connect
from tests.contract.reading.servers import ROOT, answers, start
from tests.contract.reading.shelf import rows

SMALL = rows(0, 100)
BIG = pa.concat_tables([rows(0, 50_000)] * 24).combine_chunks()
"""Larger than what gRPC buffers for a reader that does not read."""
HOSTS = [
    host
    for host, kind in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6))
    if any(each.family == kind for each in psutil.net_if_addrs()["lo"])
]
"""The loopbacks of this machine: not every one has IPv6."""


@pytest.fixture
def alone(environment, shelf, tmp_path):
    """A Flight server of this test alone."""
    port = free_port()
    own = {"STAGING_FLIGHT_PORT": str(port), "STAGING_FLIGHT_CACHE_DIR": str(tmp_path / "cache")}
    server = start("flight_server", {**environment, **own}, tmp_path / "flight.log")
    server.until(lambda: answers(port))
    with connect(f"grpc://127.0.0.1:{port}") as client:
        yield server, client
    server.stop()


def test_tickets_of_the_key_before_are_taken_when_the_key_was_changed(environment, shelf, tmp_path):
    job_id, tickets = shelf.stage(SMALL), []
    for keys in (["first"], ["second", "first"], ["third", "second"]):
        port = free_port()
        own = {
            "STAGING_FLIGHT_PORT": str(port),
            "STAGING_FLIGHT_CACHE_DIR": str(tmp_path / "cache"),
            "STAGING_TICKET_KEY": keys[0],
            "STAGING_PREVIOUS_TICKET_KEY": keys[-1] if len(keys) > 1 else "",
        }
        server = start("flight_server", {**environment, **own}, tmp_path / "flight.log")
        server.until(lambda port=port: answers(port))
        with connect(f"grpc://127.0.0.1:{port}") as client:
            for ticket in tickets[-1:]:
                assert client.do_get(ticket).read_all().equals(SMALL)
            for ticket in tickets[:-1]:
                with pytest.raises(flight.FlightUnauthenticatedError):
                    client.do_get(ticket).read_all()
            tickets.append(ticket_of(client, job_id))
        server.stop()


def ticket_of(client: flight.FlightClient, job_id: str) -> flight.Ticket:
    return client.get_flight_info(flight.FlightDescriptor.for_path(job_id)).endpoints[0].ticket


def held(pid: int, part: str) -> list[str]:
    """Give the open and the mapped files of a process whose name has a part."""
    opened = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            opened.append(os.readlink(link))
        except FileNotFoundError:
            continue
    mapped = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return [name for name in opened + mapped if part in name]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"STAGING_TICKET_KEY": ""}, "STAGING_TICKET_KEY"),
        ({"STAGING_HOST": "0.0.0.0"}, "STAGING_INSECURE_BIND"),
    ],
)
def test_a_process_that_is_not_set_up_says_why_and_ends(environment, changed, said, tmp_path):
    given = {**environment, "STAGING_FLIGHT_PORT": str(free_port()), **changed}
    server = start("flight_server", given, tmp_path / "log")

    assert server.process.wait(120) == 2
    text = server.log.read_text()
    assert said in text
    assert "Traceback" not in text


def test_loopback_is_told_from_other_addresses():
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "127.9.9.9")] == [True] * 3
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "host")] == [False] * 4


def test_an_ipv6_host_is_in_brackets_in_what_flight_advertises():
    chosen = [Settings(host=host, flight_port=8815) for host in ("::1", "127.0.0.1", "name")]

    assert [each.effective_flight_location for each in chosen] == [
        "grpc://[::1]:8815",
        "grpc://127.0.0.1:8815",
        "grpc://name:8815",
    ]


@pytest.mark.parametrize("host", HOSTS)
def test_the_server_is_reached_where_it_says_it_is(environment, shelf, tmp_path, host):
    job_id, port = shelf.stage(SMALL), free_port()
    own = {
        "STAGING_HOST": host,
        "STAGING_FLIGHT_PORT": str(port),
        "STAGING_FLIGHT_CACHE_DIR": str(tmp_path / "cache"),
    }
    server = start("flight_server", {**environment, **own}, tmp_path / "flight.log")
    server.until(lambda: "flight.serving" in server.log.read_text())
    chosen = Settings(host=host, flight_port=port)
    with connect(chosen.effective_flight_location) as client:
        assert client.do_get(ticket_of(client, job_id)).read_all().equals(SMALL)
    server.stop()


def test_the_server_loads_none_of_what_cannot_share_its_process():
    code = (
        "import sys, flight_server.__main__ as m; m.check_isolation();"
        "print(sorted(n for n in ('ray', 'grpc', 'temporalio') if n in sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout == "[]\n"


@pytest.mark.parametrize("module", ["temporalio", "grpc", "ray"])
def test_the_server_refuses_to_start_beside_such_a_module(module):
    code = f"import sys, types; sys.modules['{module}'] = types.ModuleType('{module}')\n" + (
        "from flight_server.__main__ import main\nsys.exit(main())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, module in ended.stderr) == (2, True)


def test_more_streams_than_allowed_are_unavailable_and_freed_ones_serve_again(alone, shelf):
    _, client = alone
    ticket = ticket_of(client, shelf.stage(BIG))
    held = [client.do_get(ticket) for _ in range(4)]
    for stream in held:
        stream.read_chunk()

    with pytest.raises(flight.FlightUnavailableError, match="too_busy"):
        client.do_get(ticket).read_all()

    assert held[0].read_all().num_rows > 0
    assert client.do_get(ticket).read_all().num_rows == BIG.num_rows
    for stream in held[1:]:
        stream.cancel()


@pytest.mark.parametrize("is_warm", [False, True])
def test_a_client_that_vanishes_leaves_no_slot_no_file_and_no_map(alone, shelf, is_warm):
    server, client = alone
    ticket = ticket_of(client, shelf.stage(BIG))
    if is_warm:
        client.do_get(ticket).read_all()
    code = (
        "import os, sys\nfrom pyarrow import flight\n"
        "from tests.contract.reading.narrow import connect\n"
        "client = connect(sys.argv[1])\n"
        "streams = [client.do_get(flight.Ticket(sys.argv[2])) for _ in range(4)]\n"
        "[stream.read_chunk() for stream in streams]\n"
        "print('reading', flush=True)\nimport time; time.sleep(60)\n"
    )
    location = f"grpc://127.0.0.1:{_port(server)}"
    reader = subprocess.Popen(
        [sys.executable, "-c", code, location, ticket.ticket.decode()],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert reader.stdout is not None
    assert reader.stdout.readline() == b"reading\n"
    assert held(server.process.pid, "/cache/")

    reader.kill()
    reader.wait()

    deadline = time.monotonic() + 60
    while left := held(server.process.pid, "/cache/") + held(server.process.pid, "(deleted)"):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    assert client.do_get(ticket).read_all().num_rows == BIG.num_rows


def test_the_process_stops_cleanly_also_while_a_reader_stalls(alone, shelf):
    server, client = alone
    stalled = client.do_get(ticket_of(client, shelf.stage(BIG)))
    stalled.read_chunk()

    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)

    assert server.process.wait(60) == 0
    assert time.monotonic() - began < 30
    assert "Traceback" not in server.log.read_text()


def refused_by_a_server_with(given, tmp_path, call) -> str:
    """Start a server whose settings lead nowhere; give what a call is told."""
    port = free_port()
    server = start("flight_server", {**given, "STAGING_FLIGHT_PORT": str(port)}, tmp_path / "log")
    server.until(lambda: answers(port))
    try:
        with (
            connect(f"grpc://127.0.0.1:{port}") as client,
            pytest.raises(flight.FlightUnavailableError) as away,
        ):
            call(client)
    finally:
        server.stop()
    return str(away.value).split(". Detail")[0]


def test_the_catalog_being_away_is_unavailable_and_names_no_place(environment, tmp_path):
    given = {**environment, "STAGING_CATALOG_URL": f"sqlite:///{tmp_path}/nowhere/catalog.db"}

    told = refused_by_a_server_with(given, tmp_path, lambda client: list(client.list_flights()))

    assert told == "catalog_unavailable: The catalog does not answer or cannot be written."


def test_the_store_being_away_is_unavailable_and_names_no_place(environment, shelf, tmp_path):
    job_id = shelf.stage(rows(0, 10))
    given = {**environment, "STAGING_S3_ENDPOINT": f"http://127.0.0.1:{free_port()}"}

    told = refused_by_a_server_with(
        given, tmp_path, lambda client: client.do_get(ticket_of(client, job_id)).read_all()
    )

    assert told == "storage_unavailable: The object store does not answer."


def _port(server) -> int:
    environ = Path(f"/proc/{server.process.pid}/environ").read_bytes().split(b"\0")
    [port] = [each.split(b"=")[1] for each in environ if each.startswith(b"STAGING_FLIGHT_PORT=")]
    return int(port)
