"""What a Flight server shows to Prometheus about its streams and its cache."""

import time

import pyarrow as pa
import pytest
from pyarrow import flight

from staging.local.ports import free_port
from tests.contract.reading.narrow import connect
from tests.contract.reading.servers import answers, start
from tests.contract.reading.shelf import rows
from tests.contract.reading.test_flight_process import BIG, ticket_of
from tests.prometheus import Samples, labels, scrape

ALL = labels()
SMALL = rows(0, 100)


@pytest.fixture
def server(environment, tmp_path):
    """A Flight server of this test alone, with two slots and a cache for little; its metrics."""
    port, metrics = free_port(), free_port()
    own = {
        "STAGING_FLIGHT_PORT": str(port),
        "STAGING_FLIGHT_METRICS_PORT": str(metrics),
        "STAGING_FLIGHT_CACHE_DIR": str(tmp_path / "cache"),
        "STAGING_FLIGHT_CACHE_BYTES": str(SMALL.nbytes + 4096),
        "STAGING_FLIGHT_MAX_STREAMS": "1",
    }
    server = start("flight_server", {**environment, **own}, tmp_path / "flight.log")
    server.until(lambda: answers(port))
    with connect(f"grpc://127.0.0.1:{port}") as client:
        yield client, f"http://127.0.0.1:{metrics}/metrics"
    server.stop()


def until(url: str, name: str, of: frozenset, value: float) -> Samples:
    """What is shown once a sample has a value: Arrow tells of a call's end after the caller."""
    deadline = time.monotonic() + 60
    while (found := scrape(url)).get(name, {}).get(of) != value:
        assert time.monotonic() < deadline, found[name]
        time.sleep(0.05)
    return found


def done(method: str, outcome: str) -> frozenset:
    return labels(method=method, outcome=outcome)


def test_streams_are_counted_with_what_they_sent_and_whether_the_cache_had_it(server, shelf):
    client, url = server
    ticket = ticket_of(client, shelf.stage(SMALL))

    read = client.do_get(ticket).read_all()
    cold = until(url, "staging_flight_calls_total", done("DoGet", "ok"), 1)
    until(url, "staging_flight_decode_seconds_count", ALL, 1)
    client.do_get(ticket).read_all()
    warm = until(url, "staging_flight_calls_total", done("DoGet", "ok"), 2)

    assert cold["staging_flight_rows_total"] == {ALL: SMALL.num_rows}
    assert cold["staging_flight_bytes_total"][ALL] == pytest.approx(read.nbytes, rel=0.05)
    assert cold["staging_flight_cache_reads_total"] == {labels(result="miss"): 1}
    assert warm["staging_flight_rows_total"] == {ALL: 2 * SMALL.num_rows}
    assert warm["staging_flight_cache_reads_total"][labels(result="hit")] == 1
    assert warm["staging_flight_streams_open"] == {ALL: 0}
    held, limit = (warm[f"staging_flight_cache_{name}"][ALL] for name in ("bytes", "limit_bytes"))
    assert SMALL.nbytes <= held <= limit == SMALL.nbytes + 4096


def test_chunks_that_make_room_for_others_are_counted(server, shelf):
    client, url = server
    for first in (0, 1000):
        client.do_get(ticket_of(client, shelf.stage(rows(first, 100)))).read_all()

    until(url, "staging_flight_decode_seconds_count", ALL, 2)
    until(url, "staging_flight_cache_evictions_total", ALL, 1)


def test_a_stream_that_finds_every_slot_taken_is_counted_as_refused(server, shelf):
    client, url = server
    ticket = ticket_of(client, shelf.stage(BIG))

    slow = client.do_get(ticket)
    slow.read_chunk()
    held = until(url, "staging_flight_streams_open", ALL, 1)
    with pytest.raises(flight.FlightUnavailableError):
        client.do_get(ticket).read_all()
    found = until(url, "staging_flight_streams_refused_total", ALL, 1)
    found = until(url, "staging_flight_calls_total", done("DoGet", "unavailable"), 1)

    assert held["staging_flight_calls_total"].get(done("DoGet", "ok")) is None
    assert found["staging_flight_streams_open"] == {ALL: 1}
    slow.read_all()
    until(url, "staging_flight_streams_open", ALL, 0)


def test_refusals_are_counted_by_what_they_say(server, as_org):
    client, url = server
    nothing = flight.FlightDescriptor.for_path("no-such-job")
    with pytest.raises(pa.ArrowKeyError):
        client.get_flight_info(nothing)
    with pytest.raises(flight.FlightUnauthenticatedError):
        client.get_flight_info(nothing, as_org("nobody"))
    with pytest.raises(flight.FlightUnauthenticatedError):
        client.do_get(flight.Ticket(b"made up")).read_all()

    until(url, "staging_flight_calls_total", done("GetFlightInfo", "not_found"), 1)
    until(url, "staging_flight_calls_total", done("GetFlightInfo", "unauthenticated"), 1)
    with pytest.raises(flight.FlightUnauthenticatedError):
        client.do_get(flight.Ticket(b"made up"), as_org("nobody")).read_all()
    found = until(url, "staging_flight_calls_total", done("DoGet", "unauthenticated"), 2)
    assert found["staging_flight_streams_open"] == {ALL: 0}


def test_a_taken_metrics_port_is_said_and_ends_the_process(environment, location, tmp_path):
    taken = location.rpartition(":")[2]
    own = {"STAGING_FLIGHT_PORT": str(free_port()), "STAGING_FLIGHT_METRICS_PORT": taken}
    log = tmp_path / "flight.log"

    server = start("flight_server", environment | own | {"STAGING_STATE_DIR": str(tmp_path)}, log)

    assert server.process.wait(120) == 2
    assert f"metrics cannot be shown on 127.0.0.1:{taken}" in log.read_text()
