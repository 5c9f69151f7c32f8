"""Routers whose routes the application takes as its own."""

from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.binding import Binding
from api.body import JsonRoute


class BoundRoute(JsonRoute):
    """A route whose operation is bound by our own plan where it is plain enough."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Give what answers a request."""
        if self.body_field is None:
            binding = Binding.of(self.endpoint, self.dependencies)
            if binding is not None:
                return binding.answer
        return super().get_route_handler()


def new_router(tag: str, prefix: str = "") -> APIRouter:
    """Make a router that leaves nothing to be decided by the application.

    Its routes can so be the application's own: each level of FastAPI's `include_router` costs
    some 5 % of a short request.
    """
    tags: list[str | Enum] = [tag]
    return APIRouter(
        prefix=prefix,
        route_class=BoundRoute,
        tags=tags,
        strict_content_type=False,
        generate_unique_id_function=lambda route: route.name,
    )
