"""Probe the parts that the API stands on, all at once and for a bounded time."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from api.errors import NotReady
from api.wiring import Wiring
from staging.core.errors import CatalogUnavailable, StagingError

_PATIENCE_SECONDS = 4.0


async def probe(wiring: Wiring) -> dict[str, Any]:
    """Tell how catalog, store and Temporal are, in the answer's JSON.

    Temporal is not required: accepted jobs wait for it.  Raises NotReady if another is down.
    """
    catalog, store, temporal = await asyncio.gather(
        _problem(wiring.probes.ask(lambda: _check_catalog(wiring), _PATIENCE_SECONDS)),
        _problem(wiring.probes.ask(wiring.store.check, _PATIENCE_SECONDS)),
        _problem(wiring.orchestration.check()),
    )
    parts = {
        "catalog": _part(catalog, required=True),
        "store": _part(store, required=True),
        "temporal": _part(temporal, required=False),
    }
    if catalog is not None or store is not None:
        raise NotReady(parts)
    return parts


def _check_catalog(wiring: Wiring) -> None:
    wiring.catalog.check()
    if not wiring.catalog.is_current():
        raise CatalogUnavailable("the catalog's tables are not those of this version; migrate it")


async def _problem(check: Awaitable[None]) -> str | None:
    """Tell what is wrong with a part, None if nothing."""
    try:
        await check
    except StagingError as down:
        return down.detail
    except TimeoutError:
        return f"no answer in {_PATIENCE_SECONDS:.0f} s"
    return None


def _part(problem: str | None, *, required: bool) -> dict[str, Any]:
    state = "up" if problem is None else "down"
    return {"state": state, "required": required, "detail": problem}
