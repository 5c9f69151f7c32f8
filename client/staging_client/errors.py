"""Every failure that a reader meets, as one tree.

StagingClientError
├── Refused                the service's answer is a problem: status, code, request_id
│   ├── InvalidRequest     errors: pointers into the request
│   ├── IdentityRefused
│   ├── JobNotFound        also: no such chunk
│   ├── WrongState         current_state, allowed
│   └── DataGone           reason
├── Unavailable            no answer, or 429, 502, 503, 504, in spite of retries
├── BadAddress
├── BadCertificates
├── CertificateRefused
├── UnexpectedAnswer       not an answer of the staging service
├── LinkRefused
├── FlightFailed
├── JobFailed              state, code, partition_id
├── ShortRead
├── ChecksumMismatch
└── TimedOut
"""

from collections.abc import Sequence
from dataclasses import dataclass


class StagingClientError(Exception):
    """Reading staged chunks failed."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One invalid place of a request; `pointer` is an RFC 6901 pointer, `#/source/table`."""

    pointer: str
    detail: str


class Refused(StagingClientError):
    """The service refused the request; `code` is its slug for why."""

    def __init__(
        self, detail: str, *, status: int = 0, code: str = "", request_id: str | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.code = code
        self.request_id = request_id


class InvalidRequest(Refused):
    """A value in the request is not valid; `errors` point at each."""

    errors: Sequence[FieldError] = ()


class IdentityRefused(Refused):
    """The organisation or user is malformed, or may not do this."""


class JobNotFound(Refused):
    """The organisation has no such job, or the job no such chunk."""


class WrongState(Refused):
    """The job's state does not allow it; `allowed` lists what it does allow."""

    current_state: str = ""
    allowed: Sequence[str] = ()


class DataGone(Refused):
    """The chunk is deleted; `reason` is expired, completed, cancelled or failed."""

    reason: str = ""


class Unavailable(StagingClientError):
    """The service, the store or Flight did not answer, however often it was asked."""


class BadAddress(StagingClientError):
    """base_url is not `http://host:port` or `https://host`."""


class BadCertificates(StagingClientError):
    """A certificate file for Flight cannot be read, or is no certificate."""


class CertificateRefused(StagingClientError):
    """Flight shows a certificate that none of the trusted authorities signed for its name."""


class UnexpectedAnswer(StagingClientError):
    """The answer is not one of the staging service; check base_url."""


class LinkRefused(StagingClientError):
    """The object store refuses even a new link."""


class FlightFailed(StagingClientError):
    """The Flight server failed inside, or refuses what it should take; its log says why."""


class JobFailed(StagingClientError):
    """The job ended without its data; `code` says why, `state` how."""

    def __init__(
        self, detail: str, *, state: str, code: str, partition_id: int | None = None
    ) -> None:
        super().__init__(detail)
        self.state = state
        self.code = code
        self.partition_id = partition_id


class ShortRead(StagingClientError):
    """Rows or chunks are missing: what was read is not what the manifest says."""


class ChecksumMismatch(StagingClientError):
    """The bytes that arrived are not those that were published."""


class TimedOut(StagingClientError):
    """The job did not get there in time."""
