"""All partitions of a Postgres table see one instant, whatever happens meanwhile."""

import threading

import psycopg
import pytest

from staging.core.errors import SnapshotLost, SourceChanged
from staging.core.manifest import Snapshot, SnapshotClass
from staging.core.source_spec import SourceSpec
from staging.sources.postgres.engine import EngineSession
from staging.sources.postgres.session import NO_LIMIT
from staging.sources.source import ReadRequest
from tests.integration.postgres_database import Database, database_on
from tests.source_reading import exported, request, sizing

ROWS = 30_000


@pytest.fixture
def db(postgres) -> Database:
    with database_on(postgres) as database:
        database.run(
            f"CREATE TABLE t AS SELECT n AS id, md5(n::text) || md5((n * 3)::text) AS filler "
            f"FROM generate_series(1, {ROWS}) n; ANALYZE t"
        )
        yield database


SPEC = SourceSpec("shelf", table="t")


def read(db: Database, asked: ReadRequest) -> list[int]:
    with db.source.read(asked) as reading:
        return [value for batch in reading for value in batch.column(0).to_pylist()]


def test_partitions_read_under_a_concurrent_writer_are_one_instant(db):
    holder = db.source.hold(())
    split = db.source.split(SPEC, exported(holder.export), sizing(1 << 18))
    assert len(split.bounds) > 3
    stop, wrote = threading.Event(), threading.Event()

    def write() -> None:
        with psycopg.connect(db.dsn, autocommit=True) as w:
            n = 0
            while not stop.is_set():
                n += 1
                w.execute("UPDATE t SET id = -id WHERE id %% 100 = %s", [n % 100])
                w.execute("INSERT INTO t VALUES (%s, 'new')", [10**6 + n])
                w.execute("DELETE FROM t WHERE id = %s", [n])
                wrote.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert wrote.wait(60)
        found = [n for i in range(len(split.bounds)) for n in read(db, request(SPEC, split, i))]
    finally:
        stop.set()
        writer.join()
        holder.close()

    assert sorted(found) == list(range(1, ROWS + 1))
    assert db.run("SELECT count(*) FROM t WHERE id < 0 OR id > 1000000")[0][0] > 0


def test_a_snapshot_outlives_its_first_holder_through_a_second_one(db):
    first = db.source.hold(())
    second = db.source.hold([first.export])
    split = db.source.split(SPEC, exported(first.export, second.export), sizing(1 << 24))
    db.run("DELETE FROM t WHERE id <= 100")

    first.close()
    third = db.source.hold([first.export, second.export])
    second.close()
    joined = request(SPEC, split, snapshot=exported(first.export, second.export, third.export))
    found = read(db, joined)

    assert len({first.export, second.export, third.export}) == 3
    assert [holder.is_alive() for holder in (first, second, third)] == [False, False, True]
    assert sorted(found) == list(range(1, ROWS + 1))
    third.close()
    db.assert_left("staging holder shelf")


def test_a_holder_whose_backend_was_ended_is_not_alive(db):
    holder = db.source.hold(())
    assert holder.is_alive()

    db.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'staging holder shelf'"
    )

    assert not holder.is_alive()
    holder.close()


def test_an_export_that_took_the_name_of_a_lost_one_is_never_read(db):
    lost = db.source.hold(())
    db.run("DELETE FROM t WHERE id <= 100")
    other = db.source.hold(())
    (_, instant), (name, _) = lost.export.split("@"), other.export.split("@")
    lost.close()
    renamed = f"{name}@{instant}"
    split = db.source.split(SPEC, None, sizing(1 << 24))

    with pytest.raises(SnapshotLost):
        db.source.hold([renamed])
    with pytest.raises(SnapshotLost):
        read(db, request(SPEC, split, snapshot=exported(renamed)))
    with pytest.raises(SnapshotLost):
        EngineSession(db.connection, "staging test", NO_LIMIT, [renamed]).__enter__()
    found = read(db, request(SPEC, split, snapshot=exported(renamed, other.export)))
    assert len(found) == ROWS - 100
    other.close()
    db.assert_left("staging test")


@pytest.mark.parametrize("export", ["00000003-0000001B-1", "nonsense'; DROP TABLE t", ""])
def test_a_snapshot_without_a_living_holder_is_lost(db, export):
    lost = Snapshot(SnapshotClass.EXPORTED, export, (export,))
    split = db.source.split(SPEC, None, sizing(1 << 24))

    with pytest.raises(SnapshotLost):
        db.source.hold([export])
    with pytest.raises(SnapshotLost):
        db.source.split(SPEC, lost, sizing(1 << 24))
    with pytest.raises(SnapshotLost):
        read(db, request(SPEC, split, snapshot=lost))
    with pytest.raises(SnapshotLost):
        read(db, request(SPEC, split, snapshot=Snapshot(SnapshotClass.EXPORTED, export, ())))


@pytest.mark.parametrize(
    "change",
    [
        "TRUNCATE t",
        "VACUUM FULL t",
        "ALTER TABLE t ALTER filler TYPE varchar USING filler || 'x'",
        "ALTER TABLE t DROP filler",
        "ALTER TABLE t RENAME filler TO padding",
        "DROP TABLE t",
        "DROP TABLE t; CREATE TABLE t AS SELECT 1 AS id, 'a'::text AS filler",
        "ALTER TABLE t RENAME filler TO old; ALTER TABLE t ADD filler int",
    ],
)
def test_a_table_that_was_changed_after_the_snapshot_is_never_read_wrongly(db, change):
    holder = db.source.hold(())
    split = db.source.split(SPEC, exported(holder.export), sizing(1 << 24))
    for statement in change.split("; "):
        db.run(statement)

    with pytest.raises(SourceChanged):
        read(db, request(SPEC, split))
    holder.close()


@pytest.mark.parametrize("view", ["VIEW", "MATERIALIZED VIEW"])
def test_a_view_over_a_truncated_table_is_never_read_as_empty(db, view):
    db.run(f"CREATE {view} v AS SELECT id FROM t")
    holder = db.source.hold(())
    spec = SourceSpec("shelf", table="v")
    split = db.source.split(spec, exported(holder.export), sizing(1 << 24))
    db.run("TRUNCATE t")
    if view == "MATERIALIZED VIEW":
        db.run("REFRESH MATERIALIZED VIEW v")

    with pytest.raises(SourceChanged):
        read(db, request(spec, split))
    holder.close()


@pytest.mark.parametrize(
    "change",
    [
        "CREATE INDEX ON t (id)",
        "ALTER TABLE t ADD extra int DEFAULT 7",
        "ALTER TABLE t SET (fillfactor = 50)",
        "VACUUM t",
        "ANALYZE t",
        "DELETE FROM t",
    ],
)
def test_a_change_that_moves_no_row_does_not_disturb(db, change):
    holder = db.source.hold(())
    split = db.source.split(SPEC, exported(holder.export), sizing(1 << 24))
    db.run(change)

    assert sorted(read(db, request(SPEC, split))) == list(range(1, ROWS + 1))
    holder.close()


def test_reindexing_does_not_disturb(db):
    db.run("CREATE INDEX by_id ON t (id)")
    holder = db.source.hold(())
    split = db.source.split(SPEC, exported(holder.export), sizing(1 << 24))
    db.run("REINDEX INDEX by_id")

    assert sorted(read(db, request(SPEC, split))) == list(range(1, ROWS + 1))
    holder.close()


def test_a_single_reader_reads_the_table_whole(db):
    single = Snapshot(SnapshotClass.SINGLE_READER)

    split = db.source.split(SPEC, single, sizing(1 << 18))

    assert (split.snapshot, len(split.bounds)) == (single, 1)
    assert sorted(read(db, request(SPEC, split))) == list(range(1, ROWS + 1))


@pytest.mark.parametrize("asked", [None, Snapshot(SnapshotClass.BEST_EFFORT)])
def test_without_a_snapshot_the_split_says_best_effort(db, asked):
    split = db.source.split(SPEC, asked, sizing(1 << 24))

    assert split.snapshot == Snapshot(SnapshotClass.BEST_EFFORT)
    assert sorted(read(db, request(SPEC, split))) == list(range(1, ROWS + 1))


def test_partitions_attached_or_detached_after_the_snapshot_are_stated(db):
    db.run(
        "CREATE TABLE p (id int) PARTITION BY LIST (id);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 (id int);"
        "INSERT INTO p VALUES (1); INSERT INTO p2 VALUES (2)"
    )
    spec = SourceSpec("shelf", table="p")
    for change in ("ATTACH PARTITION p2 FOR VALUES IN (2)", "DETACH PARTITION p1"):
        holder = db.source.hold(())
        split = db.source.split(spec, exported(holder.export), sizing(1 << 24))
        db.run(f"ALTER TABLE p {change}")
        with pytest.raises(SourceChanged):
            read(db, request(spec, split))
        holder.close()
