"""The outermost edge of each request: its id, its log line, and the last net."""

import time
import uuid
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem, request_path
from staging.core.errors import StagingError

_MAX_ID_LENGTH = 1024
_log = structlog.get_logger(__name__)


class Edge:
    """Gives each request an id, logs its outcome, and answers 500 where nothing else did.

    The path is logged without its query; no header and no body ever is.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, send)
        with structlog.contextvars.bound_contextvars(request_id=exchange.request_id):
            try:
                await self.app(scope, receive, exchange.send)
            except ClientDisconnect:
                pass  # nobody is there to be answered
            except Exception:  # noqa: BLE001 - the process edge: no failure may leave without an answer
                _log.exception("request_crashed", path=request_path(scope))
                await exchange.answer_crash(receive)
            exchange.log()


class _Exchange:
    """One request and what was answered so far."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        self.request_id = _given_id(scope) or str(uuid.uuid4())
        self.status: int | None = None
        self._send = send
        self._started = time.monotonic()
        scope.setdefault("state", {})["request_id"] = self.request_id

    async def send(self, message: Message) -> None:
        """Pass a message on, with the request id among the headers."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)["X-Request-ID"] = self.request_id
        await self._send(message)

    async def answer_crash(self, receive: Receive) -> None:
        """Answer 500 unless an answer is on its way; a started one is cut off by the server."""
        if self.status is None:
            await problem(StagingError(), self.scope)(self.scope, receive, self.send)

    def log(self) -> None:
        """Write the request's line, and count it."""
        seconds = time.monotonic() - self._started
        line: dict[str, Any] = {
            "method": self.scope["method"],
            "path": request_path(self.scope),
            "status": self.status,
            "seconds": round(seconds, 4),
        }
        self.scope["app"].state.wiring.metrics.observe(self.scope, self.status, seconds)
        is_probe = line["path"] in {"/healthz", "/readyz", "/metrics"}
        (_log.debug if is_probe else _log.info)("request", **line)


def _given_id(scope: Scope) -> str | None:
    """Give the caller's X-Request-ID, if it is not too long and printable."""
    given = Headers(scope=scope).get("x-request-id", "")
    is_usable = 0 < len(given) <= _MAX_ID_LENGTH and given.isascii() and given.isprintable()
    return given if is_usable else None
