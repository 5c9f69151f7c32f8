"""What a root offers to the kinds of files: find files, pin them, read what was pinned."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from staging.core.errors import FieldError, InvalidValue, SourceChanged
from staging.sources.files.pins import FilePin

WILD = frozenset("*?[")


class Root(Protocol):
    """The registered place below which a connection's files are, and nothing else.

    Paths start at the root.  Every method raises SourceUnavailable if the root does not answer,
    SourceAuth if it refuses.
    """

    def find(self, asked: str, suffixes: Sequence[str]) -> Iterator[FilePin]:
        """Pin the files that a path, folder or glob means, in any order, some maybe twice.

        Raises InvalidValue for what leads outside or is not a regular file.
        """
        ...

    def known(self, suffixes: Sequence[str]) -> Iterator[str]:
        """Name the files with one of the suffixes, to suggest one."""
        ...

    def pin(self, path: str) -> FilePin | None:
        """Pin one file; None if it is not a regular file inside the root."""
        ...

    def pins(self, paths: Iterable[str]) -> Iterator[FilePin | None]:
        """Pin many files, in their order; see pin."""
        ...

    def changed_at(self, path: str) -> datetime:
        """Tell when a file was last changed; raises SourceChanged if it is not there."""
        ...

    def has_folder(self, path: str) -> bool:
        """Tell whether there is such a folder; raises InvalidValue if it leads outside."""
        ...

    def folders_with(self, name: str) -> Iterator[str]:
        """Name the folders that have a folder of that name, to suggest one."""
        ...

    def opened(self, pin: FilePin) -> AbstractContextManager[Any]:
        """Open a pinned file for reading in binary, at any place.

        Raises SourceChanged unless all that is read is of the pinned file; when that shows only
        at the end, it is raised there.
        """
        ...


def is_shown(path: str) -> bool:
    """Tell whether a folder or a glob means the path: no part begins with `.` or `_`."""
    return not any(part.startswith((".", "_")) for part in path.split("/"))


def changed(pin: FilePin) -> SourceChanged:
    """Say that a file is not the pinned one."""
    return SourceChanged(f"{pin.path!r} changed after the job was planned")


def refused_path(problem: str) -> InvalidValue:
    """Say what is wrong with the job's path."""
    return InvalidValue(f"the path {problem}", [FieldError("#/source/path", f"the path {problem}")])
