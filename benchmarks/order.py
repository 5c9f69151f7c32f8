"""What a peer's process is told on its command line, and what it answers on standard output."""

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from staging.storage.config import TRANSFER, StoreConfig, s3_client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class Order:
    """Where to read, and where to write."""

    config: StoreConfig
    dsn: str
    prefix: str

    def client(self) -> "S3Client":
        """Build a boto3 client of the bucket."""
        return s3_client(self.config, TRANSFER)

    def upload(self, client: "S3Client", file: Path, name: str) -> None:
        """Put a file as one object under the prefix."""
        with file.open("rb") as body:
            client.put_object(Bucket=self.config.bucket, Key=f"{self.prefix}/{name}", Body=body)


def obey(work: Callable[[Order], Callable[[], int]]) -> None:
    """Prepare, then time the work alone; `work` gives the timed part, which gives its peak RSS."""
    told = json.loads(sys.argv[1])
    dsn, prefix = told.pop("dsn"), told.pop("prefix")
    timed = work(Order(StoreConfig(**told), dsn, prefix))
    began = time.monotonic()
    peak_bytes = timed()
    seconds = time.monotonic() - began
    print(json.dumps({"seconds": seconds, "peak_bytes": peak_bytes}))


def own_peak_bytes() -> int:
    """Give the largest RSS that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
