"""What each operation is given: who calls, the parts of the service, and what may wait."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import BackgroundTasks, Depends, Request

from api.models.headers import header_text
from api.orchestration import wake
from api.origin import check_origin
from api.query_string import check_given_once
from api.wiring import Wiring
from staging.core.contracts import Signal
from staging.core.errors import BadIdentity, BadRequest
from staging.core.identity import Identity, read_identity


@dataclass(frozen=True, slots=True)
class Call:
    """One request under way."""

    identity: Identity
    parts: Wiring
    background: BackgroundTasks

    @property
    def org_id(self) -> int:
        """The caller's organisation."""
        return self.identity.org_id

    def wake_later(self, job_id: str, signal: Signal | None = None) -> None:
        """Start or signal the job's workflow once the answer is sent."""
        self.background.add_task(wake, self.parts.orchestration, job_id, signal)


async def receive_call(request: Request, background: BackgroundTasks) -> Call:
    """Read the identity headers and see that nothing that counts is given twice.

    Raises ForeignOrigin, BadIdentity, BadRequest, InvalidValue.
    """
    check_origin(request)
    identity = read_identity(
        _only(request, "X-Org-ID", BadIdentity), _only(request, "X-User-ID", BadIdentity)
    )
    _only(request, "Idempotency-Key", BadRequest)
    check_given_once(request)
    return Call(identity, request.app.state.wiring, background)


def _only(request: Request, name: str, refusal: type[BadRequest]) -> str | None:
    raw = name.lower().encode()
    given = [value for key, value in request.headers.raw if key.lower() == raw]
    if len(given) > 1:
        raise refusal(f"{name} is given twice; give it once")
    return header_text(given[0]) if given else None


ThisCall = Annotated[Call, Depends(receive_call)]
