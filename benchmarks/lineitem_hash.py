"""Compare Parquet files of lineitem as multisets of rows, whatever types a writer chose."""

from pathlib import Path

import duckdb

_MONEY = ("l_quantity", "l_extendedprice", "l_discount", "l_tax")
_NUMBERS = ("l_orderkey", "l_partkey", "l_suppkey", "l_linenumber")
_DATES = ("l_shipdate", "l_commitdate", "l_receiptdate")
_TEXTS = ("l_returnflag", "l_linestatus", "l_shipinstruct", "l_shipmode", "l_comment")
_PLAIN = ", ".join(
    [
        *(f"{name}::DECIMAL(15,2)" for name in _MONEY),
        *(f"{name}::BIGINT" for name in _NUMBERS),
        *(f"{name}::DATE" for name in _DATES),
        *(f"rtrim({name})" for name in _TEXTS),
    ]
)


def count_and_hash(folder: Path) -> tuple[int, int]:
    """Count the rows of a folder's files and add up a 64-bit hash of each one's values.

    Money is compared as numeric(15,2), text without trailing blanks (char(n) means none).
    """
    statement = (
        f"SELECT count(*), sum(hash({_PLAIN})::HUGEINT) FROM read_parquet('{folder}/*.parquet')"
    )
    with duckdb.connect() as engine:
        found = engine.execute(statement).fetchone()
    assert found is not None
    return int(found[0]), int(found[1] or 0)
