"""TPC-H's `lineitem` in a Postgres, with the types of the specification (TPC-H 3.0.1, 1.4.1)."""

import subprocess
import sysconfig
import tempfile
from pathlib import Path

import psycopg

_BLOCK_BYTES = 1 << 20
LINEITEM = """
CREATE TABLE lineitem (
    l_orderkey bigint NOT NULL, l_partkey bigint NOT NULL, l_suppkey bigint NOT NULL,
    l_linenumber integer NOT NULL, l_quantity numeric(15, 2) NOT NULL,
    l_extendedprice numeric(15, 2) NOT NULL, l_discount numeric(15, 2) NOT NULL,
    l_tax numeric(15, 2) NOT NULL, l_returnflag char(1) NOT NULL, l_linestatus char(1) NOT NULL,
    l_shipdate date NOT NULL, l_commitdate date NOT NULL, l_receiptdate date NOT NULL,
    l_shipinstruct char(25) NOT NULL, l_shipmode char(10) NOT NULL,
    l_comment varchar(44) NOT NULL
)
"""


def load_lineitem(dsn: str, scale: float) -> int:
    """Create and fill `lineitem` in an empty database; gives its number of rows."""
    with tempfile.TemporaryDirectory(prefix="staging-tpch-") as folder:
        file = _generate(Path(folder), scale)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(LINEITEM)
            _copy(connection, file)
            connection.execute("VACUUM ANALYZE lineitem")
            counted = connection.execute("SELECT count(*) FROM lineitem").fetchone()
    return int(counted[0]) if counted else 0


def _generate(folder: Path, scale: float) -> Path:
    program = Path(sysconfig.get_path("scripts")) / "tpchgen-cli"
    command = [str(program), "csv", "-s", f"{scale:g}", "--tables=lineitem", "-o", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder / "lineitem.csv"


def _copy(connection: "psycopg.Connection[tuple[object, ...]]", file: Path) -> None:
    statement = "COPY lineitem FROM STDIN (FORMAT csv, HEADER)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy, file.open("rb") as rows:
        while block := rows.read(_BLOCK_BYTES):
            copy.write(block)
