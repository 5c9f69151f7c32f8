"""Run the Flight server until it is told to stop."""

import gc
import os
import signal
import sys
import threading
import time

import structlog

from flight_server.certificates import BadCertificates, tls_options
from flight_server.isolation import ForeignRuntime, check_isolation
from flight_server.service import FlightService
from flight_server.wiring import build
from staging.exposition import MetricsPortTaken, show_metrics
from staging.logs import configure_logging, log_crashes
from staging.settings import InsecureBind, MissingTicketKey, settings, url_host
from staging.signals import heard_signals
from staging.tracing import TracingMissing, start_tracing

_STOP_SECONDS = 5.0
_COLLECT_SECONDS = 3.0
_NOT_SET_UP = (
    *(BadCertificates, ForeignRuntime, InsecureBind),
    *(MetricsPortTaken, MissingTicketKey, TracingMissing),
)
_log = structlog.get_logger("flight_server")


def main() -> int:
    """Serve until SIGTERM or SIGINT; give 0, or 2 if the process is not set up to run."""
    wait_for_stop = heard_signals(signal.SIGTERM, signal.SIGINT)
    chosen = settings()
    configure_logging(chosen.log_level, chosen.secrets)
    log_crashes()
    try:
        check_isolation()
        listen = f"{chosen.flight_scheme}://{url_host(chosen.listen_host)}:{chosen.flight_port}"
        tls = tls_options(chosen)
        wiring = build(chosen)
        start_tracing("flight", chosen.trace_endpoint)
        show_metrics(wiring.metrics.registry, chosen.listen_host, chosen.flight_metrics_port)
    except _NOT_SET_UP as wrong:
        print(f"flight_server: {wrong}", file=sys.stderr)  # noqa: T201  # before there is a server
        return 2
    service = FlightService(listen, wiring, tls)
    gc.freeze()
    threading.Thread(target=_collect, name="collect", daemon=True).start()
    _log.info("flight.serving", listen=listen, advertised=wiring.desk.location)
    wait_for_stop()
    _stop(service)
    wiring.streams.cache.clear()
    wiring.catalog.close()
    _log.info("flight.stopped")
    return 0


def _collect() -> None:
    """Let go of what failed reads hold: files, their room on disk, and places of streams.

    An error that several readers are told refers to the frames that it came through, and those to
    who keeps the error: a circle, which a server that has little to do would not soon break.
    """
    while True:
        time.sleep(_COLLECT_SECONDS)
        gc.collect()


def _stop(service: FlightService) -> None:
    # Shutdown waits for running calls without a limit of its own; a stalled reader never ends.
    closing = threading.Thread(target=service.shutdown, daemon=True)
    closing.start()
    closing.join(_STOP_SECONDS)


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    sys.stdout.flush()
    # Streams that are still blocked in a write must not hold the process.
    os._exit(status)
