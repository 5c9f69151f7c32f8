"""How tables are found and cut: sizes, odd names, partitions, views, slow and wide rows."""

import resource
import time
from functools import partial

import psycopg
import pytest

from staging.core.errors import FieldError, InvalidValue, SourceUnsupported, UnknownTable
from staging.core.source_spec import Filter, SourceSpec
from staging.sources.postgres import PostgresSource
from staging.sources.sizing import Sizing
from staging.storage.measuring import encoded_bytes
from staging.storage.parquet import ParquetOptions, write_chunks
from tests import warehouse
from tests.integration.postgres_database import Database, database_on
from tests.integration.source_kinds import connection_to
from tests.rows import assert_same_rows
from tests.source_reading import exported, request, sizing, stage


@pytest.fixture(scope="module")
def db(postgres) -> Database:
    with database_on(postgres) as database:
        yield database


@pytest.fixture(scope="module")
def stock(db) -> PostgresSource:
    """The warehouse of the end-to-end tests, read by the role that may only read."""
    warehouse.fill(db.dsn)
    return PostgresSource(
        connection_to(db.dsn, user=warehouse.READER, secret=warehouse.READER_PASSWORD)
    )


def test_orders_are_cut_into_several_partitions_of_about_the_target(db, stock):
    holder = stock.hold(())
    staged = stage(stock, SourceSpec("w", table="public.orders"), exported(holder.export))
    holder.close()

    assert_same_rows(staged.table, warehouse.read(db.dsn, "orders"), "id")
    rows = staged.partition_rows
    assert len(rows) >= 2
    assert max(rows) < 1.2 * min(rows)
    types = {field.name: str(field.type) for field in staged.table.schema}
    assert types == {
        "id": "int64",
        "customer": "int32",
        "small": "int16",
        "ratio": "double",
        "score": "float",
        "price": "decimal128(15, 2)",
        "note": "string",
        "code": "string",
        "is_open": "bool",
        "placed_on": "date32[day]",
        "created_at": "timestamp[us]",
        "updated_at": "timestamp[us, tz=UTC]",
        "token": "string",
        "detail": "string",
        "raw": "binary",
    }


def test_a_table_that_is_slow_to_read_is_planned_quickly_and_cut_nevertheless(db, stock):
    spec = SourceSpec("w", table="slow")

    with warehouse.slow_table(db.dsn, "slow") as slow:
        holder = stock.hold(())
        began = time.monotonic()
        split = stock.split(spec, exported(holder.export), sizing(1 << 20))
        took = time.monotonic() - began

    assert len(split.bounds) >= 2
    assert took < 12, "half of what reading it takes"
    with stock.read(request(spec, split, len(split.bounds) - 1)) as reading:
        ids = [n for batch in reading for n in batch.column(0).to_pylist()]
    assert set(ids) < set(slow.rows["id"].to_pylist())
    holder.close()


def test_a_page_range_is_all_that_a_partition_scans_even_behind_a_row_policy(db, stock):
    with (
        warehouse.slow_table(db.dsn, "paced_scan") as slow,
        psycopg.connect(stock_dsn(db)) as reader,
    ):
        plan = reader.execute(
            f"EXPLAIN SELECT id FROM {slow.name} WHERE ctid >= '(3,0)'::tid AND ctid < '(5,0)'::tid"
        ).fetchall()

    assert "Tid Range Scan" in plan[0][0]


def stock_dsn(db: Database) -> str:
    secret = f"{warehouse.READER}:{warehouse.READER_PASSWORD}@"
    return db.dsn.replace("postgres@", secret)


@pytest.mark.parametrize(
    ("schema", "table", "asked"),
    [
        ("public", 'a"; DROP TABLE x; --', 'a"; DROP TABLE x; --'),
        ("public", "Größe 💥", "Größe 💥"),
        ("public", "with.dot", "with.dot"),
        ("public", "with.dot2", 'public."with.dot2"'),
        ("odd.schema", "in it", "odd.schema.in it"),
        ("odd.schema", 'quo"ted', '"odd.schema"."quo""ted"'),
        ("public", "UPPER", "UPPER"),
        ("public", "percent%s", "percent%s"),
        ("public", "back\\slash'", "back\\slash'"),
    ],
)
def test_a_name_is_found_whatever_it_contains(db, schema, table, asked):
    quoted = ".".join('"' + each.replace('"', '""') + '"' for each in (schema, table))
    column = '"' + table.replace('"', '""') + '"'
    db.run(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
    db.run(f"CREATE TABLE {quoted} ({column} text)")
    db.run(f"INSERT INTO {quoted} VALUES ('here'), ('it''s \\ there')")

    assert db.stage(asked).table.to_pydict() == {table: ["here", "it's \\ there"]}
    kept = db.stage(asked, filters=(Filter(table, "=", "it's \\ there"),))
    assert kept.table.to_pydict() == {table: ["it's \\ there"]}


def test_an_unknown_schema_or_table_names_the_nearest(db):
    db.run("CREATE SCHEMA sales; CREATE TABLE sales.invoices (id int)")

    with pytest.raises(UnknownTable) as raised:
        db.source.describe(SourceSpec("w", table="sales.invoice"))

    detail = "there is no table 'sales.invoice'; nearest: sales.invoices"
    assert raised.value.errors == (FieldError("#/source/table", detail),)


@pytest.mark.parametrize("table", ["pg_catalog.pg_authid", "pg_class", "information_schema.tables"])
def test_the_server_s_own_catalogue_is_not_staged(db, table):
    with pytest.raises(SourceUnsupported):
        db.source.describe(SourceSpec("w", table=table))


def test_a_table_without_columns_is_refused(db):
    db.run("CREATE TABLE bare ()")

    with pytest.raises(SourceUnsupported, match="no columns"):
        db.source.describe(SourceSpec("w", table="bare"))


def test_the_partitions_of_a_table_are_read_once_each_by_pages_of_all(db):
    db.run(
        "CREATE TABLE parted (id int, filler text) PARTITION BY RANGE (id);"
        "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (1000);"
        "CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (1000) TO (40000)"
        " PARTITION BY RANGE (id);"
        "CREATE TABLE parted_2a PARTITION OF parted_2 FOR VALUES FROM (1000) TO (30000);"
        "CREATE TABLE parted_2b PARTITION OF parted_2 DEFAULT;"
        "INSERT INTO parted SELECT n, md5(n::text) || md5((n*3)::text)"
        " FROM generate_series(0, 39999) n"
    )
    staged = db.stage("parted")

    assert sorted(staged.table["id"].to_pylist()) == list(range(40_000))
    assert len(staged.partition_rows) >= 2
    assert max(staged.partition_rows) < 1.5 * min(staged.partition_rows)


def test_a_table_with_heirs_is_read_with_them(db):
    db.run(
        "CREATE TABLE elder (id int); CREATE TABLE heir (extra int) INHERITS (elder);"
        "INSERT INTO elder VALUES (1); INSERT INTO heir VALUES (2, 3)"
    )

    assert sorted(db.stage("elder").table["id"].to_pylist()) == [1, 2]


def test_views_and_materialised_views_are_read(db):
    db.run(
        "CREATE TABLE under AS SELECT n AS id FROM generate_series(1, 100) n;"
        "CREATE VIEW over AS SELECT id, id * 2 AS twice FROM under WHERE id > 50;"
        "CREATE MATERIALIZED VIEW kept AS TABLE over"
    )

    for name in ("over", "kept"):
        staged = db.stage(name, filters=(Filter("id", "<=", 52),))
        rows = sorted(zip(*staged.table.to_pydict().values(), strict=True))
        assert rows == [(51, 102), (52, 104)]


def test_a_query_is_read_only_where_the_operator_allows_it(db):
    spec = SourceSpec(
        "w", query="SELECT n AS id, 1.5::numeric(4,1) AS x FROM generate_series(1, 9) n;"
    )
    with pytest.raises(InvalidValue) as raised:
        db.source.describe(spec)
    assert [each.pointer for each in raised.value.errors] == ["#/source/query"]

    allowed = PostgresSource(connection_to(db.dsn, allow_query=True))
    staged = stage(allowed, spec)
    assert staged.table["id"].to_pylist() == list(range(1, 10))
    assert str(staged.table.schema.field("x").type) == "decimal128(4, 1)"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1) AS a; DROP TABLE victim; SELECT * FROM (SELECT 1",
        "SELECT 1; DROP TABLE victim",
        "DELETE FROM victim RETURNING 1",
        "WITH gone AS (DELETE FROM victim RETURNING 1) SELECT * FROM gone",
        "SELECT FROM nowhere",
        "SELECT 1 AS a, 2 AS a",
        "",
    ],
)
def test_a_query_that_is_not_one_select_changes_nothing(db, query):
    db.run("CREATE TABLE IF NOT EXISTS victim AS SELECT 1 AS id")
    allowed = PostgresSource(connection_to(db.dsn, allow_query=True))

    with pytest.raises((InvalidValue, SourceUnsupported)):
        allowed.describe(SourceSpec("w", query=query))

    assert db.run("SELECT count(*) FROM victim") == [(1,)]


def test_rows_of_a_mebibyte_are_read_a_few_pages_at_a_time_in_bounded_memory(db):
    db.run(
        "CREATE TABLE wide (id int, body text);"
        "ALTER TABLE wide ALTER body SET STORAGE EXTERNAL;"
        "INSERT INTO wide SELECT n, repeat(md5(n::text), 32768) FROM generate_series(1, 400) n"
    )
    spec = SourceSpec("w", table="wide")
    split = db.source.split(spec, None, sizing(64 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = 0
    for index in range(len(split.bounds)):
        with db.source.read(request(spec, split, index)) as reading:
            rows += sum(batch.num_rows for batch in reading)

    assert rows == 400
    assert len(split.bounds) >= 2
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 300 * 1024


def test_a_filter_that_keeps_little_makes_few_partitions(db, stock):
    whole = stock.split(SourceSpec("w", table="orders"), None, sizing(1 << 20))
    some = SourceSpec("w", table="orders", filters=(Filter("customer", "=", 3),))

    assert len(stock.split(some, None, sizing(1 << 20)).bounds) < len(whole.bounds)


def test_a_column_that_the_role_may_not_read_is_no_hindrance_to_the_others(db, stock):
    db.run(
        f"CREATE TABLE half_open AS SELECT 1 AS id, 2 AS hidden;"
        f"GRANT SELECT (id) ON half_open TO {warehouse.READER}"
    )

    staged = stage(stock, SourceSpec("w", table="half_open", columns=("id",)))
    assert staged.table.to_pydict() == {"id": [1]}


@pytest.mark.parametrize("compression", ["zstd", "none"])
@pytest.mark.parametrize("share", [1.15, 1.6, 2.3, 3.1])
def test_every_chunk_is_within_a_factor_of_two_of_its_target(stock, compression, share):
    spec, whole = SourceSpec("w", table="orders"), 1 << 30
    [all_rows] = chunks_of(stock, spec, ParquetOptions(whole, compression))
    target = int(all_rows / share)

    sizes = chunks_of(stock, spec, ParquetOptions(target, compression))

    assert len(sizes) >= share
    assert all(target / 2 <= size <= target * 2 for size in sizes)


def chunks_of(source, spec, options):
    """Give the bytes of each chunk that a job would write."""
    measure = partial(encoded_bytes, options=options)
    split = source.split(spec, None, Sizing(options.target_bytes, measure, readers=2))
    sizes = []
    for index in range(len(split.bounds)):
        with source.read(request(spec, split, index)) as reading:
            files = write_chunks(reading, split.schema, options)
            sizes += [each.byte_count for each in files]
    return sizes
