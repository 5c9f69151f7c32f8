"""How the API is served: one place for what its speed is compared under."""

import uvicorn
from fastapi import FastAPI

_GRACE_SECONDS = 5


def serving(app: FastAPI, host: str, port: int) -> uvicorn.Config:
    """Give the server's configuration; uvicorn takes uvloop and httptools where they are."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
