"""The bodies that clients send, checked against the contract's ranges."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from api.models.filters import FilterBody
from api.models.text import Integral, Labels, Name, Query, Scalar, Target
from staging.core.jobs import Amendment, JobOptions, Retain
from staging.core.source_spec import Incremental, SourceSpec

_MIB = 1024 * 1024
_GIB = 1024 * _MIB
_KEPT: Any = None
"""Stands where a member that may not be null is left out."""
_MAX_FILTERS = 100
_MAX_COLUMNS = 10_000


_TARGETS = ("table", "path", "query")


def _only_target(name: str) -> dict[str, Any]:
    """Give the JSON Schema of a source that has this target and no other."""
    kinds = {each: {"type": "string" if each == name else "null"} for each in _TARGETS}
    return {"required": [name], "properties": kinds}


class Body(BaseModel):
    """A JSON object that takes no unknown member and no value of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class IncrementalBody(Body):
    """Only the rows whose column is greater than a value."""

    column: Name
    after: Scalar = None


class SourceBody(Body):
    """What to read; exactly one of `table`, `path` and `query` is given."""

    model_config = Body.model_config | ConfigDict(
        json_schema_extra={"oneOf": [_only_target(each) for each in _TARGETS]}
    )

    connection: Name = Field(description="A connection's name; GET /connections lists them.")
    table: Target | None = Field(default=None, description="A table or view, `schema.table`.")
    path: Target | None = Field(default=None, description="A file, folder or glob inside the root.")
    query: Query | None = Field(default=None, description="SQL, where the connection allows it.")
    columns: (
        Annotated[
            list[Name],
            Field(min_length=1, max_length=_MAX_COLUMNS, json_schema_extra={"uniqueItems": True}),
        ]
        | None
    ) = Field(default=None, description="The columns to read, in this order; null is all of them.")
    filters: Annotated[list[FilterBody], Field(max_length=_MAX_FILTERS)] = Field(
        default_factory=list, description="Conditions on rows, joined by AND."
    )
    partition_by: Name | None = Field(
        default=None, description="A column to split by: a hint, ignored where it does not help."
    )
    incremental: IncrementalBody | None = Field(
        default=None, description="Read newer rows only; the manifest has the next `after`."
    )
    version: Annotated[Scalar, Integral] = Field(
        default=None,
        description="A version of a lake table: its number, or a time at which it was current.",
    )

    @field_validator("columns")
    @classmethod
    def _columns_differ(cls, given: list[str] | None) -> list[str] | None:
        return None if given is None else _all_differ(given)

    @model_validator(mode="after")
    def _has_one_target(self) -> Self:
        if sum(getattr(self, each) is not None for each in _TARGETS) != 1:
            raise ValueError("give exactly one of table, path and query")
        return self

    def spec(self) -> SourceSpec:
        """Give the source in the words of staging.core."""
        return SourceSpec(
            connection=self.connection,
            table=self.table,
            path=self.path,
            query=self.query,
            columns=tuple(self.columns) if self.columns is not None else None,
            filters=tuple(each.filter() for each in self.filters),
            incremental=(
                None
                if self.incremental is None
                else Incremental(self.incremental.column, self.incremental.after)
            ),
            partition_by=self.partition_by,
            version=self.version,
        )


class OptionsBody(Body):
    """How to stage it."""

    model_config = Body.model_config | ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"properties": {"compression": {"const": "zstd"}}},
                {"properties": {"compression_level": {"type": "null"}}},
            ]
        }
    )

    chunk_target_bytes: Annotated[int, Field(ge=_MIB, le=_GIB), Integral] = Field(
        default=64 * _MIB, description="Parquet bytes a chunk, within a factor of 2."
    )
    compression: Literal["zstd", "snappy", "lz4", "none"] = "zstd"
    compression_level: Annotated[int, Field(ge=1, le=19), Integral] | None = Field(
        default=None, description="Of zstd alone; 1 unless given.", validate_default=True
    )
    consistency: Literal["snapshot", "best_effort"] = "snapshot"
    max_snapshot_age_seconds: Annotated[int, Field(ge=60, le=86_400), Integral] = 3600
    ttl_seconds: Annotated[int, Field(ge=1, le=2_592_000), Integral] = 86_400
    url_ttl_seconds: Annotated[int, Field(ge=1, le=604_800), Integral] = 3600
    retain: Literal["until_acked", "until_expired"] = "until_acked"
    consumers: list[Name] = Field(
        default_factory=lambda: ["default"],
        min_length=1,
        max_length=32,
        json_schema_extra={"uniqueItems": True},
    )
    on_unrepresentable: Literal["fail", "null"] = "fail"
    parallelism: Annotated[int, Field(ge=1, le=1024), Integral] | None = Field(
        default=None, description="Partitions read at once; null is the connection's budget."
    )

    @field_validator("compression_level")
    @classmethod
    def _level_fits(cls, level: int | None, info: ValidationInfo) -> int | None:
        compression = info.data.get("compression", "zstd")
        if compression == "zstd":
            return 1 if level is None else level
        if level is not None:
            raise ValueError(f"{compression} has no level; leave it out")
        return None

    @field_validator("consumers")
    @classmethod
    def _consumers_differ(cls, given: list[str]) -> list[str]:
        return _all_differ(given)

    def options(self) -> JobOptions:
        """Give the options in the words of staging.core."""
        given: dict[str, Any] = self.model_dump()
        return JobOptions(
            **given | {"retain": Retain(self.retain), "consumers": tuple(self.consumers)}
        )


class JobBody(Body):
    """A job to be accepted."""

    source: SourceBody
    name: Name | None = Field(default=None, description="For people; need not be unique.")
    labels: Labels = Field(default_factory=dict, description="Words to find the job by.")
    options: OptionsBody = OptionsBody()


def _without_default(schema: dict[str, Any]) -> None:
    """Leave the default out: what is not given stays as it is, and null is no value."""
    schema.pop("default")


class AmendBody(Body):
    """What is to change of a job; what is left out stays as it is."""

    ttl_seconds: Annotated[int, Field(ge=1, le=2_592_000), Integral] = Field(
        default=_KEPT,
        description="The whole TTL, from the job's creation on; its pauses do not count.",
        json_schema_extra=_without_default,
    )
    labels: Labels = Field(
        default=_KEPT,
        description="All labels; those that are left out go.",
        json_schema_extra=_without_default,
    )
    name: Name | None = Field(
        default=None, description="Null takes the name away.", json_schema_extra=_without_default
    )

    def amendment(self) -> Amendment:
        """Give the change in the words of staging.core."""
        return Amendment(
            self.ttl_seconds, self.labels, self.name, is_renamed="name" in self.model_fields_set
        )


class AckBody(Body):
    """Who has the chunk, and the hash of what was read."""

    consumer: Name = "default"
    sha256: str | None = Field(
        default=None, pattern="^[0-9a-fA-F]{64}$", description="SHA-256 of the object's bytes, hex."
    )


def _all_differ(names: Sequence[str]) -> list[str]:
    if len(set(names)) != len(names):
        raise ValueError("a name is given twice")
    return list(names)
