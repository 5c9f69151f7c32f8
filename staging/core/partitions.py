"""Partitions, the units of reading and retry, and the attempts made at them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from staging.core.manifest import Column, Snapshot


@dataclass(frozen=True, slots=True)
class Partition:
    """One share of the source; `bounds` is the source kind's own JSON, half-open where a range.

    `failures` counts the attempts that failed, by the code of their error.
    """

    job_id: str
    partition_id: int
    bounds: Mapping[str, Any]
    failures: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What planning found: the schema (also as Arrow IPC bytes), the snapshot, the partitions."""

    columns: tuple[Column, ...]
    arrow_schema: bytes
    snapshot: Snapshot
    bounds: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a partition; it may publish only while the partition's fence is its own."""

    org_id: int
    job_id: str
    partition_id: int
    fence: int

    @property
    def name(self) -> str:
        """A name for the source's session list, short enough for Postgres (63 bytes)."""
        return f"staging {self.job_id} {self.partition_id}.{self.fence}"
