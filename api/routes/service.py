"""The service itself: alive, ready, which build."""

from importlib.metadata import version

from fastapi import Request, Response
from starlette.responses import JSONResponse, PlainTextResponse

from api.metrics import CONTENT_TYPE
from api.models.answers import HealthAnswer, ReadyAnswer, VersionAnswer
from api.readiness import probe
from api.routers import new_router

DISTRIBUTION = "staging-service"
router = new_router("service")


@router.get("/healthz", response_model=HealthAnswer)
async def check_health() -> Response:
    """Tell that the process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz", response_model=ReadyAnswer)
async def check_readiness(request: Request) -> Response:
    """Tell whether catalog and bucket answer; Temporal is reported, not required."""
    return JSONResponse({"status": "ready", "parts": await probe(request.app.state.wiring)})


@router.get("/version", response_model=VersionAnswer)
async def read_version() -> Response:
    """Tell which build this is."""
    return JSONResponse({"name": DISTRIBUTION, "version": version(DISTRIBUTION), "api": "v1"})


@router.get("/metrics", response_class=PlainTextResponse)
def read_metrics(request: Request) -> Response:
    """Tell what this process counts and what is under way, for Prometheus."""
    return Response(request.app.state.wiring.metrics.render(), media_type=CONTENT_TYPE)
