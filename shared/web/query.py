"""Query parameters are given once, but for lists: of two values a proxy may judge by one and the service by another."""

from collections.abc import Callable, Collection, Coroutine
from typing import Any, get_origin

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.responses import Response

from shared.web.answers import declared
from shared.web.problem import invalid_field

Handle = Callable[[Request], Coroutine[Any, Any, Response]]

_OF_LISTS = ("limit", "cursor")


def single_names(endpoint: Callable[..., Any], dependant: Dependant | None = None) -> frozenset[str]:
    """The query parameters of an endpoint that have one value each; `dependant` is what FastAPI solves for it."""
    said = declared(endpoint)
    of_list = _OF_LISTS if said is not None and said.kind == "list" else ()
    fields = [] if dependant is None else dependant.query_params
    return frozenset({*of_list, *(one.alias for one in fields if get_origin(one.field_info.annotation) is not list)})


def given_once(handle: Handle, names: Collection[str]) -> Handle:
    """`handle` for requests in which none of these is repeated; others are a 422."""

    async def checked(request: Request) -> Response:
        if b"&" in request.scope["query_string"]:
            _check(request, names)
        return await handle(request)

    return checked if names else handle


def _check(request: Request, names: Collection[str]) -> None:
    given = [name for name, _ in request.query_params.multi_items() if name in names]
    for name in given:
        if given.count(name) > 1:
            raise invalid_field(f"query:/{name}", "repeated", "同一参数只能给出一次")
