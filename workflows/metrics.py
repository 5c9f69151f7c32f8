"""What one worker counts, for Prometheus; docs/reference/metrics.md explains each metric."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from staging.core.chunks import Receipt
from staging.exposition import tell_build
from workflows.progress import Progress

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)


class WorkerMetrics:
    """Counters that the activities and loops raise, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.progress = Progress()
        ProcessCollector(registry=self.registry)
        tell_build(self.registry)
        self._count_attempts()
        self._count_rounds()
        self._count_garbage()

    def attempts_started(self, count: int) -> None:
        """Count attempts that were handed to Ray."""
        self._started.inc(count)

    def attempts_stopped(self, count: int) -> None:
        """Count attempts that were ended by us: a pause, a cancel, a newer term, a shutdown."""
        self._ended.labels("stopped", "").inc(count)

    def attempt_failed(self, code: str) -> None:
        """Count an attempt that failed; `code` is of the error tree."""
        self._ended.labels("failed", code).inc()

    def attempt_stale(self) -> None:
        """Count a receipt that came behind the fence."""
        self._ended.labels("stale", "").inc()

    def attempt_published(self, receipt: Receipt) -> None:
        """Count an attempt whose chunks are visible, and what it wrote."""
        self._ended.labels("published", "").inc()
        self._chunks.inc(len(receipt.chunks))
        self._rows.inc(receipt.row_count)
        self._bytes.inc(sum(chunk.byte_count for chunk in receipt.chunks))
        for stage, seconds in receipt.seconds.items():
            self._stages.labels(stage).observe(seconds)
        self.progress.made(receipt.attempt.job_id)

    @contextmanager
    def round(self, loop: str) -> Iterator[None]:
        """Count one round of a loop by how it ends."""
        try:
            yield
        except Exception:
            self._rounds.labels(loop, "failed").inc()
            raise
        self._rounds.labels(loop, "done").inc()

    def job_woken(self) -> None:
        """Count a job that no workflow moved."""
        self._woken.inc()

    def garbage_found(self, objects: int, byte_count: int) -> None:
        """Count garbage before it is deleted."""
        self._garbage.labels("found").inc(objects)
        self._garbage_bytes.labels("found").inc(byte_count)

    def garbage_deleted(self, objects: int, byte_count: int) -> None:
        """Count garbage that is gone."""
        self._garbage.labels("deleted").inc(objects)
        self._garbage_bytes.labels("deleted").inc(byte_count)

    def bucket_seen(self, objects: int, byte_count: int) -> None:
        """Note what the bucket held when the janitor last went through all of it."""
        self._bucket_objects.set(objects)
        self._bucket_bytes.set(byte_count)

    def _count_attempts(self) -> None:
        self._started = self._counter("staging_attempts_started", "Attempts handed to Ray.")
        self._ended = self._counter(
            "staging_attempts_ended",
            "Attempts that ended, by outcome and, if they failed, by the error's code.",
            "outcome",
            "code",
        )
        self._chunks = self._counter("staging_published_chunks", "Chunks made visible.")
        self._rows = self._counter("staging_published_rows", "Rows made visible.")
        self._bytes = self._counter("staging_published_bytes", "Bytes of Parquet made visible.")
        self._stages = Histogram(
            "staging_attempt_stage_seconds",
            "Time that a published attempt spent in a stage.",
            ("stage",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._gauge(
            "staging_longest_without_progress_seconds",
            "Longest time since a job that this worker stages had a partition published.",
        ).set_function(self.progress.longest_seconds)

    def _count_rounds(self) -> None:
        self._rounds = self._counter(
            "staging_loop_rounds",
            "Rounds of the worker's loops, by how they ended.",
            "loop",
            "outcome",
        )
        self._woken = self._counter(
            "staging_jobs_woken", "Workflows that the reconciler had to start or wake."
        )

    def _count_garbage(self) -> None:
        self._garbage = self._counter(
            "staging_garbage_objects", "Objects of ended attempts, found and deleted.", "fate"
        )
        self._garbage_bytes = self._counter(
            "staging_garbage_bytes", "Bytes of ended attempts, found and deleted.", "fate"
        )
        self._bucket_objects = self._gauge(
            "staging_bucket_objects", "Objects in the bucket when the janitor last looked."
        )
        self._bucket_bytes = self._gauge(
            "staging_bucket_bytes", "Bytes in the bucket when the janitor last looked."
        )

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(name, help_text, labels, registry=self.registry)

    def _gauge(self, name: str, help_text: str) -> Gauge:
        return Gauge(name, help_text, registry=self.registry)
