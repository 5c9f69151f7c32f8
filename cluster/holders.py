"""The two holders of each exported snapshot: one in this process, one in a Ray actor.

Either may die; the other lets a new one join and export the same snapshot again (rule: never two
snapshots in one job).
"""

import queue
import threading
from collections.abc import Sequence
from typing import Any

import ray
import ray.exceptions
import structlog

from cluster.nodes import ON_THE_HEAD
from cluster.session import NAMESPACE, RaySession
from staging.core.errors import ClusterUnavailable, SourceError, SourceUnavailable
from staging.sources.connections import Connection
from staging.sources.kinds import source_for
from staging.sources.source import Holder

ACTOR_NAME = "snapshot-holders"
_ACTOR_SECONDS = 10.0
_ALIVE_SECONDS = 10.0
_log = structlog.get_logger(__name__)


class HolderBook:
    """Open holders by job, in one process; safe to use from several threads.

    The lock is never held while a source is asked: one that is silent delays other sources' jobs
    only where its own have all the threads.
    """

    def __init__(self) -> None:
        self._holders: dict[str, Holder] = {}
        self._lock = threading.Lock()

    def hold(self, job_id: str, connection: Connection, exports: Sequence[str]) -> str:
        """Give this process's export of the job's snapshot, opened through `exports` if need be.

        Without exports a new snapshot is taken.  Raises SnapshotLost if none of them lives.
        """
        held = self._holders.get(job_id)
        if held is not None and held.export in exports and _is_alive(held):
            return held.export
        opened = source_for(connection).hold(exports)
        if opened is None:
            raise SourceUnavailable("the source cannot hold a snapshot")
        with self._lock:
            replaced = self._holders.pop(job_id, None)
            self._holders[job_id] = opened
        if replaced is not None:
            replaced.close()
        return opened.export

    def release(self, job_id: str) -> None:
        """Close the job's holder, if there is one."""
        with self._lock:
            held = self._holders.pop(job_id, None)
        if held is not None:
            held.close()

    def jobs(self) -> list[str]:
        """List the jobs whose snapshots are held here; workers of earlier builds ask so, too."""
        return list(self.exports())

    def exports(self) -> dict[str, str]:
        """Give the jobs whose snapshots are held here, with the exports of these."""
        with self._lock:
            return {job_id: held.export for job_id, held in self._holders.items()}


def _is_alive(held: Holder) -> bool:
    """Ask the holder, for a while only: a server that was stopped answers never."""
    answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
    threading.Thread(target=lambda: answers.put(held.is_alive()), daemon=True).start()
    try:
        return answers.get(timeout=_ALIVE_SECONDS)
    except queue.Empty:
        return False


class SnapshotHolders:
    """Keeps each job's snapshot open in two failure domains."""

    def __init__(self, session: RaySession) -> None:
        self._session = session
        self._book = HolderBook()
        self._actor: Any = None  # ray gives a handle whose methods cannot be typed

    def join_cluster(self) -> None:
        """Find or start the detached actor that holds the second half, after each connection."""
        self._actor = (
            ray.remote(HolderBook)
            .options(
                name=ACTOR_NAME,
                namespace=NAMESPACE,
                lifetime="detached",
                get_if_exists=True,
                num_cpus=0,
                resources=ON_THE_HEAD,  # another node would take its holders along
                max_restarts=-1,
                max_concurrency=4,
            )
            .remote()
        )

    def open(self, job_id: str, connection: Connection) -> tuple[str, ...]:
        """Take a new snapshot and give its exports, to be tried in order."""
        self.release(job_id)
        return self.keep(job_id, connection, ())

    def keep(
        self, job_id: str, connection: Connection, exports: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Replace the holders that were lost by joining the other; give the exports, ours first.

        Raises SnapshotLost if none lives.  While the actor does not answer, its last export stays:
        it may live, and who joins skips a dead one.
        """
        own = self._book.hold(job_id, connection, exports)
        try:
            with self._session.use():
                joined = self._actor.hold.remote(job_id, connection, (own, *exports))
                other: str = ray.get(joined, timeout=_ACTOR_SECONDS)
        except (ClusterUnavailable, ray.exceptions.RayError, SourceError) as lost:
            _log.warning("second_holder_missing", job_id=job_id, error=type(lost).__name__)
            return (own, *exports[1:])
        return (own, other)

    def release(self, job_id: str) -> None:
        """Close both holders."""
        self._book.release(job_id)
        try:
            with self._session.use():
                ray.get(self._actor.release.remote(job_id), timeout=_ACTOR_SECONDS)
        except (ClusterUnavailable, ray.exceptions.RayError) as lost:
            _log.warning("holder_release_missed", job_id=job_id, error=type(lost).__name__)

    def release_own(self, job_id: str) -> None:
        """Close the holder in this process; the other one stays."""
        self._book.release(job_id)

    def own_exports(self) -> dict[str, str]:
        """Give the jobs whose snapshots are held in this process, with its exports of these."""
        return self._book.exports()

    def jobs(self) -> set[str]:
        """List the jobs whose snapshots are held here or on the cluster."""
        held = set(self._book.jobs())
        try:
            with self._session.use():
                held |= set(ray.get(self._actor.jobs.remote(), timeout=_ACTOR_SECONDS))
        except (ClusterUnavailable, ray.exceptions.RayError) as lost:
            _log.warning("holders_unlisted", error=type(lost).__name__)
        return held
