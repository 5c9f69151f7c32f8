"""A folder as a root: links are followed inside of it, never out of it."""

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from staging.core.errors import SourceAuth, SourceChanged, SourceUnavailable
from staging.sources.files.pins import FilePin, pin_file
from staging.sources.files.root import WILD, changed, is_shown, refused_path

_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EBADF})


@dataclass(frozen=True, slots=True)
class LocalRoot:
    """The folder of a connection; see staging.sources.files.root.Root."""

    connection: str
    folder: Path

    def find(self, asked: str, suffixes: Sequence[str]) -> Iterator[FilePin]:
        """Pin the files that a path, folder or glob means."""
        self.check()
        return (self._pinned(name) for name in self._names(asked, suffixes))

    def known(self, suffixes: Sequence[str]) -> Iterator[str]:
        """Name the files with one of the suffixes."""
        return self._below(self.folder, suffixes, skip=True)

    def pin(self, path: str) -> FilePin | None:
        """Pin one file by its size and time of change."""
        return pin_file(self.folder, path)

    def pins(self, paths: Iterable[str]) -> Iterator[FilePin | None]:
        """Pin many files."""
        return map(self.pin, paths)

    def changed_at(self, path: str) -> datetime:
        """Tell when a file was last changed."""
        try:
            return datetime.fromtimestamp((self.folder / path).stat().st_mtime, UTC)
        except OSError as error:
            raise SourceChanged(f"{path!r} is gone") from error

    def has_folder(self, path: str) -> bool:
        """Tell whether there is such a folder."""
        self.check()
        return _is_folder(self.check_inside(path))

    def is_taken(self, path: str) -> bool:
        """Tell whether anything has that name, a link to elsewhere too."""
        return os.path.lexists(self.folder / path)

    def folders_with(self, name: str) -> Iterator[str]:
        """Name the folders that have a folder of that name; none is inside of another."""
        for place, folders, _ in os.walk(self.folder):
            if name in folders:
                yield Path(place).relative_to(self.folder).as_posix()
                folders.clear()

    @contextmanager
    def opened(self, pin: FilePin) -> Iterator[pa.NativeFile]:
        """Open a pinned file, and look at its end that it still is that file."""
        self._check_pin(pin)
        try:
            with pa.OSFile(str((self.folder / pin.path).resolve())) as file:
                yield file
        except (pa.ArrowException, OSError, UnicodeDecodeError):
            self._check_pin(pin)
            raise
        self._check_pin(pin)

    def check(self) -> None:
        """Raise SourceUnavailable if the folder is not there."""
        if not os.path.isdir(self.folder):
            raise SourceUnavailable(f"the root of connection {self.connection} is not a folder")

    def check_inside(self, path: str) -> Path:
        """Give the place of a path; raises InvalidValue if a link leads out of the root."""
        place = self.folder / path
        # As resolve, but that a link that leads to itself is no error.
        if not Path(os.path.realpath(place)).is_relative_to(self.folder.resolve()):
            raise refused_path("leads outside of the connection's root")
        return place

    def _names(self, asked: str, suffixes: Sequence[str]) -> Iterator[str]:
        place = self.folder / asked
        if _is_folder(place):
            yield from self._below(self.check_inside(asked), suffixes)
        elif os.path.lexists(place):
            yield asked
        elif WILD & set(asked):
            for found in self._matching(asked):
                name = found.relative_to(self.folder).as_posix()
                if name != "." and not is_shown(name):
                    continue
                if _is_folder(found) and not found.is_symlink():
                    yield from self._below(found, suffixes)
                else:
                    yield name

    def _matching(self, pattern: str) -> Iterator[Path]:
        """Give what a glob means; raises InvalidValue if it is none."""
        try:
            yield from self.folder.glob(pattern)
        except ValueError as wrong:
            raise refused_path(
                "has `**` beside other characters; it is a part by itself"
            ) from wrong
        except OSError as wrong:
            _refuse(wrong)
            raise refused_path("has a part that no file can have as its name") from wrong

    def _below(self, folder: Path, suffixes: Sequence[str], *, skip: bool = False) -> Iterator[str]:
        """Name the files; a folder that cannot be listed is skipped, or raises as `_refuse`."""
        for place, folders, files in os.walk(folder, onerror=None if skip else _refuse):
            folders[:] = [each for each in folders if is_shown(each)]
            for name in files:
                if name.endswith(tuple(suffixes)) and is_shown(name):
                    yield (Path(place) / name).relative_to(self.folder).as_posix()

    def _pinned(self, name: str) -> FilePin:
        pin = self.pin(name)
        if pin is None:
            raise refused_path(
                f"means {name!r}, which is no regular file inside the connection's root"
            )
        return pin

    def _check_pin(self, pin: FilePin) -> None:
        if self.pin(pin.path) != pin:
            raise changed(pin)


def _is_folder(place: Path) -> bool:
    """Tell whether a folder is there, links followed; raises SourceAuth if it may not be seen."""
    try:
        return stat.S_ISDIR(place.stat().st_mode)
    except OSError as error:
        _refuse(error)
        return False


def _refuse(error: OSError) -> None:
    """Raise what keeps from looking there; a name that nothing has, or can have, does not."""
    if error.errno in _NOT_THERE:
        return
    name = Path(error.filename or "").name
    if isinstance(error, PermissionError):
        raise SourceAuth(f"the service may not read {name!r}") from error
    raise SourceUnavailable(f"{name!r} cannot be read ({os.strerror(error.errno or 0)})") from error
