"""Keep other hosts' pages from changing anything: a browser sends for them what needs no preflight.

Fetch: https://fetch.spec.whatwg.org/#origin-header
"""

from starlette.requests import Request

from api.errors import ForeignOrigin

_SAFE = frozenset({"GET", "HEAD"})


def check_origin(request: Request) -> None:
    """Raise ForeignOrigin if a page that is not of this host asks for a change.

    Host and port are compared, not the scheme: TLS may end at a proxy, which must pass Host on.
    Callers that are no browsers send no Origin.
    """
    if request.method in _SAFE:
        return
    here = request.headers.get("host", "").lower()
    for origin in request.headers.getlist("origin"):
        # `null`, of a page that hides where it is from, has no host.
        _, is_url, host = origin.lower().partition("://")
        if not is_url or host != here:
            raise ForeignOrigin()
