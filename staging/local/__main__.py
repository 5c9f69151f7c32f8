"""The supervisor as a process of its own: `python -m staging.local OPTIONS`."""

import contextlib
import sys
from datetime import UTC, datetime

from staging.core.errors import StagingError
from staging.local.options import UpOptions
from staging.local.supervisor import supervise
from staging.settings import settings


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # a full disk must not end the thread that tells of it
        sys.stdout.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    try:
        supervise(settings(), UpOptions.from_json(sys.argv[1]), _say)
    except StagingError as refused:
        _say(f"error: {refused.detail}")
        sys.exit(1)
