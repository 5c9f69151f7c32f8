"""Flight tickets: a signed statement of which chunk its bearer may read, and until when."""

import base64
import binascii
import contextlib
import hmac
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from staging.core.errors import BadTicket, ExpiredTicket

MAX_TICKET_BYTES = 4096
_SIGNATURE_BYTES = 32
_COMPACT = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Ticket:
    """One chunk of one job for one organisation; `columns` None means all of them."""

    org_id: int
    job_id: str
    chunk_id: str
    expires_at: datetime
    columns: tuple[str, ...] | None = None


def sign_ticket(ticket: Ticket, key: bytes) -> bytes:
    """Give the ticket as base64 text: HMAC-SHA256 (RFC 2104) before its JSON."""
    text = _text(ticket).encode()
    signed = base64.b64encode(_signature(text, key) + text)
    if len(signed) > MAX_TICKET_BYTES:
        raise BadTicket("the ticket names too many columns")
    return signed


def _text(ticket: Ticket) -> str:
    """Write the JSON by hand: a page of links has a thousand tickets, and so takes 5 ms less."""
    columns = "null" if ticket.columns is None else _COMPACT.encode(ticket.columns)
    return (
        f'{{"org_id":{ticket.org_id},"job_id":{_COMPACT.encode(ticket.job_id)},'
        f'"chunk_id":{_COMPACT.encode(ticket.chunk_id)},'
        f'"expires_at":{int(ticket.expires_at.timestamp())},"columns":{columns}}}'
    )


def open_ticket(signed: bytes, keys: Sequence[bytes], now: datetime) -> Ticket:
    """Check the signature against each key, then the expiry.

    A ticket travels in JSON as text; its bearer may hand over the text or the bytes it stands for.
    Raises BadTicket if it is oversized, malformed or forged, ExpiredTicket if its time is over.
    """
    if len(signed) > MAX_TICKET_BYTES:
        raise BadTicket("the ticket is larger than 4096 bytes")
    body = json.loads(_signed_text(signed, keys))
    ticket = Ticket(
        org_id=body["org_id"],
        job_id=body["job_id"],
        chunk_id=body["chunk_id"],
        expires_at=datetime.fromtimestamp(body["expires_at"], UTC),
        columns=tuple(body["columns"]) if body["columns"] is not None else None,
    )
    if ticket.expires_at <= now:
        raise ExpiredTicket()
    return ticket


def _signed_text(signed: bytes, keys: Sequence[bytes]) -> bytes:
    for raw in _decodings(signed):
        signature, text = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        if any(hmac.compare_digest(signature, _signature(text, key)) for key in keys):
            return text
    raise BadTicket()


def _decodings(given: bytes) -> Iterator[bytes]:
    yield given
    with contextlib.suppress(binascii.Error):
        yield base64.b64decode(given, validate=True)


def _signature(text: bytes, key: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")
