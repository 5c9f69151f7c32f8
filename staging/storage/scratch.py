"""Temporary files, whose disk may be full."""

from collections.abc import Iterator
from contextlib import contextmanager

from staging.core.errors import StorageUnavailable


@contextmanager
def writing() -> Iterator[None]:
    """Raise StorageUnavailable for what the disk refuses: with room, the same step succeeds."""
    try:
        yield
    except OSError as refused:
        raise StorageUnavailable(
            f"the folder for temporary files cannot be written: {refused.strerror}"
        ) from refused
