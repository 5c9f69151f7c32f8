"""One chunk: read it, keep it, acknowledge it."""

import io
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from staging_client.download import Download
from staging_client.errors import LinkRefused, ShortRead
from staging_client.links import LinkOver, LinkReader
from staging_client.patience import Patience
from staging_client.tickets import TicketOver, TicketReader
from staging_client.transport import Transport
from staging_client.views import Acknowledgement, ChunkView

_MARGIN = timedelta(seconds=2)
_LIFE_USED = 0.8
"""A link is renewed when so much of its life is over."""


@dataclass(frozen=True, slots=True)
class Readers:
    """The three ways to the service: HTTP, links, tickets."""

    http: Transport
    links: LinkReader
    tickets: TicketReader

    def with_patience(self, patience: Patience) -> "Readers":
        """Give readers of links and tickets that try for another time."""
        return replace(
            self,
            links=self.links.with_patience(patience),
            tickets=self.tickets.with_patience(patience),
        )


class Chunk:
    """A published chunk of a job; `view` is what is known of it, with its newest link.

    Its `__arrow_c_stream__` (Arrow's PyCapsule interface) reads it by its link.
    """

    def __init__(self, readers: Readers, job_id: str, view: ChunkView) -> None:
        self._readers = readers
        self.job_id = job_id
        self._view = view
        self._heard_at = datetime.now(UTC)

    @property
    def view(self) -> ChunkView:
        """What was last heard of the chunk."""
        return self._view

    @view.setter
    def view(self, heard: ChunkView) -> None:
        self._view = heard
        self._heard_at = datetime.now(UTC)

    def with_patience(self, patience: Patience) -> "Chunk":
        """Give the same chunk for readers that try for another time."""
        hurried = Chunk(self._readers.with_patience(patience), self.job_id, self._view)
        hurried._heard_at = self._heard_at
        return hurried

    @property
    def index(self) -> int:
        """The chunk's place in the order of publishing, from 0 without gaps."""
        return self.view.chunk_index

    @property
    def row_count(self) -> int:
        """Rows in the chunk."""
        return self.view.row_count

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Read the chunk by its link into memory; every byte is verified first.

        Raises ChecksumMismatch, DataGone, LinkRefused, ShortRead, Unavailable.
        """
        into = io.BytesIO()
        self._fetch(into)
        return self._decoded(into, columns)

    def read_data(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Read the chunk through the service, where the store cannot be reached; verified too.

        Raises ChecksumMismatch, DataGone, ShortRead, Unavailable.
        """
        into = io.BytesIO()
        self._fetch_data(into)
        return self._decoded(into, columns)

    def read_flight(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Read the chunk by its ticket, renewing the ticket once if it is over.

        Raises CertificateRefused, DataGone, FlightFailed, IdentityRefused, LinkRefused, ShortRead,
        Unavailable.
        """
        try:
            table = self._readers.tickets.read(self.view)
        except TicketOver:
            self.refresh()
            try:
                table = self._readers.tickets.read(self.view)
            except TicketOver as refused:
                raise LinkRefused(
                    f"chunk {self.index}: Flight refuses even a new ticket"
                ) from refused
        return self._checked(table if columns is None else table.select(list(columns)))

    def download(self, path: str | os.PathLike[str]) -> Path:
        """Write the chunk's Parquet file; it appears under its name complete and verified only.

        Raises ChecksumMismatch, DataGone, LinkRefused, Unavailable.
        """
        return _stored(self._fetch, Path(path))

    def download_data(self, path: str | os.PathLike[str]) -> Path:
        """Write the file as `download` does, through the service.

        Raises ChecksumMismatch, DataGone, Unavailable.
        """
        return _stored(self._fetch_data, Path(path))

    def refresh(self) -> ChunkView:
        """Ask for a new link and ticket; raises DataGone."""
        shown = self._readers.http.ask_object("GET", f"{self._path}/refresh")
        self.view = ChunkView.from_json(shown)
        return self.view

    def ack(self, consumer: str = "default") -> Acknowledgement:
        """Say that the chunk was consumed, naming the bytes that were published; idempotent.

        Raises DataGone, InvalidRequest for a consumer that the job does not declare.
        """
        body = {"consumer": consumer, "sha256": self.view.sha256}
        shown = self._readers.http.ask_object("POST", f"{self._path}/ack", body=body)
        return Acknowledgement.from_json(shown)

    @property
    def _path(self) -> str:
        return f"/jobs/{self.job_id}/chunks/{self.view.chunk_id}"

    def _fetch_data(self, into: BinaryIO) -> None:
        self._readers.http.download(f"{self._path}/data", Download(self.view, into))

    def _fetch(self, into: BinaryIO) -> None:
        """Fetch by the link, by a new one if it is over; a second refusal is final."""
        is_fresh = self._is_over()
        if is_fresh:
            self.refresh()
        download = Download(self.view, into)
        try:
            self._readers.links.fetch(self.view, download)
        except LinkOver:
            if is_fresh:
                raise self._link_refused() from None
            self.refresh()
            try:
                self._readers.links.fetch(self.view, download)
            except LinkOver:
                raise self._link_refused() from None

    def _is_over(self) -> bool:
        ends = self.view.url_expires_at
        if self.view.url is None or ends is None:
            return self.view.url is None
        used_at = self._heard_at + (ends - self._heard_at) * _LIFE_USED
        return min(used_at, ends - _MARGIN) <= datetime.now(UTC)

    def _link_refused(self) -> LinkRefused:
        return LinkRefused(f"chunk {self.index}: the store refuses even a new link")

    def _decoded(self, into: io.BytesIO, columns: Sequence[str] | None) -> pa.Table:
        table = pq.read_table(pa.BufferReader(into.getbuffer()), columns=columns)
        return self._checked(table)

    def _checked(self, table: pa.Table) -> pa.Table:
        if table.num_rows != self.row_count:
            raise ShortRead(
                f"chunk {self.index} has {table.num_rows} rows, {self.row_count} were published"
            )
        return table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.read().__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return f"Chunk(index={self.index}, row_count={self.row_count}, job_id={self.job_id!r})"


def _stored(fetch: Callable[[BinaryIO], None], target: Path) -> Path:
    """Let a file appear under its name once it is fetched, and not before."""
    fresh = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        with fresh.open("x+b") as file:
            fetch(file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
    return target
