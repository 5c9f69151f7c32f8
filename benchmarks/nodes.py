"""Claim: eight nodes stage a latency-bound table at least 7.2 times as fast as one.

The source answers late: a policy on the table makes each partition's reader wait for 1 s on the
server, spread evenly over its rows.  A node counts as one reader: the job's `parallelism` is the
number of nodes, for the head has two CPUs at least and would be two of the nodes.
"""

import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psycopg
import pyarrow as pa
from pyarrow import parquet

from benchmarks.ground import Ground
from benchmarks.ours import Jobs
from benchmarks.report import record
from staging.settings import Settings

_BAR = 7.2
_NODES = 8
_PARTITIONS = 160
_TARGET_BYTES = 1024 * 1024
_ROWS_A_PARTITION = 540
_WAITS_A_PARTITION = 20
_WARM_ROUNDS = 3
_READER, _PASSWORD = "patient", "for-this-run-only"
_SOURCE = {"connection": "latent", "table": "public.latent"}
_BODY = " || ".join(f"decode(md5((n * {seed})::text), 'hex')" for seed in range(3, 123))
_TABLE = f"""
CREATE FUNCTION paced(id bigint) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF id % {_ROWS_A_PARTITION // _WAITS_A_PARTITION} = 0 THEN
        PERFORM pg_sleep({1 / _WAITS_A_PARTITION});
    END IF;
    RETURN true;
END $$;
CREATE TABLE latent (id bigint NOT NULL, body bytea NOT NULL);
ALTER TABLE latent ALTER COLUMN body SET STORAGE PLAIN;
INSERT INTO latent SELECT n, {_BODY} FROM generate_series(1, {{rows}}::bigint) n;
ALTER TABLE latent ENABLE ROW LEVEL SECURITY;
CREATE POLICY pace ON latent FOR SELECT USING (paced(id));
CREATE ROLE {_READER} LOGIN PASSWORD '{_PASSWORD}';
GRANT SELECT ON latent TO {_READER};
"""
_DROP = f"DROP TABLE latent; DROP FUNCTION paced; DROP ROLE {_READER}"
_CONNECTION = """
[connections.latent]
kind = "postgres"
host = "127.0.0.1"
port = {port}
database = "postgres"
user = "{user}"
password = "file:{password}"
max_connections = {most}
"""
_HASH = (
    "SELECT count(*), sum(('x' || left(md5(id || encode(body, 'hex')), 8))::bit(32)::int::bigint)"
)


def measure(place: Ground, rounds: int) -> str:
    """Stage the table with one reader on the head, then with eight on eight nodes, in turn."""
    jobs = Jobs(place.api_url)
    partitions = max(_NODES, round(_PARTITIONS * min(1.0, place.scale)))
    with _latent_table(place.dsn, partitions * _ROWS_A_PARTITION) as expected, _connection(place):
        pairs = []
        for _ in range(rounds):
            _scale(1)
            _warm(jobs, 1)
            alone = _staged(jobs, 1, expected)
            _scale(_NODES)
            _warm(jobs, _NODES)
            pairs.append((*alone, *_staged(jobs, _NODES, expected)))
        _scale(1)
    ratio = median(alone / together for alone, _, together, _ in pairs)
    verdict = "met" if ratio >= _BAR else "missed"
    lines = [
        f"| 1 node, s | partitions | {_NODES} nodes, s | partitions | ratio |",
        "|---" * 5 + "|",
        *(f"| {a:.1f} | {p} | {b:.1f} | {q} | {a / b:.2f} |" for a, p, b, q in pairs),
        "",
        f"Median ratio {ratio:.2f}, bar ≥ {_BAR} {verdict}. POST to `staged`. The readers wait for "
        f"{partitions} s in all on the server, 1 s a partition; all nodes are on this machine, and "
        f"each had read some {_WARM_ROUNDS} partitions before; the rows of every run were compared "
        "with the source's.",
    ]
    return record(f"Nodes, scale {place.scale:g}", lines)


def _scale(count: int) -> None:
    program = Path(sys.executable).parent / "staging"
    subprocess.run([program, "cluster", "scale", str(count)], check=True, capture_output=True)


def _warm(jobs: Jobs, readers: int) -> None:
    """Have the nodes read some partitions each, so that their processes are there."""
    job_id = jobs.create(_SOURCE, chunk_target_bytes=_TARGET_BYTES, parallelism=readers)
    enough = _WARM_ROUNDS * readers
    for job in jobs.changes(job_id):
        if job["progress"]["partitions_done"] >= enough or job["state"] == "staged":
            break
    jobs.discard(job_id)


def _staged(jobs: Jobs, readers: int, expected: tuple[int, int]) -> tuple[float, int]:
    """Give the seconds and the number of partitions; raises if a row is missing or too many."""
    began = time.monotonic()
    job_id = jobs.create(_SOURCE, chunk_target_bytes=_TARGET_BYTES, parallelism=readers)
    jobs.until_staged(job_id)
    seconds = time.monotonic() - began
    job = next(jobs.changes(job_id))
    with tempfile.TemporaryDirectory() as folder:
        jobs.download(job_id, Path(folder))
        found = _hash(parquet.read_table(folder))
    assert found == expected, f"{found} rows and hash, not {expected}"
    jobs.discard(job_id)
    return seconds, job["progress"]["partitions_total"]


def _hash(table: pa.Table) -> tuple[int, int]:
    """Count the rows and add up a hash of each, as the source does in SQL."""
    ids, bodies = table["id"].to_pylist(), table["body"].to_pylist()
    hashes = (
        hashlib.md5(f"{number}{body.hex()}".encode()).digest()[:4]
        for number, body in zip(ids, bodies, strict=True)
    )
    return len(ids), sum(int.from_bytes(each, signed=True) for each in hashes)


@contextmanager
def _latent_table(dsn: str, rows: int) -> Iterator[tuple[int, int]]:
    with psycopg.connect(dsn, autocommit=True) as server:
        server.execute(_TABLE.format(rows=rows).encode())
        server.execute("VACUUM ANALYZE latent")
        try:
            count, total = server.execute(f"{_HASH} FROM latent").fetchone() or (0, 0)
            yield count, int(total)
        finally:
            server.execute(_DROP.encode())


@contextmanager
def _connection(place: Ground) -> Iterator[None]:
    """Register a connection that lets eight read beside the snapshot's holders."""
    registry = Settings().connections
    before = registry.read_text()
    password = registry.with_name("patient-password")
    password.write_text(_PASSWORD)
    password.chmod(0o600)
    port = psycopg.conninfo.conninfo_to_dict(place.dsn)["port"]
    registry.write_text(
        before + _CONNECTION.format(port=port, user=_READER, password=password, most=_NODES + 4)
    )
    try:
        yield
    finally:
        registry.write_text(before)
        password.unlink()
