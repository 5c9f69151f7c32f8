"""Bind the arguments of plain operations by a plan that is made once.

FastAPI finds out anew for each request what an operation's parameters are, which costs more than
many of our answers (0.3 of 1.0 ms for a link).  What has path parameters and one query model alone
is bound here, with the same refusals; everything else is left to FastAPI.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from fastapi import BackgroundTasks, params
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from api.call import ThisCall, receive_call
from api.query_string import NO_QUERY, take_no_query


@dataclass(frozen=True, slots=True)
class Binding:
    """What an operation is given: parts of the path, its query, the call."""

    endpoint: Callable[..., Any]
    is_async: bool
    path_names: tuple[str, ...]
    call_name: str
    query: tuple[str, type[BaseModel]] | None
    takes_no_query: bool

    @classmethod
    def of(
        cls, endpoint: Callable[..., Any], dependencies: Sequence[params.Depends]
    ) -> "Binding | None":
        """Make the plan of an operation; None if FastAPI has to bind it."""
        hints = get_type_hints(endpoint, include_extras=True)
        names = list(inspect.signature(endpoint).parameters)
        paths = tuple(name for name in names if hints[name] is str)
        calls = [name for name in names if hints[name] == ThisCall]
        queries = [(name, found) for name in names if (found := _query_model(hints[name]))]
        is_whole = len(paths) + len(calls) + len(queries) == len(names)
        is_known = all(each == NO_QUERY for each in dependencies)
        if not (is_whole and is_known and len(calls) == 1 and len(queries) <= 1):
            return None
        query = queries[0] if queries else None
        is_async = inspect.iscoroutinefunction(endpoint)
        return cls(endpoint, is_async, paths, calls[0], query, takes_no_query=bool(dependencies))

    async def answer(self, request: Request) -> Response:
        """Run the operation, in a thread if it may wait."""
        background = BackgroundTasks()
        if self.takes_no_query:
            await take_no_query(request)
        given: dict[str, Any] = {name: request.path_params[name] for name in self.path_names}
        given[self.call_name] = await receive_call(request, background)
        if self.query is not None:
            given[self.query[0]] = _validated(self.query[1], request)
        if self.is_async:
            answer: Response = await self.endpoint(**given)
        else:
            answer = await run_in_threadpool(self.endpoint, **given)
        if answer.background is None and background.tasks:
            answer.background = background
        return answer


def _query_model(hint: Any) -> type[BaseModel] | None:
    if get_origin(hint) is not Annotated:
        return None
    model, *marks = get_args(hint)
    is_query = len(marks) == 1 and isinstance(marks[0], params.Query)
    return model if is_query and issubclass(model, BaseModel) else None


def _validated(model: type[BaseModel], request: Request) -> BaseModel:
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as wrong:
        found = wrong.errors(include_url=False)
        raise RequestValidationError(
            [{**each, "loc": ("query", *each["loc"])} for each in found]
        ) from wrong
