"""What is measured on: a Postgres with lineitem and a running embedded stack."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from staging.cli.demo_parts import demo_parts
from staging.local.folder import StateFolder
from staging.local.runfile import read_run
from staging.settings import Settings
from staging.storage.objects import ObjectStore, StoreConfig


@dataclass(frozen=True, slots=True)
class Ground:
    """The parts, all warm; the `AWS_*` keys of the store are in the environment."""

    scale: float
    dsn: str
    api_url: str
    config: StoreConfig
    store: ObjectStore
    ray_pid: int | None


@contextmanager
def ground(scale: float) -> Iterator[Ground]:
    """Start the demo's parts in new folders, stop them at the end."""
    with demo_parts(scale, _step) as parts:
        chosen = Settings()
        run = read_run(StateFolder(chosen.state_dir))
        ray = [each.pid for each in run.parts if each.name == "ray"] if run else []
        yield Ground(
            scale,
            parts.dsn,
            parts.api_url,
            StoreConfig.from_settings(chosen),
            parts.store,
            ray[0] if ray else None,
        )


@contextmanager
def _step(name: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"{name}: {time.monotonic() - began:.1f} s", flush=True)


def machine() -> str:
    """Describe the machine as far as a ratio depends on it."""
    memory = psutil.virtual_memory().total >> 30
    return f"{os.cpu_count()} cores, {memory} GiB, {os.uname().sysname} {os.uname().machine}"
