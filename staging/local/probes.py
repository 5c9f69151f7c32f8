"""Tell whether a part is ready, by using it; each probe raises NotReady until it is.

A probe waits a few seconds at most.  None of them loads grpcio, Ray or Temporal into the
supervisor: those are asked in processes of their own.
"""

import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import uuid
from hashlib import sha256
from pathlib import Path

from staging.core.errors import StagingError
from staging.local.layout import Layout
from staging.local.ports import answers
from staging.local.programs import find_program

_ASK_SECONDS = 5.0
_RAY_SECONDS = 30.0
PROBE_PREFIX = "probe/"


class NotReady(Exception):
    """A part does not do its work yet; the message says what was tried."""


def temporal_serves(layout: Layout) -> None:
    """Ask Temporal for the namespace."""
    command = [find_program("temporal"), "operator", "namespace", "describe"]
    namespace = ["--namespace", layout.settings.temporal_namespace]
    _run([*command, *namespace, "--address", layout.temporal_address], layout, _ASK_SECONDS)


def s3_stores(layout: Layout) -> None:
    """Put, read back and delete one object."""
    from staging.storage.objects import ObjectStore, StoreConfig  # noqa: PLC0415 - 0.5 s of boto3

    key = f"{PROBE_PREFIX}{uuid.uuid4()}"
    endpoint, config = layout.s3_endpoint, layout.settings
    store = ObjectStore(StoreConfig(endpoint, endpoint, config.s3_bucket, config.s3_region))
    with tempfile.TemporaryDirectory() as folder:
        sent, got = Path(folder) / "sent", Path(folder) / "got"
        sent.write_bytes(key.encode())
        try:
            store.put_once(key, sent, sha256=sha256(key.encode()).hexdigest())
            with got.open("wb") as into:
                store.fetch(key, into)
            store.delete([key])
        except StagingError as refused:
            raise NotReady(refused.detail) from refused
        if got.read_bytes() != sent.read_bytes():
            raise NotReady("the store gave back other bytes")


def ray_runs_a_task(layout: Layout) -> None:
    """Run one task, once the head's port is open at all."""
    if not answers(layout.ray_address):
        raise NotReady(f"nothing listens on {layout.ray_address}")
    _run([sys.executable, "-m", "cluster.probe", layout.ray_address], layout, _RAY_SECONDS)


def api_is_ready(layout: Layout) -> None:
    """Ask the API's own readiness, which reaches for the parts behind it."""
    try:
        with urllib.request.urlopen(f"{layout.api_url}/readyz", timeout=_ASK_SECONDS):  # noqa: S310 - http only
            return
    except urllib.error.HTTPError as refused:
        raise NotReady(f"/readyz answers {refused.code}") from refused
    except OSError as refused:
        raise NotReady(f"/readyz does not answer: {refused}") from refused


def worker_polls(layout: Layout) -> None:
    """Look for the file that the worker touches when it polls Temporal and Ray answers."""
    if not layout.folder.ready_file.exists():
        raise NotReady("the worker does not poll yet")


def flight_lists(layout: Layout) -> None:
    """Open a stream of flights."""
    from pyarrow import ArrowException, flight  # noqa: PLC0415 - only when the rest is up

    options = flight.FlightCallOptions(timeout=_ASK_SECONDS)
    try:
        with flight.connect(layout.flight_location) as client:
            next(iter(client.list_flights(options=options)), None)
    except (ArrowException, OSError) as refused:
        raise NotReady(f"ListFlights: {refused}") from refused


def _run(command: list[str], layout: Layout, seconds: float) -> None:
    try:
        done = subprocess.run(
            command,
            env=layout.ray_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise NotReady(f"{Path(command[0]).name} did not answer in {seconds:.0f} s") from late
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or [f"exit {done.returncode}"]
        raise NotReady(said[-1])
