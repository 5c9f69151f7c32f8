"""Compare this machine's clock with those of the parts; each raises NotReady if they differ.

Links and tickets end at a moment, garbage and TTLs at an age, and S3 refuses a signature whose
time is a quarter of an hour off.
"""

import json
import os
import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from staging.catalog import Catalog
from staging.local.probes import NotReady
from staging.local.programs import find_program

_MOST = timedelta(seconds=5)
_ASK_SECONDS = 5.0
_NOBODYS_QUEUE = "staging-doctor"

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """This machine's clock."""
    return datetime.now(UTC)


def store_clock(endpoint: str, now: Clock = utc_now) -> None:
    """Compare with the `Date` of the store's answer, whatever the answer is (RFC 9110, 6.6.1)."""
    begun = now()
    try:
        with urllib.request.urlopen(endpoint, timeout=_ASK_SECONDS) as answer:  # noqa: S310 - the operator's endpoint
            date = answer.headers["Date"]
    except urllib.error.HTTPError as refused:
        date = refused.headers["Date"]
    except OSError as silent:
        raise NotReady(f"it does not answer: {silent}") from silent
    if date is None:
        raise NotReady("its answer has no Date")
    _compare(parsedate_to_datetime(date), begun, now())


def catalog_clock(url: str, now: Clock = utc_now) -> None:
    """Compare with the database server; an SQLite file has this machine's clock."""
    catalog = Catalog.open(url)
    try:
        begun = now()
        _compare(catalog.clock(), begun, now())
    finally:
        catalog.close()


def temporal_clock(address: str, namespace: str, now: Clock = utc_now) -> None:
    """Compare with when Temporal says that a workflow began, which nobody runs and which times out.

    Temporal's API has no other way to ask for its time.
    """
    name = f"staging-doctor-{uuid.uuid4()}"
    begun = now()
    started = ["start", "--task-queue", _NOBODYS_QUEUE, "--type", "Clock", "--execution-timeout"]
    _temporal([*started, "1s"], address, namespace, name)
    ended = now()
    told = json.loads(_temporal(["describe", "--output", "json"], address, namespace, name))
    _compare(datetime.fromisoformat(told["workflowExecutionInfo"]["startTime"]), begun, ended)


def _temporal(words: list[str], address: str, namespace: str, name: str) -> str:
    command = [find_program("temporal"), "workflow", *words, "--workflow-id", name]
    where = ["--address", address, "--namespace", namespace]
    try:
        done = subprocess.run(
            [*command, *where],
            env=os.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=2 * _ASK_SECONDS,
            check=True,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as refused:
        raise NotReady(f"it does not tell: {type(refused).__name__}") from refused
    return done.stdout


def _compare(theirs: datetime, begun: datetime, ended: datetime) -> None:
    """Raise NotReady unless a moment lies between two of ours, give or take a few seconds."""
    if begun - _MOST <= theirs <= ended + _MOST:
        return
    behind = round((begun - theirs).total_seconds())
    which = f"{behind} s behind" if behind > 0 else f"{-behind} s ahead"
    raise NotReady(f"it is {which}")
