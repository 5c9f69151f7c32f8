"""Create the first tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

_READS_NOW = sa.text("(running_attempts > 0 OR holders > 0)")
_UNPURGED = sa.text("purged_at IS NULL")
_UNDELETED = sa.text("deleted_at IS NULL")


def upgrade() -> None:
    """Create jobs, then what belongs to them."""
    _create_jobs()
    _create_partitions_and_attempts()
    _create_chunks_and_acks()
    _create_keys_and_events()


def _number(name: str, **options: Any) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, autoincrement=False, **options)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _word(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(16), nullable=nullable)


def _at(name: str, *, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _job(**options: Any) -> sa.Column[str]:
    return sa.Column(
        "job_id", sa.String(36), sa.ForeignKey("jobs.job_id"), nullable=False, **options
    )


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.String(36), primary_key=True),
        _count("org_id"),
        sa.Column("user_id", sa.Text),
        sa.Column("name", sa.Text),
        sa.Column(
            "labels", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
        _word("state"),
        _count("revision"),
        sa.Column("source", sa.JSON, nullable=False),
        sa.Column("connection", sa.Text, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        _at("created_at", nullable=False),
        _at("moved_at", nullable=False),
        _at("started_at"),
        _at("staged_at"),
        _at("finished_at"),
        _at("purged_at"),
        _at("expires_at"),
        sa.Column("ttl_remaining_seconds", sa.Double),
        sa.Column("is_planned", sa.Boolean, nullable=False),
        sa.Column("is_sealed", sa.Boolean, nullable=False),
        sa.Column("columns", sa.JSON),
        sa.Column("schema_fingerprint", sa.String(64)),
        sa.Column("arrow_schema", sa.LargeBinary),
        sa.Column("snapshot", sa.JSON),
        sa.Column("nulled", sa.JSON, nullable=False),
        sa.Column("error_code", sa.Text),
        sa.Column("error_detail", sa.Text),
        sa.Column("error_partition_id", sa.BigInteger),
        sa.Column("partitions_total", sa.BigInteger),
        _count("partitions_done"),
        _count("chunks_published"),
        _count("chunks_acked"),
        _count("row_count"),
        _count("byte_count"),
        _count("term"),
        _count("fence_floor"),
        _count("running_attempts"),
        _count("holders"),
    )
    op.create_index("jobs_by_org", "jobs", ["org_id", "job_id"])
    op.create_index("jobs_by_org_and_state", "jobs", ["org_id", "state", "job_id"])
    _create_partial_index("jobs_unpurged", "jobs", ["state"], _UNPURGED)
    _create_partial_index("jobs_reading", "jobs", ["connection"], _READS_NOW)


def _create_partial_index(name: str, table: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def _create_partitions_and_attempts() -> None:
    op.create_table(
        "partitions",
        _job(primary_key=True),
        _number("partition_id", primary_key=True),
        sa.Column("bounds", sa.JSON, nullable=False),
        _word("state"),
        _count("fence"),
        _count("failures"),
        _at("not_before"),
        sa.Column("chunk_count", sa.BigInteger),
    )
    for state in ("waiting", "running"):
        where = sa.text(f"state = '{state}'")
        _create_partial_index(
            f"partitions_{state}", "partitions", ["job_id", "partition_id"], where
        )
    op.create_table(
        "attempts",
        _job(primary_key=True),
        _number("partition_id", primary_key=True),
        _number("fence", primary_key=True),
        _count("term"),
        _word("state"),
        _at("started_at", nullable=False),
        _at("ended_at"),
        sa.Column("error_code", sa.Text),
        sa.Column("error_detail", sa.Text),
        sqlite_with_rowid=False,
    )


def _create_chunks_and_acks() -> None:
    op.create_table(
        "chunks",
        _job(primary_key=True),
        _number("chunk_index", primary_key=True),
        sa.Column("chunk_id", sa.String(36), nullable=False, unique=True),
        _count("partition_id"),
        _count("row_offset"),
        _count("row_count"),
        _count("byte_count"),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        _at("acked_at"),
        _at("deleted_at"),
    )
    _create_partial_index("chunks_undeleted", "chunks", ["job_id", "chunk_index"], _UNDELETED)
    op.create_table(
        "acks",
        sa.Column("job_id", sa.String(36), primary_key=True),
        _number("chunk_index", primary_key=True),
        sa.Column("consumer", sa.Text, primary_key=True),
        _at("acked_at", nullable=False),
        sa.ForeignKeyConstraint(["job_id", "chunk_index"], ["chunks.job_id", "chunks.chunk_index"]),
        sqlite_with_rowid=False,
    )


def _create_keys_and_events() -> None:
    op.create_table(
        "idempotency_keys",
        _number("org_id", primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("body_sha256", sa.String(64), nullable=False),
        sa.Column(
            "job_id",
            sa.String(36),
            sa.ForeignKey("jobs.job_id", deferrable=True, initially="DEFERRED"),
            nullable=False,
        ),
        _at("created_at", nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("idempotency_keys_by_age", "idempotency_keys", ["created_at"])
    op.create_table(
        "events",
        _job(primary_key=True),
        _number("revision", primary_key=True),
        _at("at", nullable=False),
        _word("from_state", nullable=True),
        _word("to_state"),
        sqlite_with_rowid=False,
    )
