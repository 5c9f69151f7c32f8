"""Ask the service: identity on every request, retries, problems as errors."""

from collections.abc import Mapping
from typing import Any

import httpx2

from staging_client.download import Download
from staging_client.errors import BadAddress, UnexpectedAnswer
from staging_client.patience import Busy, Patience, retry_after
from staging_client.problems import refused

PREFIX = "/api/v1/staging"
_BUSY = frozenset({429, 502, 503, 504})
_ANSWER_SECONDS = 15.0
"""How long an answer may take, on top of the wait that was asked for."""


class Transport:
    """One connection pool to the service for one identity."""

    def __init__(
        self, base_url: str, *, org_id: int, user_id: str | None, patience: Patience
    ) -> None:
        identity = {"X-Org-ID": str(org_id)} | ({"X-User-ID": user_id} if user_id else {})
        self.org_id = org_id
        self.patience = patience
        self._http = httpx2.Client(base_url=_checked(base_url) + PREFIX, headers=identity)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """Give the answer, 2xx or 304.

        Every request of the contract may be made twice: creation carries an Idempotency-Key, the
        rest is idempotent.  So all are retried when nothing, or a busy service, answers.
        Raises Refused, Unavailable.
        """
        query = {name: value for name, value in (query or {}).items() if value is not None}
        seconds = _ANSWER_SECONDS + float(query.get("wait_seconds", 0))
        request = self._http.build_request(
            method, path, params=query, json=body, headers=headers, timeout=seconds
        )
        return self.patience.persist(lambda: self._send(request))

    def ask_object(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """Give the answer's JSON object."""
        return json_object(self.ask(method, path, **request))

    def download(self, path: str, download: Download) -> None:
        """Bring what is missing of a chunk through the service, and verify all of it.

        Raises Refused, ChecksumMismatch, Unavailable.
        """
        self.patience.persist(lambda: self._go_on(path, download))
        download.check()

    def _go_on(self, path: str, download: Download) -> None:
        if download.is_complete:
            return
        headers = {"Accept-Encoding": "identity", **download.range_headers}
        request = self._http.build_request("GET", path, headers=headers, timeout=_ANSWER_SECONDS)
        answer = self._answer(request, stream=True)
        try:
            if answer.status_code >= 400:
                answer.read()
            _check_status(answer)
            download.take(answer)
        finally:
            answer.close()

    def _send(self, request: httpx2.Request) -> httpx2.Response:
        answer = self._answer(request)
        _check_status(answer)
        return answer

    def _answer(self, request: httpx2.Request, *, stream: bool = False) -> httpx2.Response:
        try:
            return self._http.send(request, stream=stream)
        except httpx2.TransportError as silent:
            raise Busy(f"{_service(request)} does not answer: {silent}") from silent


def _check_status(answer: httpx2.Response) -> None:
    if answer.status_code in _BUSY:
        raise Busy(str(refused(answer)), retry_after(answer.headers))
    if answer.status_code >= 400:
        raise refused(answer)


def _checked(base_url: str) -> str:
    """Give the URL without a slash at its end; raises BadAddress."""
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL:
        url = httpx2.URL()
    if url.scheme not in {"http", "https"} or not url.host:
        raise BadAddress(f"{base_url!r} is no address of a service; give http://host:port")
    return base_url.rstrip("/")


def _service(request: httpx2.Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc.decode()}"


def json_object(answer: httpx2.Response) -> dict[str, Any]:
    """Read a JSON object; raises UnexpectedAnswer."""
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UnexpectedAnswer(
            f"{answer.url.host} answered {answer.status_code} without JSON: is base_url right?"
        )
    return found
