"""Opaque page tokens, each good for the one listing that gave it out."""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field

from staging.core.errors import BadPageToken

_MAC_BYTES = 12


@dataclass(frozen=True, slots=True)
class PageTokens:
    """Makes and opens tokens; `key` is the same in every process that serves the listing."""

    key: bytes = field(repr=False)

    def make(self, listing: str, after: str) -> str:
        """Give the token of the page that follows `after` in a listing."""
        text = after.encode()
        return base64.urlsafe_b64encode(self._mac(listing, text) + text).decode().rstrip("=")

    def open(self, listing: str, token: str) -> str:
        """Give what `make` was told; raises BadPageToken for anything else than its answer."""
        try:
            after = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))[_MAC_BYTES:].decode()
        except ValueError as malformed:
            raise BadPageToken() from malformed
        if not hmac.compare_digest(self.make(listing, after).encode(), token.encode()):
            raise BadPageToken()
        return after

    def _mac(self, listing: str, text: bytes) -> bytes:
        signed = b"page\0" + listing.encode() + b"\0" + text
        return hmac.new(self.key, signed, hashlib.sha256).digest()[:_MAC_BYTES]
