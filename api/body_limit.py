"""Refuse bodies over 1 MiB, announced or chunked."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import BodyTooLarge
from api.problems import problem

MAX_BODY_BYTES = 1024 * 1024


class BodyLimit:
    """Answers 413 by Content-Length before the body is read, else while it is read."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif _announced_bytes(scope) > MAX_BODY_BYTES:
            await problem(BodyTooLarge(), scope)(scope, receive, send)
        else:
            await self.app(scope, _counted(receive), send)


def _announced_bytes(scope: Scope) -> int:
    announced = Headers(scope=scope).get("content-length", "")
    return int(announced[:19]) if announced.isdecimal() else 0


def _counted(receive: Receive) -> Receive:
    """Receive at most MAX_BODY_BYTES of body; raises BodyTooLarge at the first byte beyond."""
    total = 0

    async def receive_counted() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > MAX_BODY_BYTES:
            raise BodyTooLarge()
        return message

    return receive_counted
