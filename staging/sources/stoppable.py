"""What the readings of all kinds share: one iteration, a cancel from elsewhere, a clean end."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from threading import Event
from typing import Self

import pyarrow as pa

from staging.sources.source import ReadCancelled


class StoppableReading(ABC):
    """One partition being read; see staging.sources.source.Reading."""

    def __init__(self) -> None:
        self._nulled: Counter[str] = Counter()
        self._cancelled = Event()
        self._batches: Generator[pa.RecordBatch] | None = None

    @property
    def nulled(self) -> Mapping[str, int]:
        """Count the values that became NULL so far, by column."""
        return dict(self._nulled)

    def cancel(self) -> None:
        """Stop the read from another thread; the iteration then raises ReadCancelled."""
        self._cancelled.set()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        self._batches = self._read()
        return self._batches

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._batches is not None:
            self._batches.close()

    @abstractmethod
    def _read(self) -> Generator[pa.RecordBatch]:
        """Read the partition; closing the generator frees the source."""

    def _check_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise ReadCancelled()
