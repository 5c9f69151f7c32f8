"""What a sealed job promises: schema, snapshot, and every chunk's hash."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import zip_longest
from typing import Any


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the staged table; `type` is Arrow's own text for it, `decimal128(15, 2)`."""

    name: str
    type: str
    nullable: bool = True


def schema_fingerprint(columns: Sequence[Column]) -> str:
    """Hash names, types and nullability, in order: equal fingerprints read as one table."""
    listed = [[column.name, column.type, column.nullable] for column in columns]
    return hashlib.sha256(json.dumps(listed, separators=(",", ":")).encode()).hexdigest()


class SnapshotClass(StrEnum):
    """How strongly all partitions see one instant."""

    PINNED = "pinned"
    EXPORTED = "exported"
    SINGLE_READER = "single_reader"
    BEST_EFFORT = "best_effort"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The instant that a job reads.

    `value` names it to people; `exports` are the tokens through which a reader may join it, one a
    living holder, in the order to be tried: a name, and `@` with a digest of what is seen there.
    """

    snapshot_class: SnapshotClass
    value: str | None = None
    exports: tuple[str, ...] = field(default=())

    @classmethod
    def exported(cls, exports: tuple[str, ...]) -> "Snapshot":
        """Give a new exported snapshot, called by the name of its first export."""
        name, _, _ = exports[0].partition("@")
        return cls(SnapshotClass.EXPORTED, name, exports)

    def to_json(self) -> dict[str, Any]:
        """Give what the catalog stores; the contract shows `class` and `value` only.

        Names and digests are apart: workers of builds before the digests read the names.
        """
        parted = [each.partition("@") for each in self.exports]
        return {
            "class": self.snapshot_class.value,
            "value": self.value,
            "exports": [name for name, _, _ in parted],
            "seen": [digest for _, _, digest in parted],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Snapshot":
        """Read what to_json gave, in earlier builds too."""
        names, seen = stored.get("exports", ()), stored.get("seen", ())
        exports = (
            f"{name}@{digest}" if digest else name for name, digest in zip_longest(names, seen)
        )
        return cls(SnapshotClass(stored["class"]), stored.get("value"), tuple(exports))
