"""At best effort a table is cut by any index that sorts as it compares, each row in one range."""

from collections import Counter
from datetime import timedelta

import pytest

from staging.core.manifest import Snapshot, SnapshotClass
from staging.core.source_spec import SourceSpec
from staging.sources.mysql.keys import find_key
from staging.sources.mysql.relation import find_relation
from staging.sources.mysql.session import opened
from staging.sources.mysql.walking import quantiles
from tests.integration.mysql_database import Database, database_on
from tests.source_reading import sizing

BEST_EFFORT = Snapshot(SnapshotClass.BEST_EFFORT)
ROWS = 60_000
FILLER = "MD5(seq), MD5(seq + 0.5)"
KEYS = {
    "bigint unsigned": "18446744073709551615 - seq",
    "decimal(30, 10)": "seq / 7 - 4000",
    "date": "ADDDATE('1900-01-01', seq)",
    "datetime(6)": "'2026-01-01' + INTERVAL seq * 1001 MICROSECOND",
    "timestamp(3)": "'2026-10-25 00:00:00' + INTERVAL seq SECOND",
    "varchar(40) character set utf8mb4": "CONCAT(SHA(seq), '\\'\\\\')",
    "varchar(40) character set latin1": "CONCAT(CONVERT(X'E9' USING latin1), seq)",
    "varchar(40) character set utf16": "CONCAT('😀', seq)",
    "char(40) character set utf8mb4 collate utf8mb4_bin": "CONCAT(IF(seq % 2, 'a', 'A'), seq)",
    "binary(20)": "UNHEX(SHA(seq))",
    "varbinary(20)": "CONCAT(X'00', UNHEX(SHA(seq)))",
}


@pytest.fixture(scope="module")
def db(mariadb) -> Database:
    with database_on(mariadb) as database:
        yield database


def fill(db: Database, declared: str, *selected: str, rows: int = ROWS) -> None:
    """Make table `t` of a key's columns and a filler of some 2 to 5 MB of Parquet."""
    db.run(
        f"CREATE OR REPLACE TABLE t ({declared}, n int, a char(32), b char(32))",
        f"INSERT INTO t SELECT {', '.join(selected)}, seq, {FILLER} FROM seq_1_to_{rows}",
        "ANALYZE TABLE t",
    )


def check_cut(db: Database) -> list[dict]:
    """Stage `t` in ranges of about one size; every row must come once."""
    staged = db.stage("t", BEST_EFFORT, target_bytes=1 << 20)

    assert Counter(staged.table["n"].to_pylist()) == Counter(
        n for (n,) in db.run("SELECT n FROM t")
    )
    sizes = [count for count in staged.partition_rows if count]
    assert 2 <= len(sizes) <= 6
    assert max(sizes) <= 1.6 * sum(sizes) / len(sizes)
    return list(staged.split.bounds)


@pytest.mark.parametrize("declared", KEYS)
def test_a_key_of_any_type_that_sorts_as_it_compares_cuts_the_table(db, declared):
    fill(db, f"k {declared} primary key", KEYS[declared])

    bounds = check_cut(db)

    assert {tuple(each["columns"]) for each in bounds} == {("k",)}


@pytest.mark.parametrize("declared", ["bigint", "double", "enum('a', 'b')", "uuid"])
def test_skewed_whole_numbers_are_cut_by_their_ranks(db, declared):
    """A double, an enum or a uuid is no key: then the whole numbers of the next index are."""
    selected = {
        "bigint": "IF(seq = 1, -4611686018427387904, seq)",
        "double": "seq / 3",
        "uuid": "UUID()",
    }
    fill(
        db,
        f"k {declared}, m bigint, PRIMARY KEY (k, m), UNIQUE KEY (m)",
        selected.get(declared, "1 + seq % 2"),
        "IF(seq > 59000, POW(2, 40) + seq, seq)",
    )

    bounds = check_cut(db)

    columns = ["k", "m"] if declared == "bigint" else ["m"]
    assert bounds[0]["columns"] == columns


def test_a_key_of_several_columns_cuts_within_the_values_of_its_first(db):
    fill(
        db,
        "k varchar(10), d date, m int, PRIMARY KEY (k, d, m)",
        "ELT(1 + seq % 2, 'east', 'WEST')",
        "ADDDATE('2026-01-01', seq % 3)",
        "seq",
    )

    bounds = check_cut(db)

    assert {tuple(each["columns"]) for each in bounds} == {("k", "d", "m")}


def test_texts_that_a_collation_holds_equal_stay_together(db):
    fill(
        db,
        "k varchar(20) character set utf8mb4 collate utf8mb4_general_ci, KEY (k)",
        "CONCAT(ELT(1 + seq % 4, 'e', 'E', CONVERT(X'C3A9' USING utf8mb4), 'f '), seq DIV 40)",
    )

    check_cut(db)


def test_null_is_a_range_of_its_own_also_of_a_key_that_is_no_number(db):
    fill(db, "k varchar(40), m int, KEY (k, m)", "IF(seq % 5, SHA(seq), NULL)", "seq")

    staged = db.stage("t", BEST_EFFORT, target_bytes=1 << 20)

    assert staged.split.bounds[-1] == {"columns": ["k"], "is_null": True}
    assert staged.partition_rows[-1] == ROWS // 5
    assert sorted(staged.table["n"].to_pylist()) == list(range(1, ROWS + 1))


def test_an_index_on_the_beginnings_of_texts_is_no_key(db):
    fill(db, "k varchar(40), KEY (k(4))", "SHA(seq)")
    spec = SourceSpec("shelf", table="t")

    assert db.source.split(spec, BEST_EFFORT, sizing(1 << 20)).bounds == ({},)


def test_an_index_that_cannot_be_walked_in_time_leaves_the_rest_whole(db):
    fill(db, "k varchar(40) primary key", "SHA(seq)")
    with opened(db.connection, "walk") as session:
        relation = find_relation(session, db.connection.database, "t")
        key = find_key(session, relation, None)
        assert len(list(quantiles(session, relation, key, 20_000))) == 2

        session.limit(timedelta(milliseconds=1))
        assert list(quantiles(session, relation, key, ROWS - 1)) == []
