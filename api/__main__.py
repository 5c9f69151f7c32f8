"""Run the API: `python -m api` serves on STAGING_HOST and STAGING_PORT until told to stop."""

import sys

import uvicorn

from api.app import create_app
from api.wiring import build
from staging.logs import configure_logging
from staging.settings import InsecureBind, MissingTicketKey, settings

_GRACE_SECONDS = 5


def main() -> int:
    """Serve until SIGTERM or SIGINT; give 0, or 2 if the process is not set up to run."""
    chosen = settings()
    configure_logging(chosen.log_level)
    try:
        host, app = chosen.listen_host, create_app(build(chosen))
    except (InsecureBind, MissingTicketKey) as wrong:
        print(f"api: {wrong}", file=sys.stderr)  # noqa: T201  # before there is a server
        return 2
    uvicorn.run(
        app,
        host=host,
        port=chosen.port,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
