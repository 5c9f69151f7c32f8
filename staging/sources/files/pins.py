"""Pin files, so that what is read later is what was planned."""

import hashlib
import json
import stat
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from staging.core.errors import SourceAuth, SourceUnavailable
from staging.core.manifest import Snapshot, SnapshotClass


@dataclass(frozen=True, slots=True)
class FilePin:
    """One file as it was when the job was planned; `path` starts at the root.

    `version` is the time of its last change in nanoseconds, or an object's ETag.
    """

    path: str
    size: int
    version: int | str

    def to_json(self) -> dict[str, Any]:
        """Give the JSON that the catalog keeps."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "FilePin":
        """Read what to_json gave; other keys are the reader's own."""
        return cls(stored["path"], stored["size"], stored["version"])


def pin_file(root: Path, path: str) -> FilePin | None:
    """Pin a file inside the root; None if it is not a regular file there, links followed."""
    try:
        real = (root / path).resolve(strict=True)
        found = real.stat()
    except PermissionError as error:
        raise SourceAuth(f"the service may not read {path!r}") from error
    except (FileNotFoundError, NotADirectoryError, RuntimeError):
        return None  # the last one is a link that leads to itself (CPython 3.11 and 3.12)
    except OSError as error:
        raise SourceUnavailable(f"{path!r} cannot be reached") from error
    if not real.is_relative_to(root.resolve()) or not stat.S_ISREG(found.st_mode):
        return None
    return FilePin(path, found.st_size, found.st_mtime_ns)


def pinned_snapshot(pins: Sequence[FilePin]) -> Snapshot:
    """Name a set of files by a hash of their pins."""
    listed = json.dumps([each.to_json() for each in pins], sort_keys=True)
    return Snapshot(SnapshotClass.PINNED, hashlib.sha256(listed.encode()).hexdigest())
