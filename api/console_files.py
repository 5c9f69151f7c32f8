"""The console's files, read once, and the headers that each is sent with."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_PAGE = "index.html"
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # No text can become markup or code, whatever the page's scripts do with it.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Kept, but asked for again each time: the files of one build belong together.
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class ConsoleFile:
    """One file as it is sent."""

    body: bytes
    tag: str
    headers: Mapping[str, str]


@cache
def console_files() -> Mapping[str, ConsoleFile]:
    """Give all files of the page by their names; `index.html` is the page itself."""
    found = [each for each in files("api.console").iterdir() if _suffix(each.name) in _MEDIA_TYPES]
    return {each.name: _console_file(each.name, each.read_bytes()) for each in found}


def page() -> ConsoleFile:
    """Give the page."""
    return console_files()[_PAGE]


def _console_file(name: str, body: bytes) -> ConsoleFile:
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {**_HEADERS, "Content-Type": _MEDIA_TYPES[_suffix(name)], "ETag": tag}
    return ConsoleFile(body, tag, headers)


def _suffix(name: str) -> str:
    return name[name.rfind(".") :]
