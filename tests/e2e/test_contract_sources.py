"""Sources by the contract: names, filters, values, snapshots, and what a connection permits."""

import concurrent.futures
import datetime
import decimal
import socket
import sqlite3
import time
import uuid

import psycopg
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from tests.e2e.contract import problem
from tests.e2e.service import Service
from tests.warehouse import READER

ROWS = 120
EXTRA = """
[connections.contract_query]
kind = "postgres"
host = "127.0.0.1"
port = {port}
database = "warehouse"
user = "reader"
password = "env:WAREHOUSE_PASSWORD"
orgs = [7]
allow_query = true

[connections.contract_single]
kind = "postgres"
host = "127.0.0.1"
port = {port}
database = "warehouse"
user = "reader"
password = "env:WAREHOUSE_PASSWORD"
max_connections = 1

[connections.contract_single_csv]
kind = "csv"
root = "csv"
max_connections = 1

[connections.contract_literal]
kind = "postgres"
host = "127.0.0.1"
database = "warehouse"
user = "reader"
password = "swordfish"

[connections.contract_silent]
kind = "postgres"
host = "127.0.0.1"
port = {silent}
database = "warehouse"
user = "reader"
"""
POSTGRES = """
CREATE TABLE contract_rows (id bigint, name text, ratio float8, flag bool, day date,
    at timestamp, moment timestamptz, price numeric(12, 3), token uuid, big bigint);
CREATE TABLE contract_odd (id int, n numeric(10, 2), d date, at timestamptz);
INSERT INTO contract_odd VALUES (1, 1.5, '2020-01-01', '2020-01-01Z'),
    (2, 'NaN', 'infinity', '-infinity'), (3, 'NaN', '2020-01-02', 'infinity');
CREATE TABLE "contract""; DROP TABLE orders; --" ("Col A" int, "se""lect" text, "ü😀" int);
INSERT INTO "contract""; DROP TABLE orders; --" VALUES (1, 'x', 2), (2, 'y''z', 3);
"""


def row(n):
    name = None if n % 7 == 0 else f"a%b_c\\d{n}" if n % 5 == 0 else f"name{n}"
    moment = datetime.datetime(2020, 1, 1, n % 24, 0, 0, 123456, tzinfo=datetime.UTC)
    moment += datetime.timedelta(days=n // 24)
    return {
        "id": n,
        "name": name,
        "ratio": n / 4,
        "flag": n % 2 == 0,
        "day": datetime.date(2020, 1, 1) + datetime.timedelta(n),
        "at": moment.replace(tzinfo=None),
        "moment": moment,
        "price": decimal.Decimal(n) / 8,
        "token": str(uuid.UUID(int=n)),
        "big": 2**53 + n,
    }


EXPECTED = [row(n) for n in range(1, ROWS + 1)]
FILTERS = [
    ("id", "=", 5, lambda r: r["id"] == 5),
    ("id", "!=", 5, lambda r: r["id"] != 5),
    ("id", "<", 5, lambda r: r["id"] < 5),
    ("id", "<=", 5, lambda r: r["id"] <= 5),
    ("id", ">", 115, lambda r: r["id"] > 115),
    ("id", ">=", 115, lambda r: r["id"] >= 115),
    ("id", "in", [1, 2, 999], lambda r: r["id"] in {1, 2}),
    ("id", "not_in", [1, 2], lambda r: r["id"] not in {1, 2}),
    ("name", "is_null", None, lambda r: r["name"] is None),
    ("name", "not_null", None, lambda r: r["name"] is not None),
    ("name", "!=", "name1", lambda r: r["name"] not in {None, "name1"}),
    ("name", "like", "name1_", lambda r: (r["name"] or "")[:5] == "name1" and 9 < r["id"] < 20),
    ("name", "like", "a\\%b\\_c%", lambda r: (r["name"] or "")[:5] == "a%b_c"),
    ("name", "like", "NAME%", lambda r: False),
    ("name", "=", "x' OR 1=1 --", lambda r: False),
    ("ratio", ">", 27.9, lambda r: r["ratio"] > 27.9),
    ("flag", "=", True, lambda r: r["flag"]),
    ("day", ">", "2020-04-01", lambda r: r["day"] > datetime.date(2020, 4, 1)),
    ("at", "=", "2020-01-01T05:00:00.123456", lambda r: r["id"] == 5),
    ("price", "<", 1, lambda r: r["price"] < 1),
    ("big", "=", 2**53 + 1, lambda r: r["id"] == 1),
]
TYPED = [
    ("moment", "=", "2020-01-01T07:00:00.123456+02:00", lambda r: r["id"] == 5),
    ("price", "in", ["0.125", 0.25], lambda r: r["id"] in {1, 2}),
]
KINDS = {
    "postgres": ({"connection": "warehouse", "table": "contract_rows"}, FILTERS + TYPED),
    "sqlite": ({"connection": "shelf_sqlite", "table": "contract_rows"}, FILTERS),
    "parquet": ({"connection": "shelf_parquet", "path": "contract/rows.parquet"}, FILTERS + TYPED),
    "csv": ({"connection": "shelf_csv", "path": "contract/rows.csv"}, FILTERS),
}
UUID = ("token", "in", [str(uuid.UUID(int=7)).upper()], lambda r: r["id"] == 7)


@pytest.fixture(scope="module", autouse=True)
def rows(stack_folder, dsn, service):
    """The same rows in each kind of source, and places that must not be reached."""
    names = list(EXPECTED[0])
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(POSTGRES)
        marks = ", ".join(["%s"] * len(names))
        for each in EXPECTED:
            connection.execute(f"INSERT INTO contract_rows VALUES ({marks})", list(each.values()))
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER}")
    with sqlite3.connect(stack_folder / "shelf.db") as database:
        database.execute(
            "CREATE TABLE contract_rows (id integer, name text, ratio real, flag boolean, day text,"
            " at text, moment text, price decimal(12, 3), token text, big integer)"
        )
        for each in EXPECTED:
            plain = [v if isinstance(v, int | float | None) else str(v) for v in each.values()]
            plain[names.index("at")] = each["at"].isoformat()
            database.execute(f"INSERT INTO contract_rows VALUES ({','.join('?' * 10)})", plain)
    table = pa.Table.from_pylist(EXPECTED)
    for kind, write in (("parquet", pq.write_table), ("csv", pa.csv.write_csv)):
        (stack_folder / kind / "contract").mkdir()
        write(table, stack_folder / kind / "contract" / f"rows.{kind}")
        (stack_folder / kind / "contract" / "out").symlink_to("/etc")
        (stack_folder / kind / "contract" / "passwd").symlink_to("/etc/passwd")


@pytest.fixture(scope="module")
def registry(stack_folder, postgres):
    """More connections, for as long as these tests run."""
    file = stack_folder / "connections.toml"
    before = file.read_text()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        file.write_text(before + EXTRA.format(port=postgres.port, silent=silent.getsockname()[1]))
        time.sleep(1)
        yield
        file.write_text(before)


def stage(service, source, **options):
    job_id = service.create(source, **options)["job_id"]
    job = service.until_state(job_id, "staged")
    return job, service.read_by_link(job_id)


def refused(service, source, pointer, code="invalid_value"):
    body = problem(service.http.post("/jobs", json={"source": source}), 422, code)
    (error,) = (error for error in body["errors"] if error["pointer"] == pointer)
    return error["detail"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_operator_keeps_the_rows_it_says(service, kind):
    source, filters = KINDS[kind]
    filters = [*filters, UUID] if kind == "postgres" else filters

    def kept(case):
        column, op, value, _ = case
        said = {"column": column, "op": op} | ({} if value is None else {"value": value})
        job_id = service.create(source | {"columns": ["id"], "filters": [said]})["job_id"]
        job = service.until_state(job_id, "staged")
        if not job["chunks"]:
            return []
        return sorted(service.read_by_link(job_id)["id"].to_pylist())

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        found = list(pool.map(kept, filters))

    expected = [[r["id"] for r in EXPECTED if keep(r)] for *_, keep in filters]
    names = [f"{column} {op} {value}" for column, op, value, _ in filters]
    assert dict(zip(names, found, strict=True)) == dict(zip(names, expected, strict=True))


@pytest.mark.parametrize(
    ("kind", "snapshot"), [("postgres", "exported"), ("parquet", "pinned"), ("csv", "pinned")]
)
def test_values_arrive_as_they_are_and_the_snapshot_has_its_class(service, kind, snapshot):
    job, table = stage(service, KINDS[kind][0])
    assert job["manifest"]["snapshot"]["class"] == snapshot
    assert table.sort_by("id").to_pylist() == EXPECTED


def test_a_source_without_a_snapshot_is_read_by_one_reader(service):
    job, table = stage(service, KINDS["sqlite"][0])
    assert job["manifest"]["snapshot"]["class"] == "single_reader"
    kept = ("id", "name", "ratio", "flag", "price", "token", "big")
    assert table.select(kept).to_pylist() == [{k: r[k] for k in kept} for r in EXPECTED]


def test_what_no_type_holds_becomes_null_only_when_asked_and_is_counted(service):
    source = {"connection": "warehouse", "table": "contract_odd"}
    job, table = stage(service, source, on_unrepresentable="null")

    assert table.sort_by("id")["n"].to_pylist() == [decimal.Decimal("1.50"), None, None]
    assert job["manifest"]["nulled"] == {"n": 2, "d": 1, "at": 2}


def test_names_are_quoted_and_columns_keep_the_order_asked_for(service):
    source = {"connection": "warehouse", "table": 'contract"; DROP TABLE orders; --'}
    like = {"column": 'se"lect', "op": "=", "value": "y'z"}

    _, table = stage(service, source | {"columns": ["ü😀", 'se"lect'], "filters": [like]})

    assert table.to_pylist() == [{"ü😀": 3, 'se"lect': "y'z"}]


@pytest.mark.parametrize(
    ("source", "pointer", "code", "nearest"),
    [
        ({"connection": "warehose", "table": "orders"}, "connection", "connection", "warehouse"),
        ({"connection": "warehouse", "table": "ordrs"}, "table", "table", "orders"),
        ({"connection": "warehouse", "table": "public.ordrs"}, "table", "table", "public.orders"),
        ({"connection": "shelf_sqlite", "table": "thing"}, "table", "table", "things"),
        ({"connection": "shelf_csv", "path": "thing.csv"}, "path", "table", "things.csv"),
        (KINDS["postgres"][0] | {"columns": ["id", "prise"]}, "columns/1", "column", "price"),
        (KINDS["sqlite"][0] | {"columns": ["prise"]}, "columns/0", "column", "price"),
        (KINDS["parquet"][0] | {"columns": ["prise"]}, "columns/0", "column", "price"),
        (KINDS["csv"][0] | {"columns": ["prise"]}, "columns/0", "column", "price"),
        ({"connection": "warehouse", "table": "ORDERS"}, "table", "table", "orders"),
        ({"connection": "WAREHOUSE", "table": "orders"}, "connection", "connection", "warehouse"),
        (KINDS["postgres"][0] | {"columns": ["PRICE"]}, "columns/0", "column", "price"),
    ]
    + [
        (source | {"columns": ["id"], "partition_by": "prise"}, "partition_by", "column", "price")
        for source, _ in KINDS.values()
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(service, source, pointer, code, nearest):
    detail = refused(service, source, f"#/source/{pointer}", f"unknown_{code}")
    assert nearest in detail.split("nearest:")[1]


@pytest.mark.parametrize("table", ['"things"', 'main."things"', '"main".things', "main.things"])
def test_a_table_of_sqlite_may_be_quoted(service, table):
    assert stage(service, {"connection": "shelf_sqlite", "table": table})[1].num_rows == 5_000


def test_a_csv_cut_off_inside_quotes_is_not_staged_silently(service, stack_folder):
    (stack_folder / "csv" / "torn.csv").write_text('id,name\n1,"a\n2,b\n3,c\n')
    source = {"connection": "shelf_csv", "path": "torn.csv"}
    refused(service, source, "#/source/path", "invalid_value")


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize(
    "path",
    [
        *("../connections.toml", "/etc/passwd", "contract/passwd", "contract/out/passwd"),
        *("contract/../../connections.toml", "contract/out/*", "file:///etc/passwd", "a\0b", ""),
    ],
)
def test_no_path_leads_out_of_the_root(service, kind, path):
    answer = service.http.post(
        "/jobs", json={"source": {"connection": f"shelf_{kind}", "path": path}}
    )
    assert problem(answer, 422, answer.json()["code"])["errors"][0]["pointer"] == "#/source/path"


@pytest.mark.parametrize(
    ("kind", "said", "pointer"),
    [
        ("postgres", {"column": "id", "op": "==", "value": 1}, "op"),
        ("postgres", {"column": "id", "op": "=", "value": "1"}, "value"),
        ("postgres", {"column": "id", "op": "=", "value": None}, "value"),
        ("postgres", {"column": "id", "op": "=", "value": 10**30}, "value"),
        ("postgres", {"column": "id", "op": "in", "value": []}, "value"),
        ("postgres", {"column": "name", "op": "=", "value": "a\0b"}, "value"),
        ("postgres", {"column": "token", "op": "=", "value": "no uuid"}, "value"),
        ("postgres", {"column": "day", "op": "=", "value": "2020-02-30"}, "value"),
        ("sqlite", {"column": "id", "op": "is_null", "value": 1}, "value"),
        ("parquet", {"column": "at", "op": "<", "value": "yesterday"}, "value"),
        ("csv", {"column": "id", "op": "like", "value": "1%"}, "op"),
    ],
)
def test_a_filter_that_cannot_be_is_pointed_at(service, kind, said, pointer):
    refused(service, KINDS[kind][0] | {"filters": [said]}, f"#/source/filters/0/{pointer}")


def test_a_connection_permits_what_its_entry_says(service, api_url, registry):
    seventh, query = Service(api_url, org_id=7), "SELECT id, price FROM contract_rows"
    mine, theirs = (
        {each["name"] for each in caller.http.get("/connections").json()["connections"]}
        for caller in (service, seventh)
    )
    assert ("contract_query" in mine, "contract_query" in theirs) == (False, True)
    assert "contract_literal" not in mine | theirs
    refused(service, {"connection": "warehouse", "query": query}, "#/source/query")
    asked = {"connection": "contract_query", "query": query}
    refused(service, asked, "#/source/connection", "unknown_connection")
    for sql in ("DELETE FROM contract_odd", "SELECT 1; DROP TABLE orders", "SELEC 1"):
        refused(seventh, asked | {"query": sql}, "#/source/query")
    _, table = stage(seventh, asked)
    assert (table.column_names, table.num_rows) == (["id", "price"], ROWS)


@pytest.mark.parametrize(
    ("source", "snapshot"),
    [
        ({"connection": "contract_single", "table": "contract_rows"}, "single_reader"),
        ({"connection": "contract_single_csv", "path": "contract/rows.csv"}, "pinned"),
    ],
)
def test_one_session_is_a_limit_that_a_connection_may_have(service, registry, source, snapshot):
    job, table = stage(service, source)
    assert job["manifest"]["snapshot"]["class"] == snapshot
    assert table.sort_by("id").to_pylist() == EXPECTED


def test_a_literal_password_is_refused_and_not_repeated(service, registry):
    source = {"connection": "contract_literal", "table": "orders"}
    assert "swordfish" not in refused(service, source, "#/source/connection")


def test_a_source_that_does_not_answer_is_accepted_in_seconds(service, registry):
    begun = time.monotonic()
    job = service.create({"connection": "contract_silent", "table": "orders"})
    assert time.monotonic() - begun < 20
    service.http.delete(f"/jobs/{job['job_id']}")


def test_an_incremental_job_goes_on_after_the_mark_of_the_one_before(service, dsn):
    def write(*rows):
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.cursor().executemany("INSERT INTO grown VALUES (%s, %s)", rows)

    def read(column, after):
        asked = {"connection": "warehouse", "table": "grown"}
        incremental = {"column": column, "after": after}
        job_id = service.create(asked | {"incremental": incremental})["job_id"]
        job = service.until_state(job_id, "staged")
        rows = service.read_by_link(job_id)["id"].to_pylist() if job["chunks"] else []
        return sorted(rows), job["manifest"]["incremental"]["high_water"]

    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE grown (id int8, at timestamptz)")
        connection.execute(f"GRANT SELECT ON grown TO {READER}")
    write((1, "2026-01-01 00:00Z"), (2, "2026-01-02 00:00Z"), (2, "2026-01-02 00:00:00.000001Z"))

    by_id = read("id", None)
    by_time = read("at", None)
    assert by_id == ([1, 2, 2], 2)
    assert by_time == ([1, 2, 2], "2026-01-02T00:00:00.000001Z")

    write((3, "2026-01-02 00:00:00.000002Z"), (4, "2026-03-01 00:00Z"))
    assert read("id", by_id[1]) == ([3, 4], 4)
    assert read("at", by_time[1]) == ([3, 4], "2026-03-01T00:00:00Z")
    assert read("id", 4) == ([], 4)
