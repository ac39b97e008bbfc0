"""Bulk: many requests to one kind of resource in one, with a result for each; none harms another."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from shared.web.answered import answered
from shared.web.answers import RawObject, RawProblem
from shared.web.command import BULK_ITEM, given_key
from shared.web.problem import Problem, invalid_field
from shared.web.routes import Body

AT_ONCE = 16
"""How many items are under way together: a bulk request leaves room for everybody else's."""
MOST = 500

I = TypeVar("I", bound=BaseModel)  # noqa: E741

Items = Annotated[tuple[I, ...], Field(min_length=1, max_length=MOST)]


class Bulk(Body, Generic[I]):
    items: Items[I]


class ItemResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one item: the status, and the body or the problem, that a request of its own would have got."""

    id: str
    status: int
    body: RawObject | None = None
    problem: RawProblem | None = None


class BulkResult(msgspec.Struct, frozen=True):
    succeeded: int
    failed: int
    items: tuple[ItemResult, ...]


def distinct(ids: Sequence[str], field: str) -> None:
    """Refuse a bulk request that names something twice: which of the two was meant, nobody can tell."""
    seen: set[str] = set()
    for number, id in enumerate(ids):
        if id in seen:
            raise invalid_field(f"/items/{number}/{field}", "repeated", "同一编号在一次请求中只能出现一次")
        seen.add(id)


async def in_bulk(
    request: Request, items: Sequence[tuple[str, str, I]], one: Callable[[Request, str, I], Awaitable[Response]]
) -> Response:
    """Handle each of `items` (id, path, body) by `one` as if it had been sent to its path by itself.

    An `Idempotency-Key` is extended by the item's id, so a bulk request that is sent again repeats nothing.
    Raises a 400 for a key that is none, and for an `If-Match`: no version is that of all items.
    """
    given_key(request)
    if "if-match" in request.headers:
        raise Problem(400, "not_in_bulk", "批量请求不支持 If-Match，请逐件提交")
    room = asyncio.Semaphore(AT_ONCE)

    async def result(id: str, path: str, body: I) -> ItemResult:
        async with room:
            response = await answered(_as_sent_alone(request, id, path, body), lambda alone: one(alone, id, body))
        raw = msgspec.Raw(bytes(response.body))
        if response.status_code >= 400:
            return ItemResult(id, response.status_code, problem=raw)
        return ItemResult(id, response.status_code, body=raw)

    results = await asyncio.gather(*(result(*item) for item in items))
    failed = sum(item.status >= 400 for item in results)
    told = BulkResult(len(results) - failed, failed, tuple(results))
    return Response(msgspec.json.encode(told), media_type="application/json")


def _as_sent_alone(request: Request, id: str, path: str, body: BaseModel) -> Request:
    """The request that this item would have been: its own path, body and key; the caller and all else are the same."""
    headers = [item for item in request.scope["headers"] if item[0] != b"content-length"]
    content = body.model_dump_json().encode()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    scope = {**request.scope, "path": path, "raw_path": path.encode(), "headers": headers, BULK_ITEM: id}
    return Request(scope, receive)
