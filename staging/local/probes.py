"""Tell whether a part is ready, by using it; each probe raises NotReady until it is.

A probe waits a few seconds at most.  None of them loads grpcio, Ray or Temporal into the
supervisor: those are asked in processes of their own.
"""

import os
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from staging.core.errors import StagingError
from staging.local.layout import Layout
from staging.local.ports import answers
from staging.local.programs import find_program

if TYPE_CHECKING:
    from staging.storage.config import StoreConfig
    from staging.storage.objects import ObjectStore

_ASK_SECONDS = 5.0
_RAY_SECONDS = 30.0
PROBE_PREFIX = "probe/"


class NotReady(Exception):
    """A part does not do its work yet; the message says what was tried."""


def temporal_serves(layout: Layout) -> None:
    """Ask Temporal for the namespace."""
    command = [find_program("temporal"), "operator", "namespace", "describe"]
    namespace = ["--namespace", layout.settings.temporal_namespace]
    _run([*command, *namespace, "--address", layout.temporal_address], os.environ, _ASK_SECONDS)


def s3_stores(layout: Layout) -> None:
    """Put, read back and delete one object."""
    with stored_object(layout) as (store, key, sent):
        got = BytesIO()
        store.fetch(key, got)
        if got.getvalue() != sent:
            raise NotReady("the store gave back other bytes")


@contextmanager
def stored_object(layout: Layout) -> "Iterator[tuple[ObjectStore, str, bytes]]":
    """Put an object for as long as it is looked at: the store, its key, its bytes."""
    from staging.storage.objects import ObjectStore  # noqa: PLC0415 - 0.5 s of boto3

    key = f"{PROBE_PREFIX}{uuid.uuid4()}"
    sent = key.encode()
    try:
        store = ObjectStore(store_config(layout))
        store.put_once(key, BytesIO(sent), sha256=sha256(sent).hexdigest())
        try:
            yield store, key, sent
        finally:
            store.delete([key])
    except StagingError as refused:
        raise NotReady(refused.detail) from refused


def store_config(layout: Layout) -> "StoreConfig":
    """Describe the bucket, and the endpoint that links are signed for."""
    from staging.storage.config import StoreConfig  # noqa: PLC0415 - 0.5 s of boto3

    endpoint = layout.s3_endpoint
    return replace(
        StoreConfig.from_settings(layout.settings),
        endpoint=endpoint,
        public_endpoint=layout.settings.s3_public_endpoint or endpoint,
    )


def ray_runs_a_task(layout: Layout) -> None:
    """Run one task, once the head's port is open at all."""
    if not answers(layout.ray_address):
        raise NotReady(f"nothing listens on {layout.ray_address}")
    probe_ray(layout, {})


def probe_ray(
    layout: Layout, environment: dict[str, str], *, seconds: float = _RAY_SECONDS
) -> None:
    """Run one task as a caller with these variables besides the stack's own."""
    command = [sys.executable, "-m", "cluster.probe", layout.ray_address]
    _run(command, layout.ray_environment() | environment, seconds)


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
    """Open a stream of flights; a server that wants our certificate is greeted only."""
    if layout.settings.flight_tls_client_ca is not None:
        _greet(layout)
        return
    from pyarrow import ArrowException, flight  # noqa: PLC0415 - only when the rest is up

    # The certificate is for the name that consumers use; this is our own process.
    unnamed = {"disable_server_verification": True} if layout.settings.flight_tls_cert else {}
    options = flight.FlightCallOptions(timeout=_ASK_SECONDS)
    try:
        with flight.connect(layout.flight_location, **unnamed) as client:
            next(iter(client.list_flights(options=options)), None)
    except (ArrowException, OSError) as refused:
        raise NotReady(f"ListFlights: {refused}") from refused


def _greet(layout: Layout) -> None:
    """Let Flight show its certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    host, port = layout.flight_location.rpartition("//")[2].rsplit(":", 1)
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), _ASK_SECONDS) as plain,
            context.wrap_socket(plain) as greeted,
        ):
            greeted.getpeercert(binary_form=True)
    except OSError as refused:
        raise NotReady(f"Flight shows no certificate: {refused}") from refused


def _run(command: list[str], environment: Mapping[str, str], seconds: float) -> None:
    try:
        done = subprocess.run(
            command,
            env=environment,
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
