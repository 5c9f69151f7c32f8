"""HEAD, OPTIONS and the Allow header, for every path at once (RFC 9110, section 9.3)."""

import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import unquote

from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

AllowedMethods = Callable[[str], str]
"""From a path to the value of its Allow header, empty for a path that does not exist."""

_ENCODED_SLASH = re.compile("%2f", re.IGNORECASE)


def allowed_methods(paths: Mapping[str, Iterable[str]]) -> AllowedMethods:
    """Read from OpenAPI's `paths`, or others like them, which methods each path takes."""
    table = [(compile_path(path)[0], frozenset(methods)) for path, methods in paths.items()]

    def allow(path: str) -> str:
        named = {name.upper() for regex, names in table if regex.match(path) for name in names}
        implied = {"OPTIONS"} if named else set()
        return ", ".join(sorted(named | implied | ({"HEAD"} if "GET" in named else set())))

    return allow


class Methods:
    """Answers HEAD as a GET without its body and OPTIONS with Allow; keeps `%2F` inside an id."""

    def __init__(self, app: ASGIApp, allow: AllowedMethods) -> None:
        self.app = app
        self.allow = allow

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["path"] = _segments_kept(scope)
        if scope["method"] == "HEAD":
            asked = {**scope, "method": "GET"}
            await self.app(asked, receive, _bodiless(send))
            scope["route"] = asked.get("route")
        elif scope["method"] == "OPTIONS" and (allowed := self.allow(scope["path"])):
            await Response(status_code=204, headers={"Allow": allowed})(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _segments_kept(scope: Scope) -> str:
    """Decode the path, but leave an encoded slash encoded: it belongs to an id."""
    raw = (scope.get("raw_path") or b"").split(b"?")[0].decode("latin-1")
    if not _ENCODED_SLASH.search(raw):
        return str(scope["path"])
    return unquote(_ENCODED_SLASH.sub("%252F", raw))


def _bodiless(send: Send) -> Send:
    """End the answer where its body would begin; a stream then finds that its client has left."""
    has_ended = False

    async def send_head(message: Message) -> None:
        nonlocal has_ended
        if has_ended:
            return
        if message["type"] == "http.response.body":
            has_ended = True
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await send(message)

    return send_head
