"""What a job's workflow does next, as a function of where the job stands."""

from dataclasses import dataclass

from staging.core.contracts import Standing, Step
from staging.core.jobs import FINAL, JobState


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until a signal comes, or until so many seconds are over (None: never)."""

    seconds: float | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The job is final and its objects are deleted."""


Move = Step | Wait | Finished
_EXPIRING = frozenset({JobState.PENDING, JobState.RUNNING, JobState.PAUSED, JobState.STAGED})


def next_move(standing: Standing) -> Move:
    """Decide the next step from the catalog's word alone."""
    state = standing.state
    if state in FINAL:
        return _after_the_end(standing)
    if state in _EXPIRING and standing.is_due:
        return Step.EXPIRE
    if state is JobState.CANCELLING:
        return Step.FINISH_CANCEL
    if state is JobState.PAUSED:
        return _while_paused(standing)
    if state is JobState.STAGED:
        return Wait(standing.expires_in_seconds)
    return _while_staging(standing)


def _after_the_end(standing: Standing) -> Move:
    if standing.is_purged:
        return Finished()
    if _is_over(standing.purge_in_seconds):
        return Step.PURGE
    return Wait(standing.purge_in_seconds)


def _while_paused(standing: Standing) -> Move:
    if _is_over(standing.snapshot_ends_in_seconds):
        return Step.RELEASE_SNAPSHOT
    ends = (standing.expires_in_seconds, standing.snapshot_ends_in_seconds)
    return Wait(min((end for end in ends if end is not None), default=None))


def _while_staging(standing: Standing) -> Step:
    is_read = standing.is_planned and standing.partitions_done == standing.partitions_total
    if is_read:
        return Step.SEAL
    if standing.state is JobState.PAUSING:
        return Step.SETTLE_PAUSE
    return Step.STAGE_BATCH if standing.is_planned else Step.PLAN


def _is_over(seconds: float | None) -> bool:
    return seconds is not None and seconds <= 0
