"""Put the service together: routes, problems, edges."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from api import PREFIX
from api.body_limit import BodyLimit
from api.documentation import document
from api.edge import Edge
from api.methods import Methods, allowed_methods
from api.problems import install_problems
from api.routes import chunks, connections, console, jobs, service
from api.wiring import Wiring


def create_app(wiring: Wiring) -> FastAPI:
    """Make the application; it closes the wiring's catalog when it shuts down."""
    app = routed_app()
    app.state.wiring = wiring
    app.state.allowed_methods = allowed_methods(app.openapi()["paths"] | console.PATHS)
    install_problems(app)
    app.add_middleware(Methods, allow=app.state.allowed_methods)
    app.add_middleware(BodyLimit)
    app.add_middleware(Edge)
    return app


def routed_app() -> FastAPI:
    """Make the application's routes and their documentation, without any part behind them."""
    app = FastAPI(
        lifespan=_closing,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        strict_content_type=False,
        generate_unique_id_function=lambda route: route.name,
    )
    prefixed = APIRouter(prefix=PREFIX)
    for noun in (jobs, chunks, connections):
        prefixed.include_router(noun.router)
    app.include_router(prefixed)
    app.include_router(service.router)
    app.include_router(console.router)
    document(app)
    return app


@asynccontextmanager
async def _closing(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.wiring.catalog.close()
