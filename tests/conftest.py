"""Real servers for tests, each started once a session when it is first asked for."""

import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from staging.local.child import start
from staging.local.ports import PortBook
from staging.local.postgres import EmbeddedPostgres, temporary_postgres
from staging.local.seaweed import BUCKET, PREFERRED, SeaweedPorts, seaweed

if TYPE_CHECKING:
    from staging.storage.objects import StoreConfig

REGION = "us-east-1"


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A Postgres without databases of its own; create one a test, or a schema."""
    with temporary_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[StoreConfig]":
    """A running store with an empty bucket; its keys are in the environment for the session."""
    from staging.storage.objects import StoreConfig

    folder = tmp_path_factory.mktemp("s3")
    ports = SeaweedPorts.choose(PortBook(), dict.fromkeys(PREFERRED, 0))
    keys = {
        "AWS_ACCESS_KEY_ID": secrets.token_hex(8),
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in keys.items():
            patch.setenv(name, value)
        child = start(seaweed(folder, ports, folder / "s3.log", dict(os.environ)))
        _until_it_stores(ports.endpoint, folder / "s3.log")
        yield StoreConfig(
            endpoint=ports.endpoint, public_endpoint=ports.endpoint, bucket=BUCKET, region=REGION
        )
        child.stop()


def _until_it_stores(endpoint: str, log: Path) -> None:
    config = Config(s3={"addressing_style": "path"}, signature_version="s3v4")
    client = boto3.client("s3", endpoint_url=endpoint, region_name=REGION, config=config)
    deadline = time.monotonic() + 60
    while True:
        try:
            client.put_object(Bucket=BUCKET, Key="ready", Body=b"ready")
            client.delete_object(Bucket=BUCKET, Key="ready")
        except (BotoCoreError, ClientError):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        else:
            return
