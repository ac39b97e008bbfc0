"""Query parameters: those that an endpoint names and no others, each given once, but for lists.

A mistyped filter would show everything, and of two values a proxy may judge by one and the service by another.
"""

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeVar, get_origin

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.responses import Response

from shared.web.answers import declared
from shared.web.problem import invalid_field

Handle = Callable[[Request], Coroutine[Any, Any, Response]]
C = TypeVar("C", bound=Callable[..., Any])

_OF_LISTS = ("limit", "cursor")


class QueryNames(NamedTuple):
    """The query parameters of an endpoint. `others`: whether what it does not name is passed over."""

    single: frozenset[str]
    several: frozenset[str]
    others: bool


def others_passed_over(reason: str) -> Callable[[C], C]:
    """Query parameters that this endpoint does not name are passed over, for a reason that is stated."""

    def mark(endpoint: C) -> C:
        if not reason:
            raise TypeError(f"{endpoint.__qualname__}: why are unknown parameters passed over?")
        endpoint.__others_passed_over__ = True  # type: ignore[attr-defined]
        return endpoint

    return mark


def passes_others_over(endpoint: Callable[..., Any]) -> bool:
    """Whether the endpoint takes query parameters that it does not name."""
    return getattr(endpoint, "__others_passed_over__", False)


def query_names(endpoint: Callable[..., Any], dependant: Dependant | None = None) -> QueryNames:
    """The query parameters of an endpoint; `dependant` is what FastAPI solves for it."""
    said = declared(endpoint)
    of_list = _OF_LISTS if said is not None and said.kind == "list" else ()
    fields = [] if dependant is None else dependant.query_params
    several = frozenset(one.alias for one in fields if get_origin(one.field_info.annotation) is list)
    single = frozenset({*of_list, *(one.alias for one in fields)} - several)
    return QueryNames(single, several, passes_others_over(endpoint))


def with_query(handle: Handle, names: QueryNames) -> Handle:
    """`handle` for requests whose query has only these parameters, none of the single ones twice; others are a 422."""

    async def checked(request: Request) -> Response:
        if request.scope["query_string"]:
            _check([name for name, _ in request.query_params.multi_items()], names)
        return await handle(request)

    return checked


def _check(given: list[str], names: QueryNames) -> None:
    for name in given:
        if name in names.single:
            if given.count(name) > 1:
                raise invalid_field(f"query:/{name}", "repeated", "同一参数只能给出一次")
        elif name not in names.several and not names.others:
            raise invalid_field(f"query:/{_escaped(name)}", "unknown_parameter", "没有这个查询参数")


def _escaped(name: str) -> str:
    """As a token of a JSON pointer (RFC 6901), and no longer than anybody would name a parameter."""
    return name[:64].replace("~", "~0").replace("/", "~1")
