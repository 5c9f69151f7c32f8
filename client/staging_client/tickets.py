"""Read a chunk by its ticket, over Arrow Flight."""

import base64
from collections.abc import Mapping
from typing import NoReturn

import pyarrow as pa
from pyarrow import flight

from staging_client.errors import (
    CertificateRefused,
    DataGone,
    FlightFailed,
    IdentityRefused,
    UnexpectedAnswer,
)
from staging_client.patience import Busy, Patience
from staging_client.views import ChunkView

_GREETING_SECONDS = 5.0
_SILENCE = [
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.http2.ping_timeout_ms", 30_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.min_reconnect_backoff_ms", int(_GREETING_SECONDS * 1000)),
]
"""A server that gives nothing for 30 s while we read is asked for a sign of life, and has 30 s for
it; then the read is over.  One that lives but gives nothing is asked again and again, and ends the
connection itself within 3 minutes: gRPC's servers take pings without data for abuse.  The last is,
in spite of its name, how long a lost connection may take to come back.
"""
_UNTRUSTED = ("handshake failed", "is not in peer certificate")
"""What gRPC says of a certificate that we refuse."""
_CLOSED = "Socket closed"
"""What gRPC says of a connection that the server ends."""


class TicketOver(Exception):
    """The ticket is not taken any more; a new one may be."""


class TicketReader:
    """Reads tickets; keeps one connection a location.  Without `org_id` no identity is named.

    `tls` are the options of `flight.connect` that `grpc+tls://` locations need.
    """

    def __init__(self, org_id: int | None, patience: Patience, tls: Mapping[str, bytes]) -> None:
        self._patience = patience
        self._tls = tls
        self._headers = [] if org_id is None else [(b"x-org-id", str(org_id).encode())]
        self._clients: dict[str, flight.FlightClient] = {}

    def with_patience(self, patience: Patience) -> "TicketReader":
        """Give a reader over the same connections that tries for another time."""
        hurried = TicketReader(None, patience, self._tls)
        hurried._headers, hurried._clients = self._headers, self._clients
        return hurried

    def close(self) -> None:
        """Close the connections."""
        while self._clients:
            self._clients.popitem()[1].close()

    def read(self, chunk: ChunkView) -> pa.Table:
        """Read all rows of the chunk.

        Raises TicketOver, DataGone, CertificateRefused, FlightFailed, IdentityRefused,
        Unavailable.
        """
        if not chunk.locations:
            raise UnexpectedAnswer("the service offers no Flight location")
        return self._patience.persist(lambda: self._read(chunk))

    def _read(self, chunk: ChunkView) -> pa.Table:
        ticket = flight.Ticket(base64.b64decode(chunk.ticket, validate=True))
        options = flight.FlightCallOptions(headers=self._headers)
        try:
            return self._client(chunk.locations[0]).do_get(ticket, options).read_all()
        except (pa.ArrowException, OSError) as failed:
            _raise_for(failed, chunk, self._hint(chunk.locations[0]))

    def _hint(self, location: str) -> str:
        """Say what a closed connection may mean: the server of mutual TLS gives no reason."""
        if not location.startswith("grpc+tls:") or "cert_chain" in self._tls:
            return ""
        return "; no client certificate was given, which the server may demand"

    def _client(self, location: str) -> flight.FlightClient:
        """Connect, and wait no longer than a moment for who does not even refuse."""
        if location not in self._clients:
            client = flight.connect(location, generic_options=_SILENCE, **self._tls)
            greeting = flight.FlightCallOptions(timeout=_GREETING_SECONDS, headers=self._headers)
            client.list_actions(greeting)
            self._clients[location] = client
        return self._clients[location]


def _raise_for(failed: Exception, chunk: ChunkView, hint: str) -> NoReturn:
    detail = f"chunk {chunk.chunk_index}: {_first_sentence(failed)}"
    if isinstance(failed, flight.FlightUnauthenticatedError):
        raise TicketOver from failed
    if isinstance(failed, flight.FlightUnauthorizedError):
        raise IdentityRefused(detail, status=403) from failed
    if isinstance(failed, pa.ArrowKeyError):
        raise DataGone(detail, status=410, code="gone") from failed
    if any(words in detail for words in _UNTRUSTED):
        raise CertificateRefused(detail) from failed
    if isinstance(failed, flight.FlightUnavailableError | flight.FlightTimedOutError | OSError):
        raise Busy(detail + (hint if _CLOSED in detail else "")) from failed
    raise FlightFailed(detail) from failed


def _first_sentence(failed: Exception) -> str:
    return str(failed).split(". Detail:")[0].split(". gRPC client debug")[0]
