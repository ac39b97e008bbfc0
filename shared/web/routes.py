"""Routes that check their caller, and bodies that refuse what they do not know."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict
from starlette.types import Receive, Scope, Send

from shared.web.caller import PUBLIC, admit, admit_asking, allowed, caller_of
from shared.web.issuers import KeysWanted
from shared.web.query import Handle, QueryNames, passes_others_over, query_names, with_query
from shared.web.signing.declared import SIGNERS, demands_signature
from shared.web.signing.guard import Guard
from shared.web.step_up import ACR, MAX_AGE, check_step_up, needs_step_up

PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "问题说明（RFC 9457）",
        "content": {"application/problem+json": {"schema": {"type": "object"}}},
    }
}
"""Keeps FastAPI's own 422 out of the documents; `shared.web.document` says which problems an operation has."""


class Body(BaseModel):
    """A request body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


C = TypeVar("C", bound=Callable[..., Any])


def accepts_up_to(size: int) -> Callable[[C], C]:
    """Declare that an endpoint takes bodies of up to `size` bytes, where more than the usual is asked of it."""

    def mark(endpoint: C) -> C:
        endpoint.__most_bytes__ = size  # type: ignore[attr-defined]
        return endpoint

    return mark


class GuardedRoute(APIRoute):
    """A route that admits only the roles which its endpoint declares; one that declares none does not start.

    Neither does one that lets banks in and does not say whether they must sign (`@signed`, `@unsigned`).
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        patterns = allowed(endpoint)
        extra = {**(options.get("openapi_extra") or {}), "x-roles": list(patterns)}
        if PUBLIC not in patterns:
            extra["security"] = [{"bearer": []}]
        self._signed = demands_signature(endpoint, patterns)
        if self._signed:
            extra["x-signed"] = [SIGNERS]
        if passes_others_over(endpoint):
            extra["x-unknown-parameters"] = "ignored"
        if needs_step_up(endpoint):
            extra["x-step-up"] = {"acr_values": ACR, "max_age": MAX_AGE}
        options["openapi_extra"] = extra
        options["responses"] = {**PROBLEMS, **(options.get("responses") or {})}
        self._direct = (
            self._guarded(endpoint, endpoint, query_names(endpoint)) if _takes_the_request_alone(endpoint) else None
        )
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handle:
        names = query_names(self.endpoint, self.dependant)
        return self._direct or self._guarded(super().get_route_handler(), self.endpoint, names)

    def _guarded(self, handle: Handle, endpoint: Callable[..., Any], names: QueryNames) -> Handle:
        handle = with_query(handle, names)
        return _guarded(_exchanging(handle) if self._signed else handle, endpoint)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._direct is None or scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)
        else:
            response = await self._direct(Request(scope, receive, send))
            await response(scope, receive, send)


def _guarded(handle: Handle, endpoint: Callable[..., Any]) -> Handle:
    """`handle` for whom the endpoint admits; a caller whose token is known costs no more than a look at it."""
    patterns = allowed(endpoint)

    async def guarded(request: Request) -> Response:
        try:
            admit(request, patterns)
        except KeysWanted:
            await admit_asking(request, patterns)
        return await handle(request)

    async def stepped_up(request: Request) -> Response:
        await admit_asking(request, patterns)
        check_step_up(caller_of(request))
        return await handle(request)

    return stepped_up if needs_step_up(endpoint) else guarded


def _exchanging(handle: Handle) -> Handle:
    """Banks call this one with signed messages. Apart, so that other routes have nothing to ask themselves."""

    async def exchanging(request: Request) -> Response:
        guard: Guard = request.app.state.signing
        return await guard.exchange(request, handle)

    return exchanging


def _takes_the_request_alone(endpoint: Callable[..., Any]) -> bool:
    """Such an endpoint leaves nothing for FastAPI to solve, to serialise or to close: 7 % of a claim's time."""
    signature = inspect.signature(endpoint, eval_str=True)
    return (
        inspect.iscoroutinefunction(endpoint)
        and [parameter.annotation for parameter in signature.parameters.values()] == [Request]
        and isinstance(signature.return_annotation, type)
        and issubclass(signature.return_annotation, Response)
    )


def router(tag: str, prefix: str = "/v1") -> APIRouter:
    """A router whose routes are all guarded."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=GuardedRoute)
