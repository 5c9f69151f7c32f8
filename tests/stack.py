"""The whole embedded stack for tests, started as a person would start it."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from unittest import mock

import psutil

from staging.local.child import Child, Program, start
from staging.local.folder import StateFolder
from staging.local.layout import Layout
from staging.local.runfile import PartState, PartStatus, Run, StackState, read_run
from staging.local.running import layout_of
from staging.storage.objects import ObjectStore, StoreConfig

STAGING = str(Path(sys.executable).parent / "staging")
_START_SECONDS = 400
_PART_SECONDS = 180


class RunningStack:
    """A stack in a state folder of its own; it ends when the tests' process does."""

    def __init__(
        self, root: Path, settings: Mapping[str, str], *words: str, inside: Sequence[str] = ()
    ) -> None:
        """Start `staging up WORDS`; `inside` are the words that run a program somewhere else."""
        self.folder = StateFolder(root)
        self.environment = dict(os.environ) | {"STAGING_STATE_DIR": str(root)} | settings
        self.child: Child = start(
            Program(
                [*inside, STAGING, "up", "--port", "0", *words],
                root.parent / "up.log",
                self.environment,
                grace_seconds=60,
            )
        )
        self._until_ready(root.parent / "up.log")

    @property
    def run(self) -> Run:
        """What the supervisor says now."""
        run = read_run(self.folder)
        assert run is not None
        return run

    @property
    def api_url(self) -> str:
        return str(self.part("api").url)

    @property
    def flight_location(self) -> str:
        return str(self.part("flight").url)

    def part(self, name: str) -> PartStatus:
        return next(each for each in self.run.parts if each.name == name)

    def pid_of(self, name: str) -> int:
        """The pid of a part's own process, once it does its work."""
        deadline = time.monotonic() + _PART_SECONDS
        while (part := self.part(name)).state is not PartState.READY or part.pid is None:
            assert time.monotonic() < deadline, self.run
            time.sleep(0.05)
        return part.pid

    def kill(self, name: str) -> None:
        """Kill a part; returns when that process is gone, not when the next one is there."""
        process = psutil.Process(self.pid_of(name))
        process.kill()
        psutil.wait_procs([process], timeout=60)
        deadline = time.monotonic() + 60
        while self.part(name).pid == process.pid:
            assert time.monotonic() < deadline, self.run
            time.sleep(0.05)

    @property
    def layout(self) -> Layout:
        """Where everything of the stack is."""
        return layout_of(self.folder, self.run)

    def object_keys(self, prefix: str = "") -> list[str]:
        """The keys in the bucket now."""
        return [found.key for found in self._store.list(prefix)]

    def stop(self) -> None:
        self.child.stop(timeout_seconds=300)

    @cached_property
    def _store(self) -> ObjectStore:
        layout = self.layout
        config = layout.settings
        with mock.patch.dict(os.environ, layout.environment()):  # boto3 takes its keys from there
            return ObjectStore(
                StoreConfig(
                    layout.s3_endpoint, layout.s3_endpoint, config.s3_bucket, config.s3_region
                )
            )

    def _until_ready(self, log: Path) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            run = read_run(self.folder)
            if run is not None and run.state is StackState.READY:
                return
            assert self.child.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
