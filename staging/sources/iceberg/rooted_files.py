"""Give the files of a table to pyiceberg, from inside the connection's root and nowhere else."""

import os
from io import BytesIO
from pathlib import Path

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile

from staging.core.errors import SourceChanged, SourceError, SourceUnsupported
from staging.sources.files.pins import FilePin, pin_file
from staging.sources.iceberg.avro_container import check_whole

_SCHEMES = ("file://", "file:")


class RootedFiles(FileIO):
    """Reads metadata, wherever a table's own metadata says that it is; writes nothing."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root
        self._real_root = root.resolve()

    def pin(self, location: str) -> FilePin:
        """Pin the file at a location that a table's metadata names.

        Raises SourceChanged if it is gone, SourceUnsupported if it is outside of the root.
        """
        scheme = next((each for each in _SCHEMES if location.startswith(each)), "")
        place = location.removeprefix(scheme)
        if not place.startswith("/") or "\0" in place:
            raise _outside()
        real = Path(os.path.realpath(place))
        if not real.is_relative_to(self._real_root):
            raise _outside()
        path = real.relative_to(self._real_root).as_posix()
        pin = None if real.is_symlink() else pin_file(self._root, path)  # a loop stays a link
        if pin is None:
            raise SourceChanged(f"{path!r} is not there: removed or expired")
        return pin

    def read(self, location: str) -> bytes:
        """Give a metadata file's bytes."""
        pin = self.pin(location)
        try:
            return (self._real_root / pin.path).read_bytes()
        except OSError as error:
            raise SourceError(f"{pin.path!r} cannot be read") from error

    def new_input(self, location: str) -> InputFile:
        """Give an Avro file; opening it raises ValueError if it is not whole."""
        return _AvroFile(self, location)

    def new_output(self, location: str) -> OutputFile:
        """Refuse: a source is only read."""
        raise NotImplementedError

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Refuse: a source is only read."""
        raise NotImplementedError


class _AvroFile(InputFile):
    def __init__(self, files: RootedFiles, location: str) -> None:
        super().__init__(location)
        self._files = files

    def __len__(self) -> int:
        return self._files.pin(self.location).size

    def exists(self) -> bool:
        return True

    def open(self, seekable: bool = True) -> InputStream:  # noqa: ARG002 - always seekable
        content = self._files.read(self.location)
        check_whole(content)
        return BytesIO(content)


def _outside() -> SourceUnsupported:
    return SourceUnsupported("the table has files outside of the connection's root")
