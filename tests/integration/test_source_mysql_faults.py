"""What goes wrong with a MySQL server has one name each, and stops what must stop."""

import socket
import threading
import time

import pyarrow as pa
import pymysql
import pytest

from staging.core.errors import (
    InvalidValue,
    SourceAuth,
    SourceChanged,
    SourceError,
    SourceUnavailable,
    SourceUnsupported,
    UnknownTable,
)
from staging.core.source_spec import Filter, SourceSpec
from staging.sources.mysql.session import opened
from staging.sources.source import ReadCancelled, Reading
from tests.integration.mysql_database import Database, database_on
from tests.mariadb import PASSWORD, temporary_mariadb
from tests.source_reading import request, sizing

SPEC = SourceSpec("shelf", table="t")


@pytest.fixture(scope="module")
def db(mariadb) -> Database:
    with database_on(mariadb) as database:
        database.run(
            "CREATE TABLE t (id int primary key, filler varchar(200))",
            "INSERT INTO t SELECT seq, REPEAT('x', 200) FROM seq_1_to_200000",
            "CREATE VIEW slow AS SELECT seq AS id, SLEEP(0.01) AS nap FROM seq_1_to_100000",
            "CREATE VIEW silent AS SELECT seq AS id FROM seq_1_to_1000 WHERE SLEEP(0.05) = 1",
        )
        yield database


def opened_reading(db: Database, table: str, name: str, **changes: object) -> Reading:
    spec = SourceSpec("shelf", table=table, **changes)
    return db.source.read(
        request(spec, db.source.split(spec, None, sizing(1 << 30)), session_name=name)
    )


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"user": "nobody_here"}, SourceAuth),
        ({"secret": PASSWORD + "?"}, SourceAuth),
        ({"secret": None}, SourceAuth),
        ({"database": "not_there"}, SourceUnavailable),
        ({"host": "no-such-host.invalid"}, SourceUnavailable),
        ({"host": "169.254.169.254"}, SourceAuth),
        ({"host": "/not/there.sock"}, SourceUnavailable),
    ],
)
def test_a_server_that_refuses_is_told_from_one_that_is_not_there(db, changes, error):
    with pytest.raises(error) as raised:
        db.with_changes(**changes).describe(SPEC)

    assert PASSWORD not in f"{raised.value} {raised.value.__cause__ or ''}"
    assert "127.0.0.1" not in raised.value.detail


def test_a_closed_port_is_unavailable_at_once(db):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        began = time.monotonic()
        with pytest.raises(SourceUnavailable):
            db.with_changes(port=probe.getsockname()[1]).describe(SPEC)

    assert time.monotonic() - began < 4.5


def test_a_server_that_never_answers_is_unavailable_within_five_seconds(db):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        with pytest.raises(SourceUnavailable):
            db.with_changes(port=silent.getsockname()[1]).describe(SPEC)

    assert time.monotonic() - began < 15


@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00\x00\x00\x00\x00\x00"])
def test_what_is_no_mysql_server_is_said_to_be_none(db, greeting):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answering = threading.Thread(target=lambda: listener.accept()[0].sendall(greeting))
        answering.start()
        with pytest.raises(SourceUnsupported, match="is no MySQL server"):
            db.with_changes(port=listener.getsockname()[1]).describe(SPEC)
        answering.join()


def test_a_server_is_reached_through_its_socket(db):
    source = db.with_changes(host=str(db.server.folder / "socket"))

    assert source.describe(SPEC).names == ["id", "filler"]


def cipher(db: Database, **changes: object) -> str:
    with opened(db.with_changes(**changes)._connection, "staging tls") as session:
        return session.ask_texts("SHOW SESSION STATUS LIKE 'Ssl_cipher'")[0][1]


def test_tls_is_taken_where_it_is_offered_and_checked_where_that_is_asked_for(db):
    assert cipher(db)
    assert cipher(db, tls="require")
    assert cipher(db, tls="verify", tls_ca=db.server.certificate)

    with pytest.raises(SourceAuth, match="no certificate that the connection trusts"):
        cipher(db, tls="verify")
    with pytest.raises(SourceAuth, match="holds no certificates"):
        cipher(db, tls="verify", tls_ca=db.server.folder / "log")


def test_a_server_that_asks_for_the_password_in_clear_text_is_refused(db):
    """Speak as a server that greets, then switches to mysql_clear_password."""
    greeting = (
        b"\x0a8.0.0\0" + b"\x01\0\0\0" + b"12345678\0" + b"\xff\xf7\x21\x02\0\xff\x81\x15"
        + b"\0" * 10 + b"123456789012\0" + b"mysql_native_password\0"
    )  # fmt: skip
    switch = b"\xfemysql_clear_password\0"
    received = bytearray()

    def serve(listener: socket.socket) -> None:
        line, _ = listener.accept()
        with line:
            line.sendall(len(greeting).to_bytes(3, "little") + b"\0" + greeting)
            line.recv(4096)
            line.sendall(len(switch).to_bytes(3, "little") + b"\x02" + switch)
            received.extend(line.recv(4096))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        # The greeting above offers no TLS.
        thread = threading.Thread(target=serve, args=[listener])
        thread.start()
        with pytest.raises(SourceAuth, match="clear text"):
            db.with_changes(port=listener.getsockname()[1]).describe(SPEC)
        thread.join(60)

    assert received == b""


def test_a_table_that_the_user_may_not_see_is_unknown(db):
    db.run(
        "CREATE OR REPLACE USER stranger IDENTIFIED BY 'x'", "CREATE OR REPLACE TABLE own (v int)"
    )
    db.run(f"GRANT SELECT ON {db.connection.database}.own TO stranger")
    stranger = db.with_changes(user="stranger", secret="x")

    assert stranger.describe(SourceSpec("s", table="own")).names == ["v"]
    with pytest.raises(UnknownTable) as raised:
        stranger.describe(SPEC)
    assert raised.value.detail == "there is no table 't'"


def test_of_a_table_granted_by_columns_only_these_are_read(db):
    db.run(
        "CREATE OR REPLACE USER clerk IDENTIFIED BY 'x'",
        "CREATE OR REPLACE TABLE pay (id int, name text, salary int)",
        "INSERT INTO pay VALUES (1, 'a', 9)",
    )
    db.run(f"GRANT SELECT (id, name) ON {db.connection.database}.pay TO clerk")
    clerk = db.with_changes(user="clerk", secret="x")
    spec = SourceSpec("s", table="pay")
    split = clerk.split(spec, None, sizing(1 << 20))

    with clerk.read(request(spec, split)) as reading:
        assert [batch.to_pydict() for batch in reading] == [{"id": [1], "name": ["a"]}]


def test_names_are_case_sensitive_may_be_quoted_and_may_hold_anything(db):
    odd = "a`b\"c. d'%s"
    quoted = "`" + odd.replace("`", "``") + "`"
    db.run(
        f"CREATE OR REPLACE TABLE {quoted} ({quoted} text)",
        f"INSERT INTO {quoted} VALUES ('x')",
    )
    for table in (odd, quoted, f"{db.connection.database}.{quoted}"):
        staged = db.stage(table, filters=(Filter(odd, "=", "x"),))
        assert staged.table.to_pydict() == {odd: ["x"]}

    with pytest.raises(UnknownTable, match="nearest: t"):
        db.source.describe(SourceSpec("s", table="T"))
    with pytest.raises(SourceUnsupported, match="own catalogue"):
        db.source.describe(SourceSpec("s", table="mysql.user"))


def test_invisible_columns_are_left_out_and_generated_ones_are_read(db):
    db.run(
        "CREATE OR REPLACE TABLE made (a int, b int AS (a + 1), c int INVISIBLE)",
        "INSERT INTO made (a) VALUES (1)",
    )

    assert db.stage("made").table.to_pydict() == {"a": [1], "b": [2]}


def test_a_query_is_one_select_and_only_where_it_is_allowed(db):
    spec = SourceSpec("shelf", query="SELECT id + 1 AS n FROM t WHERE id < 3;")
    with pytest.raises(InvalidValue, match="does not allow queries"):
        db.source.describe(spec)

    allowed = db.with_changes(allow_query=True)
    split = allowed.split(spec, None, sizing(1 << 20))
    with allowed.read(request(spec, split)) as reading:
        assert [batch.to_pydict() for batch in reading] == [{"n": [2, 3]}]
    for query in (
        "DELETE FROM t",
        "SELECT 1 AS a; DROP TABLE t",
        "SELECT 1) ; DROP TABLE t; --",
        "SELECT 1 AS a INTO OUTFILE '/tmp/never'",
        "SELECT 1 AS a, 2 AS a",
        "SELECT * FROM not_there",
        "nope",
    ):
        with pytest.raises(InvalidValue, match="refuses the query"):
            allowed.describe(SourceSpec("shelf", query=query))


def test_sessions_are_read_only_named_and_in_utc(db):
    db.run("CREATE OR REPLACE TABLE untouched (v int)")
    root = db.with_changes(user="root", secret=None)._connection

    with opened(root, "staging mode") as session:
        assert db.queries("staging mode") == 1
        assert session.ask_texts("SELECT @@time_zone, @@sql_mode") == [("+00:00", "")]
        with pytest.raises(pymysql.MySQLError) as raised:
            session.stream("INSERT INTO untouched VALUES (1)")
        assert raised.value.args[0] == 1792
    until(lambda: db.queries("staging mode") == 0)


@pytest.mark.parametrize("view", ["slow", "silent"])
def test_a_cancel_from_another_thread_ends_the_query_on_the_server_within_a_second(db, view):
    reading = opened_reading(db, view, "staging cancel me")
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
    until(lambda: running(db, "staging cancel me"))
    began = time.monotonic()
    reading.cancel()
    consumer.join(60)
    took = time.monotonic() - began

    assert [type(each) for each in outcome] == [ReadCancelled]
    assert took < 20
    until(lambda: db.queries("staging cancel me") == 0)


def running(db: Database, label: str) -> bool:
    rows = db.run("SELECT INFO FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT /*%'")
    return any(f"/* {label} */" in row[0] for row in rows)


def test_a_cancel_between_two_batches_stops_the_server_and_the_next_batch(db):
    reading = opened_reading(db, "t", "staging halfway")
    with reading:
        batches = iter(reading)
        assert isinstance(next(batches), pa.RecordBatch)
        assert db.queries("staging halfway") == 1

        reading.cancel()

        until(lambda: db.queries("staging halfway") == 0)
        with pytest.raises(ReadCancelled):
            next(batches)


def test_a_reading_that_is_left_halfway_leaves_nothing_on_the_server(db):
    began = time.monotonic()
    with opened_reading(db, "t", "staging left") as reading:
        next(iter(reading))

    until(lambda: db.queries("staging left") == 0)
    assert time.monotonic() - began < 40


def test_a_cancel_after_the_end_does_nothing(db):
    reading = opened_reading(db, "t", "staging done")
    with reading:
        rows = sum(batch.num_rows for batch in reading)
    reading.cancel()

    assert rows == 200_000


def test_a_session_ended_by_an_operator_is_a_retryable_failure(db):
    with opened_reading(db, "slow", "staging ended") as reading:
        ender = threading.Timer(0.7, lambda: end(db, "staging ended"))
        ender.start()
        with pytest.raises(SourceUnavailable) as raised:
            list(reading)
        ender.join()

    assert raised.value.retryable


def end(db: Database, name: str) -> None:
    with db.server.connect() as root, root.cursor() as cursor:
        cursor.execute(
            "SELECT PROCESSLIST_ID FROM performance_schema.session_connect_attrs"
            " WHERE ATTR_NAME = 'program_name' AND ATTR_VALUE = %s",
            [name],
        )
        for (session_id,) in cursor.fetchall():
            cursor.execute(f"KILL {session_id}")


@pytest.mark.parametrize(
    "change",
    ["DROP TABLE doomed", "ALTER TABLE doomed DROP v", "ALTER TABLE doomed MODIFY v bigint"],
)
def test_a_table_changed_between_plan_and_read_is_a_change(db, change):
    db.run("CREATE OR REPLACE TABLE doomed (id int primary key, v int)")
    spec = SourceSpec("w", table="doomed")
    split = db.source.split(spec, None, sizing(1 << 20))
    db.run(change)

    with pytest.raises(SourceChanged), db.source.read(request(spec, split)) as reading:
        list(reading)


def test_a_column_added_since_does_not_disturb(db):
    db.run("CREATE OR REPLACE TABLE grown (id int primary key)", "INSERT INTO grown VALUES (1)")
    spec = SourceSpec("w", table="grown")
    split = db.source.split(spec, None, sizing(1 << 20))
    db.run("ALTER TABLE grown ADD v int FIRST")

    with db.source.read(request(spec, split)) as reading:
        assert [batch.to_pydict() for batch in reading] == [{"id": [1]}]


@pytest.mark.parametrize(
    "change", ["DROP TABLE held", "ALTER TABLE held DROP filler", "TRUNCATE held"]
)
def test_a_table_that_is_read_cannot_be_changed_until_the_read_ends(db, change):
    db.run("CREATE OR REPLACE TABLE held AS SELECT * FROM t", "SET lock_wait_timeout = 1")
    with opened_reading(db, "held", "staging hold") as reading:
        batches = iter(reading)
        rows = next(batches).num_rows
        with pytest.raises(pymysql.MySQLError) as raised:
            db.run(change)
        rows += sum(batch.num_rows for batch in batches)

    assert raised.value.args[0] == 1205
    assert rows == 200_000
    db.run(change, "SET lock_wait_timeout = 60")


def test_a_table_locked_by_another_is_unavailable_and_the_wait_is_short(db):
    db.run("CREATE OR REPLACE TABLE locked (v int)", "LOCK TABLES locked WRITE")
    began = time.monotonic()
    try:
        with pytest.raises(SourceUnavailable):
            db.source.describe(SourceSpec("w", table="locked"))
    finally:
        db.run("UNLOCK TABLES")
    assert time.monotonic() - began < 20


def test_a_server_that_stops_is_unavailable_to_a_reading_and_to_every_call():
    with temporary_mariadb() as server, database_on(server) as db:
        db.run("CREATE VIEW slow AS SELECT seq, SLEEP(0.01) AS nap FROM seq_1_to_100000")
        spec = SourceSpec("w", table="slow")
        split = db.source.split(spec, None, sizing(1 << 20))
        with db.source.read(request(spec, split)) as reading:
            stopper = threading.Timer(0.5, server.stop)
            stopper.start()
            with pytest.raises(SourceUnavailable):
                list(reading)
            stopper.join()
        for call in (
            lambda: db.source.describe(spec),
            lambda: list(db.source.read(request(spec, split))),
        ):
            with pytest.raises(SourceUnavailable):
                call()


def until(condition, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
