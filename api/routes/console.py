"""The console: a page at `/`, and what it loads; for people, so OpenAPI does not list it."""

from fastapi import APIRouter, Request, Response

from api.console_files import ConsoleFile, console_files, page
from api.errors import UnknownPath
from api.etags import is_named

router = APIRouter(include_in_schema=False)
PATHS = {"/": {"get"}, "/console/{name}": {"get"}}


@router.get("/")
async def read_console(request: Request) -> Response:
    """Give the page."""
    return _answer(request, page())


@router.get("/console/{name}")
async def read_console_file(name: str, request: Request) -> Response:
    """Give a file of the page."""
    found = console_files().get(name)
    if found is None:
        raise UnknownPath()
    return _answer(request, found)


def _answer(request: Request, found: ConsoleFile) -> Response:
    if is_named(request.headers.get("If-None-Match"), found.tag):
        return Response(status_code=304, headers=found.headers)
    return Response(found.body, headers=found.headers)
