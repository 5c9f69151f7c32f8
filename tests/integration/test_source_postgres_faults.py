"""What goes wrong with a Postgres has one name each, and stops what must stop."""

import socket
import threading
import time

import psycopg
import pyarrow as pa
import pytest

from staging.core.errors import SourceAuth, SourceChanged, SourceError, SourceUnavailable
from staging.core.source_spec import SourceSpec
from staging.local.postgres import temporary_postgres
from staging.sources.postgres import PostgresSource
from staging.sources.postgres.engine import EngineSession
from staging.sources.postgres.session import NO_LIMIT
from staging.sources.source import ReadCancelled, Reading
from tests.integration.postgres_database import Database, database_on
from tests.integration.source_kinds import connection_to
from tests.source_reading import exported, request, sizing

SECRET = "do-not-show-me"


@pytest.fixture(scope="module")
def db(postgres) -> Database:
    with database_on(postgres) as database:
        database.run(
            "CREATE TABLE t AS SELECT n AS id, repeat('x', 200) AS filler"
            " FROM generate_series(1, 200000) n;"
            "CREATE VIEW slow AS SELECT n AS id, pg_sleep(0.01)::text AS nap"
            " FROM generate_series(1, 100000) n"
        )
        yield database


def opened(db: Database, table: str, name: str) -> Reading:
    spec = SourceSpec("w", table=table)
    return db.source.read(
        request(spec, db.source.split(spec, None, sizing(1 << 30)), session_name=name)
    )


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"user": "nobody_here"}, SourceAuth),
        ({"user": "guarded", "secret": SECRET + "?"}, SourceAuth),
        ({"user": "guarded", "secret": None}, SourceAuth),
        ({"database": "not_there"}, SourceUnavailable),
        ({"host": "no-such-host.invalid"}, SourceUnavailable),
        ({"host": "169.254.169.254"}, SourceAuth),
    ],
)
def test_a_server_that_refuses_is_told_from_one_that_is_not_there(db, changes, error):
    db.run("DROP ROLE IF EXISTS guarded")
    db.run(f"CREATE ROLE guarded LOGIN PASSWORD '{SECRET}'")
    source = PostgresSource(connection_to(db.dsn, **changes))
    spec = SourceSpec("w", table="t")

    for call in (lambda: source.describe(spec), lambda: source.hold(())):
        with pytest.raises(error) as raised:
            call()
        shown = f"{raised.value} {raised.value.__cause__ or ''}"
        assert SECRET not in shown


def test_a_closed_port_is_unavailable_at_once(db):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        source = PostgresSource(connection_to(db.dsn, port=probe.getsockname()[1]))
        began = time.monotonic()
        with pytest.raises(SourceUnavailable):
            source.describe(SourceSpec("w", table="t"))

    assert time.monotonic() - began < 4.5


def test_a_server_that_never_answers_is_unavailable_within_five_seconds(db):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        source = PostgresSource(connection_to(db.dsn, port=silent.getsockname()[1]))
        began = time.monotonic()
        with pytest.raises(SourceUnavailable):
            source.describe(SourceSpec("w", table="t"))

    assert time.monotonic() - began < 15


def test_a_table_that_is_not_the_role_s_to_read_is_an_authentication_failure(db):
    db.run("DROP ROLE IF EXISTS stranger")
    db.run(f"CREATE ROLE stranger LOGIN PASSWORD '{SECRET}'")
    source = PostgresSource(connection_to(db.dsn, user="stranger", secret=SECRET))

    with pytest.raises(SourceAuth) as raised:
        source.describe(SourceSpec("w", table="public.t"))
    assert SECRET not in str(raised.value)


def test_a_cancel_from_another_thread_ends_the_query_on_the_server_within_a_second(db):
    reading = opened(db, "slow", "staging cancel me")
    outcome: list[BaseException] = []

    def consume() -> None:
        try:
            with reading:
                for _ in reading:
                    pass
        except SourceError as error:
            outcome.append(error)

    consumer = threading.Thread(target=consume)
    consumer.start()
    until(lambda: db.sessions("staging cancel me") == ["active"])
    time.sleep(0.3)
    began = time.monotonic()
    reading.cancel()
    consumer.join(60)
    took = time.monotonic() - began

    assert [type(each) for each in outcome] == [ReadCancelled]
    assert took < 20
    db.assert_left("staging cancel me")


def test_a_cancel_between_two_batches_stops_the_server_and_the_next_batch(db):
    reading = opened(db, "t", "staging halfway")
    with reading:
        batches = iter(reading)
        assert isinstance(next(batches), pa.RecordBatch)
        assert db.sessions("staging halfway") == ["active"]

        reading.cancel()

        assert db.sessions("staging halfway") != ["active"]
        with pytest.raises(ReadCancelled):
            next(batches)
    db.assert_left("staging halfway")


def test_a_reading_that_is_left_halfway_leaves_nothing_on_the_server(db):
    began = time.monotonic()
    with opened(db, "t", "staging left") as reading:
        next(iter(reading))

    db.assert_left("staging left")
    assert time.monotonic() - began < 40


def test_a_cancel_after_the_end_does_nothing(db):
    reading = opened(db, "t", "staging done")
    with reading:
        rows = sum(batch.num_rows for batch in reading)
    reading.cancel()

    assert rows == 200_000


def test_a_backend_ended_by_an_operator_is_a_retryable_failure(db):
    with opened(db, "slow", "staging ended") as reading:
        ender = threading.Timer(0.7, lambda: end(db, "staging ended"))
        ender.start()
        with pytest.raises(SourceUnavailable) as raised:
            list(reading)
        ender.join()

    assert raised.value.retryable


def end(db: Database, name: str) -> None:
    with psycopg.connect(db.dsn, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s",
            [name],
        )


def test_a_table_dropped_between_partitions_is_a_change(db):
    db.run("CREATE TABLE doomed AS SELECT n AS id FROM generate_series(1, 1000) n")
    spec = SourceSpec("w", table="doomed")
    holder = db.source.hold(())
    split = db.source.split(spec, exported(holder.export), sizing(1 << 20))
    db.run("DROP TABLE doomed")

    with pytest.raises(SourceChanged, match="doomed"), db.source.read(request(spec, split)) as r:
        list(r)
    holder.close()


def test_a_server_that_stopped_is_unavailable_to_every_call():
    with temporary_postgres() as server, database_on(server) as db:
        db.run("CREATE TABLE t AS SELECT n AS id FROM generate_series(1, 1000) n")
        spec = SourceSpec("w", table="t")
        holder = db.source.hold(())
        split = db.source.split(spec, exported(holder.export), sizing(1 << 20))
        server.stop()

        assert not holder.is_alive()
        for call in (
            lambda: db.source.describe(spec),
            lambda: db.source.hold(()),
            lambda: list(db.source.read(request(spec, split))),
        ):
            with pytest.raises(SourceUnavailable):
                call()


def test_sessions_are_read_only(db):
    with EngineSession(db.connection, "staging mode", NO_LIMIT, ()) as session:
        assert session.ask(
            "SELECT current_setting('transaction_read_only') AS a,"
            " current_setting('client_connection_check_interval') AS b,"
            " current_setting('application_name') AS c"
        ) == [("on", "500ms", "staging mode")]


def until(condition, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
