"""Run the API: `python -m api` serves on STAGING_HOST and STAGING_PORT until told to stop."""

import gc
import resource
import signal
import sys
from types import FrameType

import uvicorn

from api.app import create_app
from api.serving import serving
from api.watching import Watch
from api.wiring import build
from staging.logs import configure_logging, log_crashes
from staging.settings import InsecureBind, MissingTicketKey, settings
from staging.tracing import TracingMissing, start_tracing

_OPEN_FILES = 65_536


class _Server(uvicorn.Server):
    """A server that sends those who wait for news home before it stops."""

    def __init__(self, config: uvicorn.Config, watch: Watch) -> None:
        super().__init__(config)
        self._watch = watch

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take SIGTERM or SIGINT."""
        self._watch.end()
        super().handle_exit(sig, frame)


def _open_room() -> None:
    """Take as many open files as the system lets us: each caller who waits for news holds one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _spare_collections() -> None:
    """Keep what lives as long as the process out of them: a full one would hold up a request."""
    gc.collect()
    gc.freeze()


def main() -> int:
    """Serve until SIGTERM or SIGINT; give 0, 1 if it cannot listen, 2 if it is not set up."""
    chosen = settings()
    configure_logging(chosen.log_level, chosen.secrets)
    log_crashes()
    try:
        host, wiring = chosen.listen_host, build(chosen)
        start_tracing("api", chosen.trace_endpoint)
    except (InsecureBind, MissingTicketKey, TracingMissing) as wrong:
        print(f"api: {wrong}", file=sys.stderr)  # noqa: T201  # before there is a server
        return 2
    config = serving(create_app(wiring), host, chosen.port)
    _open_room()
    _spare_collections()
    server = _Server(config, wiring.watch)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again once it has stopped; that shall not end us by it.
        signal.signal(number, lambda *_: None)
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
