"""Every MySQL type is staged exactly, and what has no exact form is stated."""

import datetime
import math
import random
import struct
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from staging.core.errors import InvalidValue, Unrepresentable
from staging.core.source_spec import Filter, SourceSpec
from tests.integration.mysql_database import Database, database_on

UTC = datetime.UTC
_UUID = "6f1c2c0a-9d3b-4e0e-8b3c-2f0a4c1d2e3f"
_POINT = b"\x01\x01\x00\x00\x00" + struct.pack("<dd", 1, 2)


@pytest.fixture(scope="module")
def db(mariadb) -> Database:
    with database_on(mariadb) as database:
        yield database


def naive(*parts: int) -> datetime.datetime:
    return datetime.datetime(*parts)  # noqa: DTZ001 - has no zone


EXACT = [
    ("tinyint", "int8", {"-128": -128, "127": 127}),
    ("tinyint(1)", "int8", {"2": 2, "-1": -1, "true": 1}),
    ("bool", "int8", {"false": 0, "true": 1}),
    ("tinyint unsigned", "uint8", {"0": 0, "255": 255}),
    ("smallint", "int16", {"-32768": -32768, "32767": 32767}),
    ("smallint unsigned", "uint16", {"65535": 65535}),
    ("mediumint", "int32", {"-8388608": -8388608, "8388607": 8388607}),
    ("mediumint unsigned", "uint32", {"16777215": 16777215}),
    ("int", "int32", {"-2147483648": -(2**31), "2147483647": 2**31 - 1}),
    ("int unsigned", "uint32", {"4294967295": 2**32 - 1}),
    ("int(8) zerofill", "uint32", {"42": 42, "0": 0}),
    ("bigint", "int64", {str(-(2**63)): -(2**63), str(2**63 - 1): 2**63 - 1}),
    ("bigint unsigned", "uint64", {str(2**64 - 1): 2**64 - 1, "0": 0}),
    ("decimal(10,2)", "decimal128(10, 2)", {"-1.5": Decimal("-1.50"), "0": Decimal("0.00")}),
    ("decimal(2,2)", "decimal128(2, 2)", {"-0.99": Decimal("-0.99")}),
    ("decimal(5,0) unsigned zerofill", "decimal128(5, 0)", {"7": Decimal(7)}),
    ("decimal(38,0)", "decimal128(38, 0)", {str(1 - 10**38): Decimal(1 - 10**38)}),
    ("decimal(38,30)", "decimal128(38, 30)", {"1e-30": Decimal("1e-30")}),
    ("decimal(38,30) unsigned", "decimal128(38, 30)", {"9": Decimal("9." + "0" * 30)}),
    ("decimal(39,1)", "string", {"1" * 38 + ".5": "1" * 38 + ".5"}),
    (
        "decimal(65,30)",
        "string",
        {"-" + "9" * 35 + "." + "9" * 30: "-" + "9" * 35 + "." + "9" * 30},
    ),
    (
        "float",
        "float",
        {
            "0.1": pytest.approx(0.1, abs=2e-9),
            "16777217": 16777216.0,
            "-3.4028234663852886e38": -3.4028234663852886e38,
            "1.401298464324817e-45": 1.401298464324817e-45,
        },
    ),
    ("float(7,3)", "float", {"0.125": 0.125}),
    (
        "double",
        "double",
        {
            "0.1": 0.1,
            "1.7976931348623157e308": 1.7976931348623157e308,
            "5e-324": 5e-324,
            "2.2250738585072014e-308": 2.2250738585072014e-308,
            "9007199254740993e0": 9007199254740992.0,
        },
    ),
    ("double(10,2)", "double", {"0.126": 0.13, "-1.1": -1.1}),
    ("bit(1)", "bool", {"b'0'": False, "b'1'": True}),
    ("bit(9)", "uint64", {"b'100000001'": 257}),
    ("bit(64)", "uint64", {str(2**64 - 1): 2**64 - 1}),
    ("char(6)", "string", {"'ab  '": "ab", "'ünï'": "ünï", "''": ""}),
    (
        "varchar(20)",
        "string",
        {"'ab  '": "ab  ", "'ünï \U0001f388 \\\\ \\n'": "ünï \U0001f388 \\ \n", "'a\\0b'": "a\0b"},
    ),
    (
        "varchar(20) character set latin1",
        "string",
        {"'é'": "é", "0x80": "€", "0x81": "\x81", "'what?'": "what?"},
    ),
    ("varchar(20) character set ucs2", "string", {"'ü?'": "ü?"}),
    ("varchar(20) character set utf16", "string", {"'\U0001f388?'": "\U0001f388?"}),
    (
        "varchar(20) character set utf32 collate utf32_uca1400_ai_ci",
        "string",
        {"'\U0001f388'": "\U0001f388"},
    ),
    ("varchar(20) character set utf8mb3", "string", {"'☃'": "☃"}),
    ("varchar(20) collate utf8mb4_uca1400_ai_ci", "string", {"'\U0001f388'": "\U0001f388"}),
    ("varchar(20) character set gbk", "string", {"'中?'": "中?"}),
    ("varchar(20) character set sjis", "string", {"'ソ表'": "ソ表"}),
    ("varchar(20) character set cp932", "string", {"0xFA54": "￢", "0x8754": "\u2160"}),
    ("varchar(20) character set koi8r", "string", {"'Ж?'": "Ж?"}),
    ("varchar(20) character set ascii", "string", {"'a?'": "a?"}),
    ("mediumtext character set gbk", "string", {"repeat('中?', 70000)": "中?" * 70000}),
    ("tinytext", "string", {"'x'": "x"}),
    ("text", "string", {"repeat('y', 65535)": "y" * 65535}),
    ("mediumtext character set latin1", "string", {"repeat('é', 70000)": "é" * 70000}),
    ("longtext", "string", {"''": ""}),
    ("binary(4)", "binary", {"'ab'": b"ab\0\0"}),
    ("varbinary(9)", "binary", {"0x00ff2d3030": b"\x00\xff-00", "''": b""}),
    ("tinyblob", "binary", {"0xff": b"\xff"}),
    ("blob", "binary", {"0xc328": b"\xc3\x28"}),
    ("mediumblob", "binary", {"repeat(0xfe, 70000)": b"\xfe" * 70000}),
    ("longblob", "binary", {"0xfb": b"\xfb"}),
    (
        "date",
        "date32[day]",
        {
            "'2024-02-29'": datetime.date(2024, 2, 29),
            "'0001-01-01'": datetime.date(1, 1, 1),
            "'9999-12-31'": datetime.date(9999, 12, 31),
        },
    ),
    (
        "datetime",
        "timestamp[us]",
        {
            "'2024-02-29 01:02:03'": naive(2024, 2, 29, 1, 2, 3),
            "'9999-12-31 23:59:59'": naive(9999, 12, 31, 23, 59, 59),
        },
    ),
    (
        "datetime(6)",
        "timestamp[us]",
        {"'1000-01-01 00:00:00.000001'": naive(1000, 1, 1, 0, 0, 0, 1)},
    ),
    (
        "datetime(1)",
        "timestamp[us]",
        {"'2000-01-01 00:00:00.5'": naive(2000, 1, 1, 0, 0, 0, 500_000)},
    ),
    (
        "timestamp(6) null",
        "timestamp[us, tz=UTC]",
        {
            "'2024-03-31 02:30:00.123456'": datetime.datetime(
                2024, 3, 31, 2, 30, 0, 123_456, tzinfo=UTC
            ),
            "'2038-01-19 03:14:07.999999'": datetime.datetime(
                2038, 1, 19, 3, 14, 7, 999_999, tzinfo=UTC
            ),
        },
    ),
    (
        "timestamp null",
        "timestamp[us, tz=UTC]",
        {"'1970-01-01 00:00:01'": datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)},
    ),
    ("time", "string", {"'-838:59:59'": "-838:59:59", "'01:02:03'": "01:02:03"}),
    ("time(6)", "string", {"'838:59:59.5'": "838:59:59.500000"}),
    ("year", "string", {"2155": "2155", "1901": "1901", "'0000'": "0000"}),
    ("enum('sad','ok','ü')", "string", {"'ok'": "ok", "3": "ü", "0": ""}),
    ("set('x','y')", "string", {"'y,x'": "x,y", "''": ""}),
    ("json", "string", {"'{\"a\":  1.0}'": '{"a":  1.0}'}),
    ("uuid", "string", {f"'{_UUID.upper()}'": _UUID}),
    ("inet4", "string", {"'10.0.0.1'": "10.0.0.1"}),
    ("inet6", "string", {"'::ffff:10.0.0.1'": "::ffff:10.0.0.1"}),
    ("point", "binary", {"ST_GeomFromText('POINT(1 2)', 4326)": _POINT}),
    ("geometry", "binary", {"ST_GeomFromText('POINT(1 2)')": _POINT}),
]


@pytest.mark.parametrize(("declared", "kind", "values"), EXACT, ids=[each[0] for each in EXACT])
def test_a_value_is_staged_as_it_is_and_null_is_null(db, declared, kind, values):
    found = db.column(declared, *values, "NULL")

    assert (str(found.type), found.to_pylist()) == (kind, [*values.values(), None])


@pytest.mark.parametrize(("declared", "kind", "values"), EXACT, ids=[each[0] for each in EXACT])
def test_a_view_and_a_query_give_the_same_types_as_their_table(db, declared, kind, values):
    db.run(
        f"CREATE OR REPLACE TABLE typed (v {declared})",
        "CREATE OR REPLACE VIEW typed_view AS SELECT v FROM typed",
        *(f"INSERT INTO typed VALUES ({each})" for each in values),
    )
    asking = db.with_changes(allow_query=True)
    query = asking.describe(SourceSpec("shelf", query="SELECT v FROM typed"))

    staged = db.stage("typed_view").table["v"]
    assert [str(staged.type), str(query.field("v").type)] == [kind, kind]
    assert staged.to_pylist() == list(values.values())


def test_floats_and_doubles_keep_every_bit(db):
    random.seed(7)
    patterns = [random.getrandbits(64).to_bytes(8, "little") for _ in range(300)]
    doubles = [
        each for each in (struct.unpack("<d", p)[0] for p in patterns) if math.isfinite(each)
    ]
    floats = [
        each for each in (struct.unpack("<f", p[:4])[0] for p in patterns) if math.isfinite(each)
    ]

    assert db.column("double", *map(repr, doubles)).to_pylist() == doubles
    assert db.column("float", *map(repr, floats)).to_pylist() == floats


UNREPRESENTABLE = [
    ("date", ["'0000-00-00'", "'2024-00-10'", "'2024-01-00'"]),
    ("datetime(6)", ["'0000-00-00'", "'2024-00-10 10:00:00'", "'2024-01-00 00:00:00.5'"]),
    ("timestamp null", ["'0000-00-00 00:00:00'"]),
]


@pytest.mark.parametrize("stored_as", ["table", "view"])
@pytest.mark.parametrize(("kind", "bad"), UNREPRESENTABLE)
def test_a_zero_date_fails_the_read_or_is_counted_as_null(db, kind, bad, stored_as):
    good = "'2024-02-29'"
    db.run(
        f"CREATE OR REPLACE TABLE zeros (v {kind})",
        *(f"INSERT INTO zeros VALUES ({each})" for each in (*bad, good, "NULL")),
        "CREATE OR REPLACE VIEW zeros_view AS SELECT * FROM zeros",
    )
    name = "zeros" if stored_as == "table" else "zeros_view"

    with pytest.raises(Unrepresentable, match="column 'v' holds at least") as raised:
        db.stage(name)
    assert "00" not in raised.value.detail
    staged = db.stage(name, policy="null")
    values = staged.table["v"].to_pylist()
    assert [each is None for each in values] == [True] * len(bad) + [False, True]
    assert staged.nulled == {"v": len(bad)}


def test_a_day_that_is_in_no_calendar_fails_the_read(db):
    db.run(
        "SET sql_mode = 'ALLOW_INVALID_DATES'",
        "CREATE OR REPLACE TABLE odd_days (v date)",
        "INSERT INTO odd_days VALUES ('2023-02-31'), ('2023-02-28')",
        "SET sql_mode = ''",
    )

    with pytest.raises(Unrepresentable, match="column 'v' holds at least 1 value"):
        db.stage("odd_days")
    staged = db.stage("odd_days", policy="null")
    assert staged.table["v"].to_pylist() == [None, datetime.date(2023, 2, 28)]


def test_a_column_full_of_zero_dates_is_counted_whole(db):
    db.run(
        "CREATE OR REPLACE TABLE many_zeros (v datetime)",
        "INSERT INTO many_zeros SELECT IF(seq % 3, '0000-00-00', '2024-01-01') FROM seq_1_to_60000",
    )

    staged = db.stage("many_zeros", policy="null")
    assert staged.nulled == {"v": 40_000}
    assert staged.table["v"].null_count == 40_000


LOST_CHARACTERS = [
    ("gbk", "FEFE"),
    ("hebrew", "FF"),
    ("cp1250", "81"),
    ("cp1251", "98"),
    ("greek", "FF"),
    ("ucs2", "D800"),
    ("euckr", "A2E9"),
]


@pytest.mark.parametrize(("characters", "stored"), LOST_CHARACTERS)
def test_a_text_that_has_no_unicode_is_stated_and_never_replaced(db, characters, stored):
    db.run(
        f"CREATE OR REPLACE TABLE lost (v varchar(9) character set {characters})",
        f"INSERT INTO lost VALUES ('ok?'), (X'{stored}')",
    )
    assert db.run("SELECT HEX(v) FROM lost")[1] == (stored,)

    with pytest.raises(Unrepresentable, match="column 'v' holds at least 1 value"):
        db.stage("lost")
    staged = db.stage("lost", policy="null")
    assert staged.table["v"].to_pylist() == ["ok?", None]
    assert staged.nulled == {"v": 1}


def test_expressions_of_a_query_have_the_server_s_types(db):
    db.run(
        "CREATE OR REPLACE TABLE sums (v int, w decimal(10,2))", "INSERT INTO sums VALUES (1, 2.5)"
    )
    query = (
        "SELECT COUNT(*) AS n, SUM(v) AS total, AVG(w) AS mean, 1.5 AS fixed, 'é' AS text,"
        " NULL AS nothing, x'ff' AS raw, v / 3 AS third FROM sums;"
    )
    spec = SourceSpec("shelf", query=query)
    source = db.with_changes(allow_query=True)
    types = {field.name: str(field.type) for field in source.describe(spec)}

    assert types == {
        "n": "int64",
        "total": "decimal128(32, 0)",
        "mean": "decimal128(14, 6)",
        "fixed": "decimal128(2, 1)",
        "text": "string",
        "nothing": "binary",
        "raw": "binary",
        "third": "decimal128(14, 4)",
    }


FILTERS = [
    ("int", ["1", "2", "NULL"], "=", 2, [2]),
    ("bigint unsigned", [str(2**64 - 1), "1"], "=", 2**64 - 1, [2**64 - 1]),
    ("tinyint(1)", ["0", "1", "2"], ">", 1, [2]),
    ("decimal(38,30)", ["1e-30", "0"], "=", "1e-30", [Decimal("1e-30")]),
    ("decimal(65,30)", ["1" * 35, "2"], "=", "1" * 35, ["1" * 35 + "." + "0" * 30]),
    ("decimal(10,2)", ["1.10", "1.2"], "in", [1.1, "5"], [Decimal("1.10")]),
    ("float", ["0.1", "0.2"], "=", 0.1, [struct.unpack("f", struct.pack("f", 0.1))[0]]),
    ("double", ["0.1", "0.2"], "=", 0.1, [0.1]),
    ("double", ["1e300", "1"], ">", 1e299, [1e300]),
    ("bit(1)", ["b'0'", "b'1'"], "=", True, [True]),
    ("bit(9)", ["3", "300"], ">", 3, [300]),
    ("varchar(9)", ["'a'", "'A'", "'a '"], "=", "a", ["a"]),
    ("varchar(9)", ["'b'", "'B'", "'c'"], "<", "b", ["B"]),
    ("varchar(9) character set latin1", ["'é'", "'e'"], "in", ["é", "☃"], ["é"]),
    ("varchar(9) character set latin1", ["'é'", "'e'"], "like", "é", ["é"]),
    ("varchar(9)", ["'it\\'s'", "'\\\\'"], "=", "it's", ["it's"]),
    ("varchar(9)", ["'it\\'s'", "'\\\\'"], "=", "\\", ["\\"]),
    ("date", ["'2024-01-01'", "'2024-01-02'"], ">", "2024-01-01", [datetime.date(2024, 1, 2)]),
    (
        "datetime(6)",
        ["'2024-01-01 00:00:00.5'"],
        "=",
        "2024-01-01T00:00:00.500000",
        [naive(2024, 1, 1, 0, 0, 0, 500_000)],
    ),
    (
        "timestamp null",
        ["'2024-01-01 10:00:00'"],
        "=",
        "2024-01-01T12:00:00+02:00",
        [datetime.datetime(2024, 1, 1, 10, tzinfo=UTC)],
    ),
    (
        "timestamp null",
        ["'2024-01-01 10:00:00'"],
        "<",
        "2050-01-01T00:00:00",
        [datetime.datetime(2024, 1, 1, 10, tzinfo=UTC)],
    ),
    ("time", ["'-01:00:00'", "'25:00:00'"], ">", "23:00:00", ["25:00:00"]),
    ("year", ["2024", "1999"], ">=", 2000, ["2024"]),
    ("enum('b','a')", ["'a'", "'b'"], ">", "a", ["b"]),
    ("set('x','y')", ["'x,y'", "'x'"], "=", "x,y", ["x,y"]),
    ("uuid", [f"'{_UUID}'"], "=", _UUID, [_UUID]),
    ("inet6", ["'::1'", "'::2'"], "=", "::1", ["::1"]),
    ("json", ["'[1]'"], "=", "[1]", ["[1]"]),
]


@pytest.mark.parametrize("case", FILTERS, ids=lambda case: f"{case[0]} {case[2]} {case[3]}")
def test_a_filter_compares_values_of_the_column_s_type(db, case):
    declared, values, op, value, expected = case
    db.run(f"CREATE OR REPLACE TABLE filtered (v {declared})")
    for each in values:
        db.run(f"INSERT INTO filtered VALUES ({each})")

    found = db.stage("filtered", filters=(Filter("v", op, value),))
    assert found.table["v"].to_pylist() == expected


@pytest.mark.parametrize(
    ("declared", "value"),
    [("decimal(38,30)", "1e-31"), ("decimal(38,0)", "1e70"), ("int", 2**64), ("int", -(2**63) - 1)],
)
def test_a_number_that_the_server_cannot_hold_is_refused(db, declared, value):
    db.run(f"CREATE OR REPLACE TABLE filtered (v {declared})")
    spec = SourceSpec("shelf", table="filtered", filters=(Filter("v", "=", value),))

    with pytest.raises(InvalidValue) as raised:
        db.source.describe(spec)
    assert [each.pointer for each in raised.value.errors] == ["#/source/filters/0/value"]


@pytest.mark.parametrize("declared", ["blob", "point"])
def test_bytes_can_be_tested_for_null_only(db, declared):
    db.run(f"CREATE OR REPLACE TABLE filtered (v {declared})")

    with pytest.raises(InvalidValue, match="is_null and not_null only"):
        db.source.describe(SourceSpec("s", table="filtered", filters=(Filter("v", "=", "a"),)))
    assert db.stage("filtered", filters=(Filter("v", "is_null"),)).table.num_rows == 0


def test_all_types_together_survive_parquet(db, tmp_path):
    columns = ", ".join(f"c{i} {each[0]}" for i, each in enumerate(EXACT))
    db.run(f"CREATE OR REPLACE TABLE every ({columns})", "INSERT INTO every () VALUES ()")

    table = db.stage("every").table
    pq.write_table(table, tmp_path / "every.parquet")
    assert pq.read_table(tmp_path / "every.parquet").equals(table)
    assert isinstance(table, pa.Table)
    assert {str(field.type) for field in table.schema} == {each[1] for each in EXACT}
