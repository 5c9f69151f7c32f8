"""The API for each test, on a catalog and connections of its own."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from staging.catalog import Catalog, migrate
from staging.logs import configure_logging
from tests.contract.api.service import Clock, Recorder, Service, fill, make_wiring


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with connections, sources and a migrated catalog."""
    configure_logging("warning")
    folder = tmp_path_factory.mktemp("template")
    fill(folder)
    migrate(f"sqlite:///{folder}/catalog.db")
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the template, and keys to sign links with."""
    if "AWS_ACCESS_KEY_ID" not in os.environ:  # a running store has put its own there
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "an access key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret key")
    return Path(shutil.copytree(template, tmp_path / "state"))


@pytest.fixture
def catalog(folder: Path) -> Iterator[Catalog]:
    catalog = Catalog.open(f"sqlite:///{folder}/catalog.db")
    yield catalog
    catalog.close()


@pytest.fixture
def service(catalog: Catalog, folder: Path) -> Service:
    temporal, clock = Recorder(), Clock()
    return Service(catalog, folder, make_wiring(catalog, folder, temporal, clock), temporal, clock)
