"""Accept a job: once a key, its source asked first."""

import hashlib
import json
import secrets

from starlette.concurrency import run_in_threadpool

from api.models.requests import JobBody
from api.source_check import check_source
from api.wiring import Wiring
from staging.catalog import IdempotencyKey, Inserted
from staging.core import ids
from staging.core.errors import FieldError, InvalidValue
from staging.core.identity import Identity
from staging.core.jobs import JobDraft


async def accept_job(parts: Wiring, caller: Identity, body: JobBody, key: str | None) -> Inserted:
    """Insert the job, or find the one that the same key and body made.

    Raises InvalidValue (what the source does not have, a key used for another body),
    CatalogUnavailable.
    """
    idempotency = None if key is None else IdempotencyKey(key, _fingerprint(body))
    if idempotency is not None:
        replayed = await run_in_threadpool(
            parts.catalog.replayed_job, caller.org_id, idempotency, now=parts.now()
        )
        if replayed is not None:
            return Inserted(replayed, is_replayed=True)
    _check_consistency(body)
    await check_source(parts, caller.org_id, body.source)
    draft = _draft(parts, caller, body)
    return await run_in_threadpool(
        parts.catalog.insert_job, draft, now=parts.now(), idempotency=idempotency
    )


def _check_consistency(body: JobBody) -> None:
    """Refuse a mark without a snapshot: rows below it could be missing, and stay so."""
    if body.source.incremental is not None and body.options.consistency != "snapshot":
        detail = "an incremental job needs a snapshot; leave consistency out"
        raise InvalidValue(detail, [FieldError("#/options/consistency", detail)])


def _draft(parts: Wiring, caller: Identity, body: JobBody) -> JobDraft:
    return JobDraft(
        job_id=ids.job_id(parts.now(), secrets.token_bytes(10)),
        org_id=caller.org_id,
        user_id=caller.user_id,
        name=body.name,
        labels=body.labels,
        source=body.source.spec(),
        options=body.options.options(),
    )


def _fingerprint(body: JobBody) -> str:
    """Hash what the client gave, in whatever order and spacing it was written."""
    given = body.model_dump(mode="json", exclude_unset=True)
    text = json.dumps(given, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
