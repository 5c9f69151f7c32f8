"""Programs that check files of deploy/."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., str]


@pytest.fixture(scope="session")
def promtool() -> Run:
    """Run promtool; it must find nothing wrong."""
    return _program("promtool", "prometheus")


@pytest.fixture(scope="session")
def kubectl() -> Run:
    """Run kubectl, which is asked for nothing that needs a cluster."""
    return _program("kubectl", "kubernetes-client")


def _program(name: str, package: str) -> Run:
    found = shutil.which(name)
    if found is None and "CI" not in os.environ:
        pytest.skip(f"{name} is not installed: apt-get install {package}")
    assert found, f"{name} is not installed"

    def run(*arguments: str | Path) -> str:
        done = subprocess.run(
            [found, *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
