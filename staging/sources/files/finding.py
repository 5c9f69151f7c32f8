"""Find the files that a job names, inside the connection's root and nowhere else."""

import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path, PurePosixPath

from staging.core.errors import FieldError, InvalidValue, SourceUnavailable, UnknownTable
from staging.core.source_spec import SourceSpec
from staging.sources.connection import Connection
from staging.sources.files.local_root import LocalRoot
from staging.sources.files.pins import FilePin
from staging.sources.files.root import Root, refused_path
from staging.sources.files.s3_root import S3Root
from staging.sources.nearest import nearest_names
from staging.sources.s3_prefix import S3Prefix

_MOST_FILES = 100_000
_MOST_SUGGESTED_FROM = 10_000


def root_of(connection: Connection) -> Root:
    """Give the root of a resolved connection; nothing is asked yet."""
    if isinstance(connection.root, S3Prefix):
        allow = connection.allow_link_local
        return S3Root(connection.name, connection.root, allow_link_local=allow)
    return LocalRoot(connection.name, connection.root or Path())


def folder_of(connection: Connection) -> Path:
    """Give the folder of a kind that reads no object store.

    Raises SourceUnavailable if it is not there.
    """
    if not isinstance(connection.root, Path) or not os.path.isdir(connection.root):
        raise SourceUnavailable(f"the root of connection {connection.name} is not a folder")
    return connection.root


def find_files(
    connection: Connection, root: Root, spec: SourceSpec, suffixes: Sequence[str]
) -> tuple[FilePin, ...]:
    """Pin the files that a path, folder or glob means, in the order of their names.

    A folder means the files below it with one of the suffixes; a folder or a glob leaves out what
    begins with `.` or `_`.  Raises UnknownTable with the nearest names, InvalidValue for a path
    that leads outside of the root or to something that is not a regular file.
    """
    asked = checked_path(connection, spec)
    found: dict[str, FilePin] = {}
    for pin in root.find(asked, suffixes):
        found[pin.path] = pin
        if len(found) > _MOST_FILES:
            raise refused_path(f"means more than {_MOST_FILES} files; narrow it")
    if not found:
        near = nearest_names(asked, islice(root.known(suffixes), _MOST_SUGGESTED_FROM))
        detail = f"there is no file {asked!r}{near}"
        raise UnknownTable(detail, [FieldError("#/source/path", detail)])
    return tuple(found[name] for name in sorted(found))


def checked_path(connection: Connection, spec: SourceSpec) -> str:
    """Give the job's path; raises InvalidValue if there is none or it leaves the root by itself."""
    if spec.path is None:
        detail = f"connection {connection.name} has files; name a path"
        raise InvalidValue(detail, [FieldError(spec.pointer, detail)])
    path = PurePosixPath(spec.path)
    if path.is_absolute() or ".." in path.parts or "\0" in spec.path:
        raise refused_path("must stay inside the connection's root")
    return str(path)
