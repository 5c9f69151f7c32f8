"""Find the files that a job names, inside the connection's root and nowhere else."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from staging.core.errors import FieldError, InvalidValue, SourceUnavailable, UnknownTable
from staging.core.source_spec import SourceSpec
from staging.sources.connection import Connection
from staging.sources.files.pins import FilePin, pin_file
from staging.sources.nearest import nearest_names

_POINTER = "#/source/path"
_WILD = frozenset("*?[")
_MOST_FILES = 100_000
_MOST_SUGGESTED_FROM = 10_000


def find_files(
    connection: Connection, spec: SourceSpec, suffixes: Sequence[str]
) -> tuple[FilePin, ...]:
    """Pin the files that a path, folder or glob means, in the order of their names.

    A folder means the files below it with one of the suffixes; a folder or a glob leaves out what
    begins with `.` or `_`.  Raises UnknownTable with the nearest names, InvalidValue for a path
    that leads outside of the root or to something that is not a regular file.
    """
    asked = checked_path(connection, spec)
    root = root_of(connection)
    names = sorted(_names(root, asked, suffixes))
    if not names:
        near = nearest_names(asked, _known(root, suffixes))
        detail = f"there is no file {asked!r}{near}"
        raise UnknownTable(detail, [FieldError(_POINTER, detail)])
    if len(names) > _MOST_FILES:
        raise _refused(f"means more than {_MOST_FILES} files; narrow it")
    return tuple(_pinned(root, name) for name in names)


def checked_path(connection: Connection, spec: SourceSpec) -> str:
    """Give the job's path; raises InvalidValue if there is none or it leaves the root by itself."""
    if spec.path is None:
        detail = f"connection {connection.name} has files; name a path"
        raise InvalidValue(detail, [FieldError(spec.pointer, detail)])
    path = PurePosixPath(spec.path)
    if path.is_absolute() or ".." in path.parts or "\0" in spec.path:
        raise _refused("must stay inside the connection's root")
    return str(path)


def root_of(connection: Connection) -> Path:
    """Give the connection's folder; raises SourceUnavailable if it is not there."""
    root = connection.root
    if root is None or not root.is_dir():
        raise SourceUnavailable(f"the root of connection {connection.name} is not a folder")
    return root


def _names(root: Path, asked: str, suffixes: Sequence[str]) -> Iterator[str]:
    place = root / asked
    if place.is_dir():
        _check_inside(root, place)
        yield from _below(root, place, suffixes)
    elif os.path.lexists(place):
        yield asked
    elif _WILD & set(asked):
        for found in filter(lambda each: _is_shown(each.relative_to(root)), root.glob(asked)):
            if found.is_dir() and not found.is_symlink():
                yield from _below(root, found, suffixes)
            else:
                yield found.relative_to(root).as_posix()


def _below(root: Path, folder: Path, suffixes: Sequence[str]) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if _is_shown(Path(each))]
        for name in files:
            if name.endswith(tuple(suffixes)) and _is_shown(Path(name)):
                yield (Path(place) / name).relative_to(root).as_posix()


def _is_shown(path: Path) -> bool:
    return not any(part.startswith((".", "_")) for part in path.parts)


def _known(root: Path, suffixes: Sequence[str]) -> list[str]:
    known: list[str] = []
    for name in _below(root, root, suffixes):
        known.append(name)
        if len(known) == _MOST_SUGGESTED_FROM:
            break
    return known


def _pinned(root: Path, name: str) -> FilePin:
    pin = pin_file(root, name)
    if pin is None:
        raise _refused(f"means {name!r}, which is no regular file inside the connection's root")
    return pin


def _check_inside(root: Path, place: Path) -> None:
    if not place.resolve().is_relative_to(root.resolve()):
        raise _refused("leads outside of the connection's root")


def _refused(problem: str) -> InvalidValue:
    return InvalidValue(f"the path {problem}", [FieldError(_POINTER, f"the path {problem}")])
