"""The catalog's tables; migrations/ holds the steps that lead to them."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from staging.core.jobs import JobState

Row: TypeAlias = sa.Row[*tuple[Any, ...]]
"""A row of columns that are known by name."""


class PartitionState(StrEnum):
    """Whether a partition waits for an attempt, has one running, or is published."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"


class AttemptState(StrEnum):
    """Whether an attempt runs, or how it ended."""

    RUNNING = "running"
    PUBLISHED = "published"
    FAILED = "failed"
    FENCED = "fenced"


class Instant(sa.TypeDecorator[datetime]):
    """A moment: aware and in UTC in Python, whatever the database keeps."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Give UTC: SQLite keeps the digits alone."""
        del dialect
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Give an aware moment in UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _word(words: type[StrEnum]) -> sa.Enum:
    return sa.Enum(
        words, native_enum=False, length=16, values_callable=lambda each: [w.value for w in each]
    )


def _job_id(**options: Any) -> sa.Column[str]:
    return sa.Column(
        "job_id", sa.String(36), sa.ForeignKey("jobs.job_id"), nullable=False, **options
    )


metadata = sa.MetaData()

# Conditions of partial indexes; a query that is to use one must say the same words.
READS_NOW = sa.text("(running_attempts > 0 OR holders > 0)")
IS_UNPURGED = sa.text("purged_at IS NULL")
IS_WAITING = sa.text("state = 'waiting'")
IS_RUNNING = sa.text("state = 'running'")
IS_UNDELETED = sa.text("deleted_at IS NULL")


def _partial_index(name: str, *columns: str, where: sa.TextClause) -> sa.Index:
    return sa.Index(name, *columns, sqlite_where=where, postgresql_where=where)


jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("job_id", sa.String(36), primary_key=True),
    sa.Column("org_id", sa.BigInteger, nullable=False),
    sa.Column("user_id", sa.Text),
    sa.Column("name", sa.Text),
    sa.Column("labels", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
    sa.Column("state", _word(JobState), nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("source", sa.JSON, nullable=False),
    sa.Column("connection", sa.Text, nullable=False),
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("moved_at", Instant, nullable=False),
    sa.Column("started_at", Instant),
    sa.Column("staged_at", Instant),
    sa.Column("finished_at", Instant),
    sa.Column("purged_at", Instant),
    sa.Column("expires_at", Instant),
    sa.Column("ttl_remaining_seconds", sa.Double),
    sa.Column("is_planned", sa.Boolean, nullable=False),
    sa.Column("is_sealed", sa.Boolean, nullable=False),
    sa.Column("columns", sa.JSON(none_as_null=True)),
    sa.Column("schema_fingerprint", sa.String(64)),
    sa.Column("arrow_schema", sa.LargeBinary),
    sa.Column("snapshot", sa.JSON(none_as_null=True)),
    sa.Column("nulled", sa.JSON, nullable=False),
    sa.Column("high_water", sa.JSON(none_as_null=True)),
    sa.Column("error_code", sa.Text),
    sa.Column("error_detail", sa.Text),
    sa.Column("error_partition_id", sa.BigInteger),
    sa.Column("partitions_total", sa.BigInteger),
    sa.Column("partitions_done", sa.BigInteger, nullable=False),
    sa.Column("chunks_published", sa.BigInteger, nullable=False),
    sa.Column("chunks_acked", sa.BigInteger, nullable=False),
    sa.Column("row_count", sa.BigInteger, nullable=False),
    sa.Column("byte_count", sa.BigInteger, nullable=False),
    sa.Column("term", sa.BigInteger, nullable=False),
    sa.Column("fence_floor", sa.BigInteger, nullable=False),
    sa.Column("running_attempts", sa.BigInteger, nullable=False),
    sa.Column("holders", sa.BigInteger, nullable=False),
    sa.Index("jobs_by_org", "org_id", "job_id"),
    sa.Index("jobs_by_org_and_state", "org_id", "state", "job_id"),
    _partial_index("jobs_unpurged", "state", where=IS_UNPURGED),
    _partial_index("jobs_reading", "connection", where=READS_NOW),
)

partitions = sa.Table(
    "partitions",
    metadata,
    _job_id(primary_key=True),
    sa.Column("partition_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("bounds", sa.JSON, nullable=False),
    sa.Column("state", _word(PartitionState), nullable=False),
    sa.Column("fence", sa.BigInteger, nullable=False),
    sa.Column("failures", sa.BigInteger, nullable=False),
    sa.Column("not_before", Instant),
    sa.Column("chunk_count", sa.BigInteger),
    _partial_index("partitions_waiting", "job_id", "partition_id", where=IS_WAITING),
    _partial_index("partitions_running", "job_id", "partition_id", where=IS_RUNNING),
)

attempts = sa.Table(
    "attempts",
    metadata,
    _job_id(primary_key=True),
    sa.Column("partition_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("fence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("term", sa.BigInteger, nullable=False),
    sa.Column("state", _word(AttemptState), nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("ended_at", Instant),
    sa.Column("error_code", sa.Text),
    sa.Column("error_detail", sa.Text),
    sa.Column("node_id", sa.Text),
    sqlite_with_rowid=False,
)

chunks = sa.Table(
    "chunks",
    metadata,
    _job_id(primary_key=True),
    sa.Column("chunk_index", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("chunk_id", sa.String(36), nullable=False, unique=True),
    sa.Column("partition_id", sa.BigInteger, nullable=False),
    sa.Column("row_offset", sa.BigInteger, nullable=False),
    sa.Column("row_count", sa.BigInteger, nullable=False),
    sa.Column("byte_count", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("acked_at", Instant),
    sa.Column("deleted_at", Instant),
    _partial_index("chunks_undeleted", "job_id", "chunk_index", where=IS_UNDELETED),
)

acks = sa.Table(
    "acks",
    metadata,
    sa.Column("job_id", sa.String(36), primary_key=True),
    sa.Column("chunk_index", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("acked_at", Instant, nullable=False),
    sa.ForeignKeyConstraint(["job_id", "chunk_index"], ["chunks.job_id", "chunks.chunk_index"]),
    sqlite_with_rowid=False,
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("org_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("body_sha256", sa.String(64), nullable=False),
    sa.Column(
        "job_id",
        sa.String(36),
        sa.ForeignKey("jobs.job_id", deferrable=True, initially="DEFERRED"),
        nullable=False,
    ),
    sa.Column("created_at", Instant, nullable=False),
    sa.Index("idempotency_keys_by_age", "created_at"),
    sqlite_with_rowid=False,
)

events = sa.Table(
    "events",
    metadata,
    _job_id(primary_key=True),
    sa.Column("revision", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("from_state", _word(JobState)),
    sa.Column("to_state", _word(JobState), nullable=False),
    sqlite_with_rowid=False,
)
