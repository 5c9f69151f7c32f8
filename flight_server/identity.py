"""Check who calls, on every call, before any method runs."""

from collections.abc import Callable, Mapping, Sequence

from pyarrow import flight

from flight_server.errors import refusal
from staging.core.errors import BadIdentity
from staging.core.identity import Identity, read_identity

MIDDLEWARE = "identity"


class IdentityMiddleware(flight.ServerMiddleware):  # type: ignore[misc]  # pyarrow has no stubs
    """Carry the caller's identity to the method."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity


class IdentityFactory(flight.ServerMiddlewareFactory):  # type: ignore[misc]
    """Refuse calls whose identity headers are malformed or given twice, and tell of each."""

    def __init__(self, on_refused: Callable[[flight.CallInfo], None]) -> None:
        self._on_refused = on_refused

    def start_call(
        self, info: flight.CallInfo, headers: Mapping[str, Sequence[str | bytes]]
    ) -> IdentityMiddleware:
        """Read x-org-id and x-user-id, which gRPC gives in lower case."""
        try:
            identity = read_identity(_single(headers, "x-org-id"), _single(headers, "x-user-id"))
        except BadIdentity as malformed:
            self._on_refused(info)
            raise refusal(malformed) from None
        return IdentityMiddleware(identity)


def caller(context: flight.ServerCallContext) -> Identity:
    """Give the identity that the middleware read for this call."""
    identity: Identity = context.get_middleware(MIDDLEWARE).identity
    return identity


def _single(headers: Mapping[str, Sequence[str | bytes]], name: str) -> str | None:
    values = headers.get(name, ())
    if len(values) > 1 or any(not isinstance(value, str) for value in values):
        raise BadIdentity()
    return str(values[0]) if values else None
