"""One reader sees one instant; at best effort a table is cut by a key, without gap or overlap."""

import subprocess
import sys
import threading
from collections import Counter

import pymysql
import pytest

from staging.core.manifest import Snapshot, SnapshotClass
from staging.core.source_spec import Filter, SourceSpec
from tests.integration.mysql_database import Database, database_on
from tests.source_reading import request, sizing

BEST_EFFORT = Snapshot(SnapshotClass.BEST_EFFORT)
SINGLE_READER = Snapshot(SnapshotClass.SINGLE_READER)
FILLER = "MD5(seq), MD5(seq + 0.5)"


@pytest.fixture(scope="module")
def db(mariadb) -> Database:
    with database_on(mariadb) as database:
        database.run(
            "CREATE TABLE big (id int unsigned primary key, a char(32), b char(32))",
            f"INSERT INTO big SELECT seq * 10, {FILLER} FROM seq_1_to_100000",
            "ANALYZE TABLE big",
        )
        yield database


class Hammer:
    """Writers that change a table in ways which keep its sum, until the block ends."""

    def __init__(self, db: Database, table: str) -> None:
        self._db, self._table = db, table
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=[n]) for n in range(2)]
        self.transactions: Counter[int] = Counter()

    def __enter__(self) -> "Hammer":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _write(self, number: int) -> None:
        connection = self._db.server.connect(self._db.connection.database)
        with connection, connection.cursor() as cursor:
            fresh = 1_000_000 * (number + 1)
            while not self._stop.is_set():
                step = self.transactions[number]
                try:
                    cursor.execute("BEGIN")
                    low, high = step * 7919 % 20_000, step * 104_729 % 20_000
                    self._move(cursor, low, high)
                    cursor.execute(f"DELETE FROM {self._table} WHERE id = {fresh}")
                    fresh += 1
                    cursor.execute(f"INSERT INTO {self._table} VALUES ({fresh}, 0, '')")
                    cursor.execute("COMMIT")
                except pymysql.MySQLError:
                    cursor.execute("ROLLBACK")
                self.transactions[number] += 1

    def _move(self, cursor: pymysql.cursors.Cursor, low: int, high: int) -> None:
        cursor.execute(f"UPDATE {self._table} SET amount = amount - 5 WHERE id = {low}")
        cursor.execute(f"UPDATE {self._table} SET amount = amount + 5 WHERE id = {high}")


def test_what_is_read_is_one_instant_whatever_is_written_meanwhile(db):
    db.run(
        "CREATE OR REPLACE TABLE accounts (id int primary key, amount int, filler varchar(200))",
        "INSERT INTO accounts SELECT seq, 100, REPEAT('x', 200) FROM seq_0_to_19999",
        "INSERT INTO accounts VALUES (1000000, 0, ''), (2000000, 0, '')",
    )
    with Hammer(db, "accounts") as hammer:
        for _ in range(8):
            before = sum(hammer.transactions.values())
            staged = db.stage("accounts", SINGLE_READER)
            during = sum(hammer.transactions.values()) - before
            ids = staged.table["id"].to_pylist()

            assert staged.split.snapshot == SINGLE_READER
            assert sum(staged.table["amount"].to_pylist()) == 20_000 * 100
            assert len(ids) == len(set(ids)) == 20_002
            assert during > 0


def test_rows_committed_after_the_first_batch_are_not_read(db):
    db.run("CREATE OR REPLACE TABLE settled AS SELECT * FROM big")
    spec = SourceSpec("shelf", table="settled")
    split = db.source.split(spec, SINGLE_READER, sizing(1 << 20))
    with db.source.read(request(spec, split)) as reading:
        batches = iter(reading)
        rows = [next(batches)]
        db.run("DELETE FROM settled WHERE id > 500000", "INSERT INTO settled VALUES (1, '', '')")
        rows += list(batches)

    assert sum(batch.num_rows for batch in rows) == 100_000
    assert split.bounds == ({},)


@pytest.mark.parametrize("snapshot", [None, SINGLE_READER])
def test_a_snapshot_is_read_by_one_reader(db, snapshot):
    split = db.source.split(SourceSpec("s", table="big"), snapshot, sizing(1 << 20))

    assert (split.snapshot, split.bounds) == (SINGLE_READER, ({},))


def test_at_best_effort_a_table_is_cut_into_partitions_of_about_the_target(db):
    staged = db.stage("big", BEST_EFFORT, target_bytes=1 << 20)

    assert staged.split.snapshot == BEST_EFFORT
    assert sorted(staged.table["id"].to_pylist()) == [n * 10 for n in range(1, 100_001)]
    # 64 hexadecimal digits a row are some 3.5 MB of Parquet at least.
    assert 4 <= len(staged.partition_rows) <= 9
    assert max(staged.partition_rows) < 1.2 * min(staged.partition_rows)


def test_a_small_table_a_view_and_a_table_without_a_key_stay_whole(db):
    db.run(
        "CREATE OR REPLACE VIEW big_view AS SELECT * FROM big",
        "CREATE OR REPLACE TABLE keyless AS SELECT * FROM big",
        "CREATE OR REPLACE TABLE nothing (id int primary key)",
    )
    for table in ("big_view", "keyless", "nothing"):
        spec = SourceSpec("shelf", table=table)
        assert db.source.split(spec, BEST_EFFORT, sizing(1 << 20)).bounds == ({},)
    whole = db.source.split(SourceSpec("shelf", table="big"), BEST_EFFORT, sizing(1 << 28))
    assert whole.bounds == ({},)


def test_null_keys_are_a_partition_of_their_own(db):
    db.run(
        "CREATE OR REPLACE TABLE loose (k bigint, a char(32), b char(32), KEY (k))",
        "INSERT INTO loose"
        f" SELECT IF(seq % 10, CAST(seq AS SIGNED) - 30000, NULL), {FILLER} FROM seq_1_to_60000",
        "ANALYZE TABLE loose",
    )
    staged = db.stage("loose", BEST_EFFORT)

    assert staged.split.bounds[-1] == {"columns": ["k"], "is_null": True}
    assert staged.partition_rows[-1] == 6_000
    expected = Counter(n - 30_000 if n % 10 else None for n in range(1, 60_001))
    assert Counter(staged.table["k"].to_pylist()) == expected


def test_the_key_that_a_job_names_is_taken_where_an_index_begins_with_it(db):
    db.run(
        "CREATE OR REPLACE TABLE two_keys (id int primary key, k int, n int, a char(32), KEY (k))",
        "INSERT INTO two_keys SELECT seq, seq % 1000, seq, MD5(seq) FROM seq_1_to_100000",
        "ANALYZE TABLE two_keys",
    )
    columns = {
        asked: db.stage("two_keys", BEST_EFFORT, partition_by=asked).split.bounds[0]["columns"]
        for asked in ("k", "id", "n", "not_there", None)
    }

    assert columns == {"k": ["k"], "id": ["id"], "n": ["id"], "not_there": ["id"], None: ["id"]}


def test_the_ends_of_a_key_s_type_are_read_and_so_is_what_comes_in_later(db):
    ends = (-(2**63), 2**63 - 1)
    db.run(
        "CREATE OR REPLACE TABLE wide (k bigint primary key, a char(32), b char(32))",
        f"INSERT INTO wide SELECT seq * 100, {FILLER} FROM seq_1_to_40000",
        "ANALYZE TABLE wide",
    )
    spec = SourceSpec("shelf", table="wide")
    split = db.source.split(spec, BEST_EFFORT, sizing(1 << 20))
    assert len(split.bounds) > 1
    db.run(*(f"INSERT INTO wide VALUES ({end}, '', '')" for end in ends))
    found: list[int] = []
    for index in range(len(split.bounds)):
        with db.source.read(request(spec, split, index)) as reading:
            found += [key for batch in reading for key in batch["k"].to_pylist()]

    assert sorted(found) == [ends[0], *(n * 100 for n in range(1, 40_001)), ends[1]]


def test_a_filter_that_keeps_little_makes_few_partitions(db):
    few = SourceSpec("shelf", table="big", filters=(Filter("a", "like", "00%"),))

    assert db.source.split(few, BEST_EFFORT, sizing(1 << 20)).bounds == ({},)


_READ = """
import resource, sys
from tests.integration.mysql_database import connection_to
from tests.mariadb import MariaDb
from tests.source_reading import request, sizing
from staging.core.source_spec import SourceSpec
from staging.sources.mysql import MysqlSource
import pathlib
server = MariaDb(pathlib.Path("."))
server.port = int(sys.argv[1])
source = MysqlSource(connection_to(server, sys.argv[2]))
def read(table):
    spec = SourceSpec("shelf", table=table)
    split = source.split(spec, None, sizing(1 << 30))
    with source.read(request(spec, split)) as reading:
        return [sum(counts) for counts in zip(*((b.num_rows, b.nbytes) for b in reading))]
read("little")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows, size = read(sys.argv[3])
print(rows, size, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.parametrize(("table", "rows"), [("steady", 300_000), ("growing", 2_000)])
def test_memory_is_bounded_whatever_the_rows_weigh(db, table, rows):
    db.run(
        "CREATE OR REPLACE VIEW little AS SELECT seq FROM seq_1_to_1000",
        "CREATE OR REPLACE VIEW steady AS SELECT seq, REPEAT('x', 1000) AS v FROM seq_1_to_300000",
        "CREATE OR REPLACE VIEW growing AS SELECT seq,"
        " REPEAT('x', IF(seq < 1900, 1, 3000000)) AS v FROM seq_1_to_2000",
    )
    command = [sys.executable, "-c", _READ, str(db.server.port), db.connection.database, table]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found, size, used = map(int, shown.split())

    assert found == rows
    assert size > 250_000_000
    assert used < 100_000_000
