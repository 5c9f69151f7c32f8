"""See to it that a portion is decoded once, however many ask for it at once."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
from prometheus_client import Histogram

from flight_server.build import Build
from flight_server.cache import Cache, Portion
from flight_server.fetch import Fetcher
from staging.core.chunks import Chunk

_DECODES = max(4, os.cpu_count() or 1)
"""Decodes at once; a decode waits for the store, then for a core."""


class Decoding:
    """The builds that run or wait for their turn."""

    def __init__(self, fetcher: Fetcher, cache: Cache, seconds: Histogram) -> None:
        self._fetcher = fetcher
        self._seconds = seconds
        self._cache = cache
        self._lock = threading.Lock()
        self._builds: dict[Portion, Build] = {}
        self._pool = ThreadPoolExecutor(_DECODES, thread_name_prefix="decode")
        self._groups = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="row-group")

    def ask(self, portion: Portion, chunk: Chunk, schema: pa.Schema) -> Build | pa.Table:
        """Give the build of the portion, a new one if none runs, or what one has just finished.

        The schema is that of the portion.  Once begun, a build goes on to its end.
        """
        with self._lock:
            build = self._builds.get(portion)
            if build is None:
                table = self._cache.open(portion)
                if table is not None:
                    return table
                build = self._builds[portion] = Build(portion, chunk, schema)
                self._pool.submit(self._run, build)
            build.askers += 1
            return build

    def leave(self, build: Build) -> None:
        """Give up a build that was asked for; without askers it does not begin."""
        with self._lock:
            build.askers -= 1

    def _run(self, build: Build) -> None:
        with self._lock:
            if build.askers == 0:
                del self._builds[build.portion]
                build.abandon()
                return
        with self._seconds.time():
            build.run(self._fetcher, self._cache, self._groups)
        with self._lock:
            del self._builds[build.portion]
