"""Delete the cached chunks of jobs whose data is gone."""

import threading
import time
from datetime import UTC, datetime, timedelta

import structlog

from flight_server.cache import Cache
from staging.catalog import Catalog
from staging.core.errors import Unavailable, UnknownJob
from staging.core.retention import end_met

_PAUSE_SECONDS = 3.0
"""Well within the 10 s after which the objects of a cancelled or expired job are deleted."""

_log = structlog.get_logger(__name__)


class Sweep:
    """One thread that asks the catalog about every job in the cache."""

    def __init__(self, catalog: Catalog, cache: Cache, purge_grace: timedelta) -> None:
        self._catalog = catalog
        self._cache = cache
        self._purge_grace = purge_grace

    def start(self) -> None:
        """Begin to work, for as long as the process lives."""
        threading.Thread(target=self._work, name="sweep", daemon=True).start()

    def _work(self) -> None:
        while True:
            time.sleep(_PAUSE_SECONDS)
            try:
                self._sweep()
            except Unavailable as away:
                # What the catalog cannot tell is not served either: every DoGet asks it first.
                _log.warning("flight.sweep_waits", code=away.code)
            except Exception:  # noqa: BLE001  # the edge of a thread: the next round tries again
                _log.exception("flight.sweep_failed")

    def _sweep(self) -> None:
        over = {job_id for job_id in self._cache.job_ids() if self._is_over(job_id)}
        if over:
            self._cache.drop(lambda portion: portion.job_id in over)

    def _is_over(self, job_id: str) -> bool:
        try:
            job = self._catalog.job_by_id(job_id)
        except UnknownJob:
            return True
        return end_met(job, None, datetime.now(UTC), self._purge_grace) is not None
